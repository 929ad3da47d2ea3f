"""Decision records are numbered once, and say what decided them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

RECORDS = sorted((Path(__file__).resolve().parents[2] / "docs/decisions").glob("*.md"))


def test_each_number_is_given_once_and_none_is_left_out() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.stem)
def test_a_record_has_its_number_and_its_four_parts(record: Path) -> None:
    text = record.read_text()
    assert text.startswith(f"# {int(record.name[:4])}. ")
    for part in ("Context", "Decision", "Consequences"):
        assert re.search(rf"\*\*{part}\.?\*\*", text), part
    assert re.search(r"\*\*Held by", text)
