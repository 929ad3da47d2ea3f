"""Reading bands from JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from billing.bands import DAY_MINUTES, Band, Bands, DayKind
from billing.members import Members
from billing.periods import zone
from billing.pricing_model import DECIMAL_STRING
from billing.public_holidays import holidays_known
from core.errors import FieldError, Invalid

BANDS_MOST = 50
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAY = "holiday"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_Word = TypeVar("_Word", bound=str | int)
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00", re.ASCII)

HOLIDAYS_SCHEMA: dict[str, Any] = {
    "type": "string",
    "description": (
        "A country, or a part of one (ISO 3166), on whose public holidays the bands look. A holiday counts as a "
        "Sunday; where a band names the day `holiday`, it is that one."
    ),
    "examples": ["NL", "DE-BY"],
}
BAND_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "days": {
            "type": "array",
            "description": "On which it starts; every day when absent (with `holidays` here, on those alone).",
            "items": {"type": "string", "enum": [*DAYS, HOLIDAY]},
            "minItems": 1,
        },
        "from": {"type": "string", "default": "00:00", "examples": ["07:00"]},
        "to": {
            "type": "string",
            "default": "24:00",
            "description": "At or before `from` it is on the next day; 24:00 is the end of the day.",
            "examples": ["23:00"],
        },
        "months": {
            "type": "array",
            "description": "In which it starts; every month when absent.",
            "items": {
                "oneOf": [{"type": "integer", "minimum": 1, "maximum": 12}, {"type": "string", "enum": [*MONTHS]}]
            },
            "minItems": 1,
        },
        "holidays": {**HOLIDAYS_SCHEMA, "description": "For this band alone; the same country in all of a price."},
        "unit_price": {**DECIMAL_STRING, "description": "Per unit used in the band.", "examples": ["0.32"]},
    },
    "required": ["name", "unit_price"],
    "additionalProperties": False,
}


def read_bands(members: Members) -> Bands:
    """Read `bands`, `time_zone` and `holidays`.

    Codes: `bands_expected`, `bands_overlap` (at the later of the two), `days_expected`, `months_expected`,
    `time_malformed`, `time_zone_unknown`, `holidays_unknown`, `holidays_required` (a band names the day `holiday`
    without a country), `holidays_differ` (a price looks at one country), and those of the members.
    """
    time_zone, everywhere = _time_zone(members), _holidays(members)
    entries = _entries(members)
    own = [_holidays(entry) for entry in entries]
    country = next((each for each in (everywhere, *own) if each is not None), None)
    named = any(_names_holidays(entry.raw("days")) for entry in entries)
    bands: list[Band] = []
    for entry, each in zip(entries, own, strict=True):
        if each not in (None, country):
            entry.refuse("holidays", "holidays_differ", "All bands of a price look at the holidays of one country.")
        before = len(members.errors)
        observes = country is not None and (each or everywhere) is not None
        band = _read(entry, observes=observes, alone=each is not None, named=named)
        if len(members.errors) == before:
            _keep_apart(members, len(bands), band, bands)
        bands.append(band)
    return Bands(tuple(bands), time_zone, country)


def _names_holidays(days: object) -> bool:
    return isinstance(days, list) and HOLIDAY in days


def _entries(members: Members) -> list[Members]:
    value = members.required("bands")
    if value is None:
        return []
    if not isinstance(value, list) or not 0 < len(value) <= BANDS_MOST:
        members.refuse("bands", "bands_expected", f"This is a list of 1 to {BANDS_MOST} bands.")
        return []
    return [Members(entry, f"{members.at('bands')}/{i}", members.errors) for i, entry in enumerate(value)]


def _keep_apart(members: Members, position: int, band: Band, before: Sequence[Band]) -> None:
    for other in before:
        if band.meets(other):
            detail = f"There are hours that belong to {other.name} and to {band.name}."
            members.errors.append(FieldError(f"{members.at('bands')}/{position}", "bands_overlap", detail))
            return


def _read(entry: Members, *, observes: bool, alone: bool, named: bool) -> Band:
    name, unit_price = entry.text("name"), entry.decimal("unit_price")
    start, end = _minute(entry, "from", "00:00"), _minute(entry, "to", "24:00")
    band = Band(
        name=name,
        unit_price=unit_price,
        start=start,
        end=end if end > start else end + DAY_MINUTES,
        days=_days(entry, observes=observes, alone=alone, named=named),
        months=_months(entry),
    )
    entry.close()
    return band


def _days(entry: Members, *, observes: bool, alone: bool, named: bool) -> frozenset[DayKind]:
    """The kinds of day on which a band starts.

    Args:
        observes: a public holiday is not its weekday.
        alone: the band says so itself; without days it is for holidays only.
        named: a band of the price names holidays, so that they are no Sundays.
    """
    every = [HOLIDAY] if alone else [*DAYS, HOLIDAY]
    days = set(_words(entry, "days", (*DAYS, HOLIDAY)) if entry.has("days") else every)
    entry.raw("days")
    if not observes:
        if entry.has("days") and HOLIDAY in days:
            entry.refuse("days", "holidays_required", "Say in `holidays` of which country.")
        return frozenset((DAYS.index(day), free) for day in days - {HOLIDAY} for free in (False, True))
    on_holidays = HOLIDAY in days or (DAYS[-1] in days and not named)
    return frozenset(
        [(DAYS.index(day), False) for day in days - {HOLIDAY}] + [(day, True) for day in range(7) if on_holidays]
    )


def _months(entry: Members) -> frozenset[int]:
    if not entry.has("months"):
        entry.raw("months")
        return frozenset(range(1, 13))
    known = (*MONTHS, *range(1, 13))
    found = _words(entry, "months", known)
    return frozenset(MONTHS.index(month) + 1 if isinstance(month, str) else month for month in found)


def _words(entry: Members, name: str, known: Sequence[_Word]) -> list[_Word]:
    """A list of some known words, at least one of them."""
    value = entry.raw(name)
    if not isinstance(value, list) or not value:
        entry.refuse(name, f"{name}_expected", "This is a list, and not an empty one.")
        return []
    for i, word in enumerate(value):
        if type(word) not in (int, str) or word not in known:
            detail = f"Use one of: {', '.join(str(each) for each in known)}."
            entry.errors.append(FieldError(f"{entry.at(name)}/{i}", "not_one_of", detail))
    return [word for word in known if word in value]


def _minute(entry: Members, name: str, default: str) -> int:
    """Minutes since midnight; `24:00` only as an end."""
    value = entry.raw(name)
    text = default if value is None else value
    if not isinstance(text, str) or not _TIME.fullmatch(text) or (text == "24:00" and name == "from"):
        entry.refuse(name, "time_malformed", "Write a time of the day such as 07:00.")
        return 0
    return int(text[:2]) * 60 + int(text[3:])


def _time_zone(members: Members) -> str | None:
    if not members.has("time_zone"):
        members.raw("time_zone")
        return None
    name = members.text("time_zone")
    try:
        zone(name)
    except Invalid as unknown:
        members.refuse("time_zone", unknown.code, unknown.detail)
        return None
    return name


def _holidays(members: Members) -> str | None:
    if not members.has("holidays"):
        members.raw("holidays")
        return None
    place = members.text("holidays")
    if place and not holidays_known(place):
        members.refuse("holidays", "holidays_unknown", "Use a country such as NL, or a part of one such as DE-BY.")
        return None
    return place or None
