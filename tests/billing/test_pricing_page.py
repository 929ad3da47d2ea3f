"""The page about pricing models is what the models' files say."""

from __future__ import annotations

from pathlib import Path

from billing.pricing_model import models
from billing.pricing_page import page

FILE = Path(__file__).resolve().parents[2] / "docs" / "pricing.md"


def test_the_page_is_written_from_the_models() -> None:
    assert FILE.read_text(encoding="utf-8") == page(), "write billing.pricing_page.page() to docs/pricing.md"


def test_the_page_shows_every_example_of_every_model() -> None:
    text = page()
    for model in models().values():
        assert all(f"| {example.why} |" in text for example in (*model.examples, *model.refusals))
