"""What is sent for a price index, held against its slots: every row that is wrong is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from billing.index import slot_start
from core.decimals import parse_decimal
from core.errors import FieldError, Invalid
from core.period import rfc3339

YEARS = range(1970, 2201)


@dataclass(frozen=True)
class SentValue:
    """A value as it was sent, unchecked. `index` counts rows from 0; instants are UTC."""

    index: int
    start: datetime
    value: str
    end: datetime | None = None

    def at(self, member: str) -> str:
        """The JSON pointer of a member of this row."""
        return f"/values/{self.index}/{member}"


@dataclass(frozen=True)
class SlotValue:
    """The value of the slot that starts at an instant."""

    start: datetime
    value: Decimal


def read_values(rows: Sequence[SentValue], slot_minutes: int, errors: list[FieldError]) -> list[SlotValue]:
    """The values of slots; what is wrong is added to `errors`, overlaps first.

    Codes: `index_slots_overlap`, `index_slot_misaligned`, `instant_out_of_range`, `decimal_malformed`,
    `decimal_out_of_range`.
    """
    step = timedelta(minutes=slot_minutes)
    overlaps = {error.pointer: error for error in _overlaps(rows, step)}
    errors.extend(overlaps.values())
    found = []
    for row in rows:
        errors.extend(error for error in _misplaced(row, step) if error.pointer not in overlaps)
        try:
            found.append(SlotValue(row.start, parse_decimal(row.value, row.at("value"))))
        except Invalid as wrong:
            errors.extend(wrong.errors)
    return found


def _overlaps(rows: Sequence[SentValue], step: timedelta) -> Iterator[FieldError]:
    """Rows that begin before an earlier one ends."""
    longest: SentValue | None = None
    for row in sorted(rows, key=lambda r: (r.start, r.index)):
        if longest is not None and row.start < _end(longest, step):
            detail = f"This slot overlaps that of row {longest.index}, which starts at {rfc3339(longest.start)}."
            yield FieldError(row.at("start"), "index_slots_overlap", detail)
        if longest is None or _end(row, step) > _end(longest, step):
            longest = row


def _end(row: SentValue, step: timedelta) -> datetime:
    return row.end or row.start + step


def _misplaced(row: SentValue, step: timedelta) -> Iterator[FieldError]:
    minutes = int(step.total_seconds() // 60)
    if row.start.year not in YEARS:
        yield FieldError(row.at("start"), "instant_out_of_range", f"Slots lie between {YEARS[0]} and {YEARS[-1]}.")
    elif row.start != slot_start(row.start, minutes):
        detail = f"The slots of this index start every {minutes} minutes, from the full hour in UTC."
        yield FieldError(row.at("start"), "index_slot_misaligned", detail)
    if row.end is not None and row.end != row.start + step:
        detail = f"A slot of this index ends {minutes} minutes after its start."
        yield FieldError(row.at("end"), "index_slot_misaligned", detail)
