"""The catalogue of events is what the services emit."""

from __future__ import annotations

import re
from pathlib import Path

from core.ids import PREFIXES
from events.catalogue import catalogue, is_known, matches

SERVICES = Path(__file__).resolve().parents[2] / "services"


def test_every_event_that_a_service_may_emit_stands_in_the_catalogue() -> None:
    kinds = "|".join(sorted({entry.type.partition(".")[0] for entry in catalogue().values()} | set(PREFIXES)))
    written = {
        name for file in SERVICES.glob("*.py") for name in re.findall(rf'"((?:{kinds})\.[a-z_]+)"', file.read_text())
    }
    assert written, "the services emit nothing, or this test looks in the wrong place"
    assert written - set(catalogue()) == set()


def test_every_entry_names_a_kind_of_thing_and_says_what_happened_in_a_sentence() -> None:
    for entry in catalogue().values():
        assert entry.kind in PREFIXES
        assert entry.meaning.endswith(".")


def test_a_pattern_is_a_type_or_a_whole_kind() -> None:
    assert is_known("invoice.paid")
    assert is_known("invoice.*")
    assert not is_known("invoice.eaten")
    assert not is_known("*")
    assert matches("invoice.*", "invoice.paid")
    assert not matches("invoice.*", "invoice_line.paid")
    assert not matches("invoice.paid", "invoice.paid_twice")
