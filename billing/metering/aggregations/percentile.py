"""`percentile`: the rate of octets that is exceeded in no more than 5 % of the slots, in Mbit/s of 10^6.

Per slot of `sample_minutes`, on the hour, rate = octets x 8 / seconds; all slots of the span sorted, the one at
ceil(p N / 100), counted from 1. Ports are added per slot first. Source: the texts of transit contracts; LibreNMS takes
round(0.95 N) - 1, which is one sample low or more.

A slot that a port did not count throughout is filled from its counter when that went on (the store cuts the interval
over it); otherwise the slot is no sample, never a zero. With fewer samples than 95 % of the slots the line says so.
A slot that is cut short by an end of the span is none either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import partial
from typing import Any

from billing.members import Members
from billing.metering.aggregations.protocol import (
    LOW_COVERAGE,
    NO_SAMPLES,
    Aggregation,
    AggregationKind,
    BadExample,
    Example,
    Reduced,
)
from billing.metering.grids import MINUTES_SCHEMA, read_minutes, whole_slots
from billing.metering.slots import Part, Slot
from core.decimals import EXACT, format_decimal
from core.errors import Refused
from core.period import rfc3339
from core.quantity import factor, quotient

UNIT = "Mbit/s"
OCTETS = "octets"
IN, OUT = "in", "out"
LARGER_OF_PERCENTILES, PERCENTILE_OF_LARGER, PERCENTILE_OF_SUM = (
    "larger_of_percentiles",
    "percentile_of_larger",
    "percentile_of_sum",
)
DIRECTIONS = (IN, OUT, LARGER_OF_PERCENTILES, PERCENTILE_OF_LARGER, PERCENTILE_OF_SUM)
COVERAGE_LEAST = 95  # per cent of the slots
HUNDRED, BITS, MEGA = Decimal(100), Decimal(8), Decimal(10**6)

Sample = tuple[Decimal, Slot]


@dataclass(frozen=True)
class Percentile:
    """The members of one meter. `scale` makes octets of its unit."""

    percentile: Decimal
    minutes: int
    direction: str
    scale: Decimal

    def rank(self, count: int) -> int:
        """The place of the sample among `count` in rising order, counted from 0."""
        exact = EXACT.divide(EXACT.multiply(self.percentile, Decimal(count)), HUNDRED)
        return max(1, int(exact.to_integral_value(ROUND_CEILING))) - 1

    def rate(self, quantity: Decimal) -> Decimal:
        """Mbit/s over a whole slot."""
        bits = EXACT.multiply(EXACT.multiply(quantity, self.scale), BITS)
        return quotient(bits, EXACT.multiply(Decimal(self.minutes * 60), MEGA))


def parse(members: Members, unit: str) -> Aggregation:
    """Read `percentile`, `sample_minutes` and `direction`."""
    percentile = members.decimal("percentile", default=Decimal(95), sign="positive")
    if percentile > HUNDRED:
        members.refuse("percentile", "percentile_out_of_range", "This is above 0 and at most 100.")
        percentile = HUNDRED
    minutes = read_minutes(members, "sample_minutes", default=5)
    direction = members.choice("direction", DIRECTIONS, default=PERCENTILE_OF_SUM)
    return Aggregation(
        partial(_reduce, Percentile(percentile, minutes, direction, factor(unit, OCTETS))),
        parts=frozenset({Part.SUM, Part.COVERAGE}),
        level=True,
        registers=True,
        dimensions=("direction",),
        minutes=minutes,
        unit=UNIT,
    )


def _reduce(asked: Percentile, slots: Sequence[Slot]) -> Reduced:
    whole = whole_slots(slots, asked.minutes)
    if asked.direction == LARGER_OF_PERCENTILES:
        series = {way: _samples(whole, partial(_of, way)) for way in (IN, OUT)}
    else:
        series = {asked.direction: _samples(whole, _reading(asked.direction, _seen(whole)))}
    found = {name: _ranked(asked, samples) for name, samples in series.items() if samples}
    if not found:
        raise Refused(NO_SAMPLES, "There is no sample of octets in this span that a percentile could be taken of.")
    count = min(len(series[name]) for name in found)
    low = count * 100 < COVERAGE_LEAST * len(whole)
    quantity, at = max(found.values(), key=lambda each: each[0])
    return Reduced(
        asked.rate(quantity),
        flags=(LOW_COVERAGE,) if low else (),
        notes=_notes(asked, count, len(whole), at, {name: asked.rate(each) for name, (each, _) in found.items()}),
    )


def _notes(asked: Percentile, count: int, slots: int, at: Slot, rates: Mapping[str, Decimal]) -> dict[str, Any]:
    return {
        "samples": count,
        "slots": slots,
        "rank": asked.rank(count) + 1,
        "sample_at": rfc3339(at.period.start),
        "rates": {name: format_decimal(rate) for name, rate in rates.items()},
    }


def _ranked(asked: Percentile, samples: Sequence[Sample]) -> Sample:
    return sorted(samples, key=lambda sample: sample[0])[asked.rank(len(samples))]


def _samples(slots: Sequence[Slot], read: Callable[[Slot], Decimal | None]) -> list[Sample]:
    return [(found, slot) for slot in slots if (found := read(slot)) is not None]


def _seen(slots: Sequence[Slot]) -> frozenset[str]:
    """The directions that are counted at all: in a sample of several each of them is known."""
    return frozenset(way for way in (IN, OUT) if any((way,) in slot.cells for slot in slots))


def _reading(direction: str, seen: frozenset[str]) -> Callable[[Slot], Decimal | None]:
    if direction == PERCENTILE_OF_SUM:
        return partial(_sum, seen)
    return partial(_larger, seen) if direction == PERCENTILE_OF_LARGER else partial(_of, direction)


def _of(way: str, slot: Slot) -> Decimal | None:
    """The octets of one direction, or None where they are not known."""
    cell = slot.cells.get((way,))
    if cell is None or cell.unknown or not (cell.registers or cell.count):
        return None
    return cell.sum


def _larger(seen: frozenset[str], slot: Slot) -> Decimal | None:
    found = [_of(way, slot) for way in seen]
    known = [each for each in found if each is not None]
    return max(known) if known and len(known) == len(found) else None


def _sum(seen: frozenset[str], slot: Slot) -> Decimal | None:
    """All octets, also those without a direction."""
    if slot.unknown or not (slot.registers or slot.count) or any(_of(way, slot) is None for way in seen):
        return None
    return slot.sum


def _traffic(way: str, *megabits: int | None) -> list[tuple[int, str, dict[str, str]]]:
    """Five-minute samples of one direction, in Mbit/s; None is a missing one."""
    octets = 300 * 10**6 // 8
    return [(5 * i, str(m * octets), {"direction": way}) for i, m in enumerate(megabits) if m is not None]


_TWENTY = [*_traffic("in", 100, *[10] * 19), *_traffic("out", 10, 100, *[10] * 18)]
_TRUTH: list[int | None] = [10] * 18


def _in(**more: Any) -> dict[str, Any]:
    return {"percentile": "95", "sample_minutes": 5, "direction": "in", **more}


PLUGIN = AggregationKind(
    name="percentile",
    summary="The rate of octets at a percentile of all samples, in Mbit/s of 10^6; by `properties.direction` of events "
    "and by the names of registers.",
    parse=parse,
    dimension="data",
    unit=OCTETS,
    members={
        "percentile": {
            "type": "string",
            "default": "95",
            "pattern": r"^(0|[1-9][0-9]{0,2})(\.[0-9]{1,12})?$",
            "description": "Per cent of the samples, above 0 and at most 100.",
        },
        "sample_minutes": {**MINUTES_SCHEMA, "default": 5, "description": "Length of a sample; on the hour."},
        "direction": {
            "type": "string",
            "enum": list(DIRECTIONS),
            "default": PERCENTILE_OF_SUM,
            "description": "Which octets: one direction; the larger of both percentiles; the percentile of the larger "
            "direction in each slot; or of both added (with those of no direction).",
        },
    },
    examples=[
        Example("samples 1 to 20", _traffic("in", *range(1, 21)), "19", _in(), minutes=100),
        Example("samples 1 to 18", _traffic("in", *range(1, 19)), "18", _in(), minutes=90),
        Example("the larger of both percentiles", _TWENTY, "10", _in(direction=LARGER_OF_PERCENTILES), minutes=100),
        Example("the percentile of the larger", _TWENTY, "100", _in(direction=PERCENTILE_OF_LARGER), minutes=100),
        Example("the percentile of the sum", _TWENTY, "110", _in(direction=PERCENTILE_OF_SUM), minutes=100),
        Example("one direction alone", _TWENTY, "10", _in(direction=OUT), minutes=100),
        Example(
            "two of twenty are missing: never zeros",
            _traffic("in", None, *_TRUTH[:9], None, *_TRUTH[:8], 100),
            "100",
            _in(),
            minutes=100,
            flags=(LOW_COVERAGE,),
        ),
        Example(
            "a slot that lacks a direction is no sample of both",
            [*_traffic("in", 7, 7, 50), *_traffic("out", 3, 3)],
            "10",
            _in(direction=PERCENTILE_OF_SUM),
            minutes=15,
            flags=(LOW_COVERAGE,),
        ),
        Example("octets without a direction", [(0, "37500000"), (5, "75000000")], "2", {}, minutes=10),
        Example("the median", _traffic("in", 5, 1, 3, 2, 4), "3", _in(percentile="50"), minutes=25),
        Example("the maximum", _traffic("in", 5, 1, 9), "9", _in(percentile="100"), minutes=15),
        Example("samples of an hour", [(7, "450000000"), (59, "450000000")], "2", {"sample_minutes": 60}),
        Example("ports are added per slot first", _traffic("in", 10) * 3, "30", _in(), minutes=5),
        Example("what does not come out even", [(0, "100")], "0.000002666667", {}, minutes=5),
        Example("a slot that is cut short is no sample", _traffic("in", 1, 2, 99), "2", _in(), minutes=12),
        Example("no samples", [], members=_in(), refused=NO_SAMPLES),
        Example("none of this direction", _traffic("out", 1), members=_in(), refused=NO_SAMPLES),
    ],
    refusals=[
        BadExample("a number", {"percentile": 95}, "decimal_string_expected", "/percentile"),
        BadExample("zero", {"percentile": "0"}, "decimal_not_positive", "/percentile"),
        BadExample("above a hundred", {"percentile": "100.1"}, "percentile_out_of_range", "/percentile"),
        BadExample("slots that do not fill an hour", {"sample_minutes": 7}, "not_one_of", "/sample_minutes"),
        BadExample("minutes as a string", {"sample_minutes": "5"}, "integer_expected", "/sample_minutes"),
        BadExample("an unknown direction", {"direction": "both"}, "not_one_of", "/direction"),
        BadExample("a unit of energy", {"unit": "kWh"}, "unit_mismatch", "/unit"),
        BadExample("a member of demand", {"window_minutes": 15}, "member_unknown", "/window_minutes"),
    ],
)
