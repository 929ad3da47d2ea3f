"""`indexed`: each slot of usage at the price of its slot in an index, such as the day-ahead market.

The amount is the sum over slots of quantity × (index × `index_factor` + `markup_price`). It may be negative, as
day-ahead prices are. Source: the usual terms of spot contracts, a factor for losses and a margin per unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from billing.index import IndexSeries
from billing.members import ZERO, Members
from billing.metered import Index, Metered, Needs, Piece
from billing.pricing_model import DECIMAL_STRING, SIGNED_STRING, BadExample, BadUsage, Example, Part, PricingModel
from core.decimals import EXACT, ROUNDING, exact_sum, format_decimal
from core.errors import Refused
from core.period import Period, rfc3339

ONE = Decimal(1)
_PLACES = Decimal("0.000000000001")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class _Slot:
    """What was used in one slot, and the index in it."""

    period: Period
    quantity: Decimal
    value: Decimal
    estimated: bool


@dataclass(frozen=True)
class Indexed:
    """The code of an index, and what is made of its values."""

    index: str
    index_factor: Decimal
    markup_price: Decimal

    @property
    def needs(self) -> Needs:
        """Usage by slot of the index."""
        return Needs(index=self.index)

    def rate(self, metered: Metered) -> list[Part]:
        """A part for the slots whose values are known, one for those that are estimated, one for what was not used.

        Raises:
            Refused: `index_unknown`, and what the index refuses.
        """
        index = metered.indexes.get(self.index)
        if index is None:
            raise Refused("index_unknown", f"There is no price index {self.index}.")
        slots, unused = [], ZERO
        for piece in metered.pieces:
            if piece.period is None:
                unused = EXACT.add(unused, piece.quantity)
            else:
                found = index.price_at(piece.period.start, metered.time_zone)
                slots.append(_Slot(piece.period, piece.quantity, *found))
        parts = [self._part([s for s in slots if s.estimated is flag], flag) for flag in (False, True)]
        return [part for part in parts if part.more["runs"]] + self._unused(unused, index, metered)

    def _price(self, value: Decimal) -> Decimal:
        return EXACT.add(EXACT.multiply(value, self.index_factor), self.markup_price)

    def _part(self, slots: Iterable[_Slot], estimated: bool) -> Part:
        slots = list(slots)
        exact = exact_sum(EXACT.multiply(slot.quantity, self._price(slot.value)) for slot in slots)
        quantity = exact_sum(slot.quantity for slot in slots)
        flag = {"estimated": True} if estimated else {}
        return Part(exact, quantity, more={"index": self.index, **flag, "runs": list(_runs(slots))})

    def _unused(self, quantity: Decimal, index: Index, metered: Metered) -> list[Part]:
        """What was committed and not used has no slot: it costs the mean of the index over the span."""
        if quantity.is_zero():
            return []
        if metered.span is None:
            raise Refused("usage_without_time", "A quantity without a time has no slot of an index.")
        value, estimated = _mean(index, metered.span, metered.time_zone)
        flag = {"estimated": True} if estimated else {}
        more = {"index": self.index, **flag, "unused": True, "mean": format_decimal(value)}
        return [Part(EXACT.multiply(quantity, self._price(value)), quantity, more=more)]


def _runs(slots: Iterable[_Slot]) -> Iterator[dict[str, Any]]:
    """Slots as they are stored: neighbours of one length share a start and an end, which divide evenly."""
    run: list[_Slot] = []
    for slot in slots:
        if run and (slot.period.start != run[-1].period.end or _length(slot.period) != _length(run[-1].period)):
            yield _run(run)
            run = []
        run.append(slot)
    if run:
        yield _run(run)


def _run(slots: list[_Slot]) -> dict[str, Any]:
    return {
        "start": rfc3339(slots[0].period.start),
        "end": rfc3339(slots[-1].period.end),
        "quantities": [format_decimal(slot.quantity) for slot in slots],
        "values": [format_decimal(slot.value) for slot in slots],
    }


def _length(period: Period) -> timedelta:
    return period.end - period.start


def _mean(index: Index, span: Period, time_zone: str) -> tuple[Decimal, bool]:
    """The mean of an index over a span, each value weighing as long as it holds; to 12 places. Also: any estimates."""
    total, estimated = ZERO, False
    for start, end in pairwise((span.start, *index.edges(span), span.end)):
        value, guessed = index.price_at(start, time_zone)
        total = EXACT.add(total, EXACT.multiply(value, Decimal((end - start) // _MICROSECOND)))
        estimated = estimated or guessed
    mean = ROUNDING.divide(total, Decimal(_length(span) // _MICROSECOND))
    return mean.quantize(_PLACES, context=ROUNDING), estimated


def parse(members: Members) -> Indexed:
    """Read the members. Whether there is such an index, only the catalogue knows."""
    return Indexed(
        index=members.text("index", longest=80),
        index_factor=members.decimal("index_factor", default=ONE),
        markup_price=members.decimal("markup_price", default=ZERO, sign="any"),
    )


_HOUR = timedelta(hours=1)
_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_INDEX = IndexSeries(
    "day_ahead_nl",
    "kWh",
    "EUR",
    60,
    {
        _NOON: Decimal("0.1"),
        _NOON + _HOUR: Decimal("-0.05"),
        _NOON + 2 * _HOUR: Decimal("0.4"),
        # The same hour a month before, from which the hour that is not known is estimated.
        datetime(2026, 2, 1, 15, tzinfo=UTC): Decimal("0.2"),
        datetime(2026, 2, 2, 15, tzinfo=UTC): Decimal("0.3"),
    },
)


def _used(*quantities: str, start: datetime = _NOON, length: timedelta = _HOUR, hours: int = 3) -> Metered:
    """Quantities in slots that follow each other; the span is three hours from noon."""
    pieces = tuple(
        Piece(Decimal(quantity), Period(start + i * length, start + (i + 1) * length))
        for i, quantity in enumerate(quantities)
    )
    return Metered(pieces, span=Period(_NOON, _NOON + hours * _HOUR), indexes={"day_ahead_nl": _INDEX})


_PLAIN = {"model": "indexed", "index": "day_ahead_nl", "index_factor": "1", "markup_price": "0.012"}
_BARE = {"model": "indexed", "index": "day_ahead_nl"}

PLUGIN = PricingModel(
    name="indexed",
    summary="Usage in each slot of a price index costs its value times a factor, and a markup. It may be negative.",
    members={
        "index": {
            "type": "string",
            "description": "The code of a price index in the meter's unit and the price's currency.",
            "maxLength": 80,
            "examples": ["day_ahead_nl"],
        },
        "index_factor": {**DECIMAL_STRING, "description": "The index is multiplied by it; 1 when absent."},
        "markup_price": {**SIGNED_STRING, "description": "Added per unit; 0 when absent.", "examples": ["0.012"]},
    },
    required=["index"],
    parse=parse,
    examples=[
        Example(
            why="three hours: 2 × 0.112 + 4 × -0.038 + 1 × 0.412",
            price=_PLAIN,
            quantity=None,
            metered=_used("2", "4", "1"),
            exact="0.484",
            parts=[
                {
                    "index": "day_ahead_nl",
                    "runs": [
                        {
                            "start": "2026-03-01T12:00:00Z",
                            "end": "2026-03-01T15:00:00Z",
                            "quantities": ["2", "4", "1"],
                            "values": ["0.1", "-0.05", "0.4"],
                        }
                    ],
                    "quantity": "7",
                    "exact": "0.484",
                }
            ],
        ),
        Example(
            why="a negative price is a negative amount",
            price=_BARE,
            quantity=None,
            metered=_used("10", start=_NOON + _HOUR),
            exact="-0.5",
            parts=[
                {
                    "index": "day_ahead_nl",
                    "runs": [
                        {
                            "start": "2026-03-01T13:00:00Z",
                            "end": "2026-03-01T14:00:00Z",
                            "quantities": ["10"],
                            "values": ["-0.05"],
                        }
                    ],
                    "quantity": "10",
                    "exact": "-0.5",
                }
            ],
        ),
        Example(
            why="the factor is for the index, not for the markup",
            price={**_PLAIN, "index_factor": "1.05"},
            quantity=None,
            metered=_used("100"),
            exact="11.7",
            parts=[
                {
                    "index": "day_ahead_nl",
                    "runs": [
                        {
                            "start": "2026-03-01T12:00:00Z",
                            "end": "2026-03-01T13:00:00Z",
                            "quantities": ["100"],
                            "values": ["0.1"],
                        }
                    ],
                    "quantity": "100",
                    "exact": "11.7",
                }
            ],
        ),
        Example(
            why="an hour that is not known yet is estimated by the mean of the same hours of the month before",
            price=_BARE,
            quantity=None,
            metered=_used("1", "2", start=_NOON + 2 * _HOUR, hours=4),
            exact="0.9",
            parts=[
                {
                    "index": "day_ahead_nl",
                    "runs": [
                        {
                            "start": "2026-03-01T14:00:00Z",
                            "end": "2026-03-01T15:00:00Z",
                            "quantities": ["1"],
                            "values": ["0.4"],
                        }
                    ],
                    "quantity": "1",
                    "exact": "0.4",
                },
                {
                    "index": "day_ahead_nl",
                    "estimated": True,
                    "runs": [
                        {
                            "start": "2026-03-01T15:00:00Z",
                            "end": "2026-03-01T16:00:00Z",
                            "quantities": ["2"],
                            "values": ["0.25"],
                        }
                    ],
                    "quantity": "2",
                    "exact": "0.5",
                },
            ],
        ),
        Example(
            why="what was committed and not used costs the mean of the span, here 0.15",
            price={**_BARE, "commitment": {"quantity": "10", "overage": _BARE, "take_or_pay": True}},
            quantity=None,
            metered=_used("4"),
            exact="1.3",
            parts=[
                {
                    "index": "day_ahead_nl",
                    "runs": [
                        {
                            "start": "2026-03-01T12:00:00Z",
                            "end": "2026-03-01T13:00:00Z",
                            "quantities": ["4"],
                            "values": ["0.1"],
                        }
                    ],
                    "quantity": "4",
                    "exact": "0.4",
                },
                {"index": "day_ahead_nl", "unused": True, "mean": "0.15", "quantity": "6", "exact": "0.9"},
            ],
        ),
        Example(why="no usage", price=_PLAIN, quantity=None, metered=_used(), exact="0", parts=[]),
    ],
    refusals=[
        BadExample("no index", {"model": "indexed"}, "member_required", "/index"),
        BadExample("no word", {"model": "indexed", "index": 3}, "string_expected", "/index"),
        BadExample("a number", {**_PLAIN, "markup_price": 1}, "decimal_string_expected", "/markup_price"),
        BadExample("a negative factor", {**_PLAIN, "index_factor": "-1"}, "decimal_negative", "/index_factor"),
        BadExample(
            "two indexes in one price",
            {**_PLAIN, "commitment": {"quantity": "1", "overage": {**_BARE, "index": "day_ahead_de"}}},
            "indexes_differ",
            "/commitment",
        ),
    ],
    no_price=[
        BadUsage("no such index", {**_BARE, "index": "day_ahead_mars"}, _used("1"), "index_unknown"),
        BadUsage("no value to estimate from", _BARE, _used("1", start=_NOON - _HOUR), "index_unknown_slots"),
    ],
)
