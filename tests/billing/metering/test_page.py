"""The page about aggregations is what their files say."""

from __future__ import annotations

from pathlib import Path

from billing.metering.meters import kinds
from billing.metering.page import page

FILE = Path(__file__).resolve().parents[3] / "docs" / "aggregations.md"


def test_the_page_is_written_from_the_aggregations() -> None:
    assert FILE.read_text(encoding="utf-8") == page(), "write billing.metering.page.page() to docs/aggregations.md"


def test_the_page_shows_every_example_of_every_aggregation() -> None:
    text = page()
    for kind in kinds().values():
        assert all(f"| {example.why} |" in text for example in (*kind.examples, *kind.refusals))
