"""`demand`: the highest mean power over a window, in kW, from energy: blocks, or windows that slide.

Windows are on the hour in the price's zone; a quarter of an hour of E kWh is E x 4 kW. Energy comes from counters, so
a spike of a second moves it no further than what it used. A window in which a register was estimated or not read is
left out of the peak, and the line says so; one that is cut short by an end of the span is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from billing.members import Members
from billing.metering.aggregations.protocol import (
    ESTIMATED_EXCLUDED,
    MISSING_EXCLUDED,
    NO_SAMPLES,
    Aggregation,
    AggregationKind,
    BadExample,
    Example,
    Reduced,
)
from billing.metering.grids import MINUTES_SCHEMA, read_minutes, whole_slots
from billing.metering.slots import Part, Slot
from core.decimals import EXACT, exact_sum
from core.errors import Refused
from core.period import rfc3339
from core.quantity import factor, quotient

UNIT = "kW"
ENERGY = "kWh"
HOUR_MINUTES = Decimal(60)


@dataclass(frozen=True)
class Demand:
    """The members of one meter; `scale` makes kWh of its unit. Blocks slide by their own length."""

    window: int
    step: int
    scale: Decimal

    def power(self, energy: Decimal) -> Decimal:
        """Mean kW over a window."""
        return quotient(EXACT.multiply(EXACT.multiply(energy, self.scale), HOUR_MINUTES), Decimal(self.window))


def parse(members: Members, unit: str) -> Aggregation:
    """Read `window_minutes` and `sliding_by_minutes`."""
    window = read_minutes(members, "window_minutes", default=15)
    step = read_minutes(members, "sliding_by_minutes", default=window)
    if window % step:
        members.refuse("sliding_by_minutes", "window_not_a_multiple", "A window is a whole number of its steps.")
        step = window
    return Aggregation(
        partial(_reduce, Demand(window, step, factor(unit, ENERGY))),
        parts=frozenset({Part.SUM, Part.COVERAGE}),
        level=True,
        registers=True,
        minutes=step,
        unit=UNIT,
    )


def _reduce(asked: Demand, slots: Sequence[Slot]) -> Reduced:
    windows = list(_windows(asked, slots))
    known = [window for window in windows if not any(slot.unknown for slot in window)]
    if not known or not any(slot.registers or slot.count for slot in slots):
        raise Refused(NO_SAMPLES, "There is no window in this span whose energy is known.")
    peak, at = max(((_energy(window), window[0].period.start) for window in known), key=_by_energy)
    doubtful = [slot for window in windows for slot in window if slot.unknown]
    estimated = any(slot.quality.estimated for slot in doubtful)
    missing = any(not slot.quality.estimated for slot in doubtful)
    return Reduced(
        asked.power(peak),
        flags=(ESTIMATED_EXCLUDED,) * estimated + (MISSING_EXCLUDED,) * missing,
        notes={"windows": len(windows), "excluded": len(windows) - len(known), "peak_at": rfc3339(at)},
    )


def _by_energy(window: tuple[Decimal, datetime]) -> Decimal:
    return window[0]


def _windows(asked: Demand, slots: Sequence[Slot]) -> Iterable[Sequence[Slot]]:
    """As many slots that follow each other as fill a window."""
    whole, count = whole_slots(slots, asked.step), asked.window // asked.step
    length = timedelta(minutes=asked.window)
    for i in range(len(whole) - count + 1):
        window = whole[i : i + count]
        if window[-1].period.end - window[0].period.start == length:
            yield window


def _energy(window: Sequence[Slot]) -> Decimal:
    return window[0].sum if len(window) == 1 else exact_sum(slot.sum for slot in window)


def _energies(*each: str) -> list[tuple[int, str]]:
    return [(5 * i, energy) for i, energy in enumerate(each)]


_HALF_HOUR = _energies("0.5", "1.5", "1.5", "0.5", "0.1", "0.1")

PLUGIN = AggregationKind(
    name="demand",
    summary="The highest mean power over a window of the span, in kW, from energy: in blocks, or sliding.",
    parse=parse,
    dimension="energy",
    unit=ENERGY,
    members={
        "window_minutes": {**MINUTES_SCHEMA, "default": 15, "description": "Length of a window; on the hour."},
        "sliding_by_minutes": {
            **MINUTES_SCHEMA,
            "description": "How far one window starts after the other; by default its length: blocks.",
        },
    },
    examples=[
        Example("two blocks of a quarter", _HALF_HOUR, "14", {"window_minutes": 15}, minutes=30),
        Example("a block of half an hour", _HALF_HOUR, "8.4", {"window_minutes": 30}, minutes=30),
        Example(
            "a quarter that slides by five minutes",
            _HALF_HOUR,
            "14",
            {"window_minutes": 15, "sliding_by_minutes": 5},
            minutes=30,
        ),
        Example(
            "a peak across blocks shows when the window slides",
            _energies("0", "0", "2", "2", "0", "0"),
            "16",
            {"window_minutes": 15, "sliding_by_minutes": 5},
            minutes=30,
        ),
        Example("and not in blocks", _energies("0", "0", "2", "2", "0", "0"), "8", {"window_minutes": 15}, minutes=30),
        Example("a spike is what it used", [(5, "0.1")], "1.2", {"window_minutes": 5}, minutes=60),
        Example("a quarter without events used nothing", [(0, "1")], "4", {}, minutes=60),
        Example("a window that is cut short is none", [(0, "1"), (15, "9")], "4", {}, minutes=25),
        Example("nothing is known", [], members={}, refused=NO_SAMPLES),
        Example("a span shorter than a window", [(0, "1")], members={}, minutes=10, refused=NO_SAMPLES),
    ],
    refusals=[
        BadExample("a window that does not fill an hour", {"window_minutes": 25}, "not_one_of", "/window_minutes"),
        BadExample("a window longer than an hour", {"window_minutes": 120}, "integer_expected", "/window_minutes"),
        BadExample(
            "a step that does not fill the window",
            {"window_minutes": 15, "sliding_by_minutes": 10},
            "window_not_a_multiple",
            "/sliding_by_minutes",
        ),
        BadExample("minutes as a string", {"window_minutes": "15"}, "integer_expected", "/window_minutes"),
        BadExample("a unit of data", {"unit": "GB"}, "unit_mismatch", "/unit"),
        BadExample("a unit of power", {"unit": "kW"}, "unit_mismatch", "/unit"),
        BadExample("a member of percentile", {"percentile": "95"}, "member_unknown", "/percentile"),
    ],
)
