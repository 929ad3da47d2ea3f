"""`percentage`: a share of a metered amount, and a price for each event that it is made of.

Events count in order of time. An event is free while the first `free_events` are not used up and the running amount
has not passed `free_amount`: either alone, or whichever ends first. The event that passes `free_amount` pays the rate
on what lies above it, and its fixed price. Where single events are not known, they are taken to be equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import lcm

from billing.members import ZERO, Members
from billing.metered import Metered, Needs, Piece, plain
from billing.pricing_model import COUNT, DECIMAL_STRING, BadExample, Example, Part, PricingModel
from core.decimals import EXACT, MAX_PLACES, ROUNDING, format_decimal
from core.money import divide_exactly_enough
from core.period import Period

# What is no finite decimal (a third of an amount) is cut here, far below where it could change how a line is rounded.
_PLACES = Decimal(1).scaleb(-40)
# A quantity has twelve, and a multiplier makes as many more of them.
_QUANTITY_PLACES = 2 * MAX_PLACES
# A rate is in per cent, with twelve places.
_PER_CENT = 100 * 10**MAX_PLACES


@dataclass(frozen=True)
class Percentage:
    """A rate in per cent, and prices in major units per event."""

    percent: Decimal
    fixed_price: Decimal = ZERO
    free_events: int | None = None
    free_amount: Decimal | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None

    @property
    def needs(self) -> Needs:
        """Every event, unless the sum of them will do."""
        return Needs(events=bool(self.fixed_price) or self._one_by_one)

    @property
    def _one_by_one(self) -> bool:
        special = (self.free_events, self.free_amount, self.min_price, self.max_price)
        return any(member is not None for member in special)

    def rate(self, metered: Metered) -> list[Part]:
        """What is free, the share of the rest, the fixed prices, and what minimum and maximum make of single events."""
        tally = _Tally(self, lcm(*(piece.count or 1 for piece in metered.pieces)))
        if self._one_by_one:
            for piece in metered.pieces:
                tally.take(piece)
        else:
            tally.charged, tally.amount = metered.count, tally.units(metered.total)
        return [
            *self._freed(tally, metered),
            self._charged(tally),
            *self._per_event(tally.charged, self.fixed_price or None, "fixed_price"),
            *self._bounded(tally.lifted, tally.money(tally.lift), self.min_price, "min_price"),
            *self._bounded(tally.capped, tally.money(tally.cap), self.max_price, "max_price"),
        ]

    def _freed(self, tally: _Tally, metered: Metered) -> list[Part]:
        free = tally.units(metered.total) - tally.amount
        if not tally.free and not free:
            return []
        return [Part(ZERO, tally.quantity(free), more={"free": True, "events": str(tally.free)})]

    def _charged(self, tally: _Tally) -> Part:
        exact = tally.money(tally.amount * tally.percent)
        return Part(exact, tally.quantity(tally.amount), more={"rate": format_decimal(self.percent)})

    def _per_event(self, events: int, price: Decimal | None, name: str) -> list[Part]:
        if price is None or not events:
            return []
        more = {"events": str(events), name: format_decimal(price)}
        return [Part(EXACT.multiply(price, Decimal(events)), more=more)]

    def _bounded(self, events: int, by: Decimal, price: Decimal | None, name: str) -> list[Part]:
        if price is None or not events:
            return []
        return [Part(by, more={"events": str(events), name: format_decimal(price)})]


class _Tally:
    """What events come to, taken one after the other.

    Amounts are whole numbers of a unit so small that every amount is one, also the equal parts of a quantity: events
    come by the ten thousand. `free`, `charged`, `lifted` (to the minimum) and `capped` (to the maximum) count events;
    `amount` is what pays the rate.

    Args:
        parts: into how many equal parts a quantity must be divided.
    """

    def __init__(self, price: Percentage, parts: int) -> None:
        self._parts = parts
        self._free_events = price.free_events
        self._free_amount = None if price.free_amount is None else self.units(price.free_amount)
        self._gives = price.free_events is not None or price.free_amount is not None
        self.percent = _whole(price.percent, MAX_PLACES)
        self._fixed, self._least, self._most = (
            None if each is None else self.units(each) * _PER_CENT
            for each in (price.fixed_price, price.min_price, price.max_price)
        )
        self.free = self.charged = self.lifted = self.capped = 0
        self.amount = self.lift = self.cap = self._running = 0

    def units(self, quantity: Decimal) -> int:
        """An amount in units."""
        return _whole(quantity, _QUANTITY_PLACES) * self._parts

    def quantity(self, units: int) -> Decimal:
        """An amount of units."""
        return _quotient(units, 10**_QUANTITY_PLACES * self._parts)

    def money(self, units: int) -> Decimal:
        """What units times a rate come to."""
        return _quotient(units, 10**_QUANTITY_PLACES * self._parts * _PER_CENT)

    def take(self, piece: Piece) -> None:
        """Add the events of a piece, or a quantity that belongs to none."""
        left = max(piece.count, 1)
        each = self.units(piece.quantity) // left
        gives = self._gives and (piece.count > 0 or self._free_amount is not None)  # free events are no quantity
        if gives:
            given = self._given(each, left)
            self._running += each * given
            self.free += given if piece.count else 0
            left -= given
        if left and gives:
            self._gives = False
            self._pay(self._above(each), 1 if piece.count else 0)
            left -= 1
        if left:
            self._pay(each, left if piece.count else 0)

    def _given(self, each: int, most: int) -> int:
        """How many of so many equal events are still free."""
        if self._free_events is not None:
            most = min(most, self._free_events - self.free)
        if self._free_amount is not None and each > 0:
            most = min(most, (self._free_amount - self._running) // each)
        return most

    def _above(self, each: int) -> int:
        """What the first event that is not free pays the rate on: what lies above the free amount, where that ended."""
        if self._free_amount is None or self.free == self._free_events:
            return each
        return self._running + each - self._free_amount

    def _pay(self, amount: int, events: int) -> None:
        """So many events of an amount each; none of them for an amount that belongs to no event."""
        self.amount += amount * max(events, 1)
        self.charged += events
        cost = amount * self.percent + (self._fixed or 0)
        if events and self._least is not None and cost < self._least:
            self.lifted += events
            self.lift += (self._least - cost) * events
        elif events and self._most is not None and cost > self._most:
            self.capped += events
            self.cap += (self._most - cost) * events


def _whole(value: Decimal, places: int) -> int:
    """A number of its last place, which must not be finer than that."""
    return int(value.scaleb(places, context=EXACT).to_integral_exact(context=EXACT))


def _quotient(numerator: int, denominator: int) -> Decimal:
    quotient = divide_exactly_enough(Decimal(numerator), Decimal(denominator))
    return quotient.quantize(_PLACES, context=ROUNDING)


def parse(members: Members) -> Percentage:
    """Read the members. Code of its own: `maximum_below_minimum`."""
    amounts = {
        name: members.decimal(name) if members.has(name) else members.raw(name)
        for name in ("free_amount", "min_price", "max_price")
    }
    least, most = amounts["min_price"], amounts["max_price"]
    if least is not None and most is not None and most < least:
        members.refuse("max_price", "maximum_below_minimum", "The maximum is the minimum or more.")
    return Percentage(
        percent=members.decimal("rate"),
        fixed_price=members.decimal("fixed_price", ZERO),
        free_events=members.count("free_events"),
        **amounts,
    )


def _events(*amounts: str) -> Metered:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    instants = [start + timedelta(hours=hour) for hour in range(len(amounts))]
    return Metered(
        tuple(
            Piece(Decimal(amount), Period(at, at + timedelta(microseconds=1)), count=1)
            for at, amount in zip(instants, amounts, strict=True)
        )
    )


_PLAIN = {"model": "percentage", "rate": "2.5", "fixed_price": "0.1"}
_RATE = {"model": "percentage", "rate": "10"}

PLUGIN = PricingModel(
    name="percentage",
    summary="A per cent of the metered amount, and a fixed price for each event; some of both may be free.",
    members={
        "rate": {**DECIMAL_STRING, "description": "Per cent of the metered amount.", "examples": ["2.5"]},
        "fixed_price": {**DECIMAL_STRING, "description": "Per event that is not free; 0 when absent."},
        "free_events": {**COUNT, "description": "So many events are free, the first ones."},
        "free_amount": {**DECIMAL_STRING, "description": "Events are free until their amounts pass this one."},
        "min_price": {**DECIMAL_STRING, "description": "The least that an event costs, its fixed price included."},
        "max_price": {**DECIMAL_STRING, "description": "The most that an event costs, its fixed price included."},
    },
    required=["rate"],
    parse=parse,
    examples=[
        Example(
            why="a quantity is one event when nothing else is said",
            price=_PLAIN,
            quantity="200",
            exact="5.1",
            parts=[
                {"quantity": "200", "rate": "2.5", "exact": "5"},
                {"events": "1", "fixed_price": "0.1", "exact": "0.1"},
            ],
        ),
        Example(
            why="a fixed price for each event",
            price=_PLAIN,
            quantity=None,
            metered=_events("100", "60", "40"),
            exact="5.3",
            parts=[
                {"quantity": "200", "rate": "2.5", "exact": "5"},
                {"events": "3", "fixed_price": "0.1", "exact": "0.3"},
            ],
        ),
        Example(
            why="nothing happened",
            price=_PLAIN,
            quantity="0",
            exact="0",
            parts=[{"quantity": "0", "rate": "2.5", "exact": "0"}],
        ),
        Example(
            why="an event of nothing still has its fixed price",
            price=_PLAIN,
            quantity=None,
            metered=_events("0"),
            exact="0.1",
            parts=[
                {"quantity": "0", "rate": "2.5", "exact": "0"},
                {"events": "1", "fixed_price": "0.1", "exact": "0.1"},
            ],
        ),
        Example(
            why="the first two events are free",
            price={**_RATE, "fixed_price": "1", "free_events": 2},
            quantity=None,
            metered=_events("100", "50", "30"),
            exact="4",
            parts=[
                {"free": True, "quantity": "150", "events": "2", "exact": "0"},
                {"quantity": "30", "rate": "10", "exact": "3"},
                {"events": "1", "fixed_price": "1", "exact": "1"},
            ],
        ),
        Example(
            why="the event that passes the free amount pays for what lies above it, and its fixed price",
            price={**_RATE, "fixed_price": "1", "free_amount": "120"},
            quantity=None,
            metered=_events("100", "50", "30"),
            exact="8",
            parts=[
                {"free": True, "quantity": "120", "events": "1", "exact": "0"},
                {"quantity": "60", "rate": "10", "exact": "6"},
                {"events": "2", "fixed_price": "1", "exact": "2"},
            ],
        ),
        Example(
            why="an event that just reaches the free amount is free, the next pays for all of itself",
            price={**_RATE, "fixed_price": "1", "free_amount": "150"},
            quantity=None,
            metered=_events("100", "50", "30"),
            exact="4",
            parts=[
                {"free": True, "quantity": "150", "events": "2", "exact": "0"},
                {"quantity": "30", "rate": "10", "exact": "3"},
                {"events": "1", "fixed_price": "1", "exact": "1"},
            ],
        ),
        Example(
            why="whichever ends first: here the free events, so that the next pays for all of itself",
            price={**_RATE, "fixed_price": "1", "free_events": 1, "free_amount": "120"},
            quantity=None,
            metered=_events("100", "50", "30"),
            exact="10",
            parts=[
                {"free": True, "quantity": "100", "events": "1", "exact": "0"},
                {"quantity": "80", "rate": "10", "exact": "8"},
                {"events": "2", "fixed_price": "1", "exact": "2"},
            ],
        ),
        Example(
            why="whichever ends first: here the free amount, with an event to spare",
            price={**_RATE, "fixed_price": "1", "free_events": 3, "free_amount": "120"},
            quantity=None,
            metered=_events("100", "50", "30"),
            exact="8",
            parts=[
                {"free": True, "quantity": "120", "events": "1", "exact": "0"},
                {"quantity": "60", "rate": "10", "exact": "6"},
                {"events": "2", "fixed_price": "1", "exact": "2"},
            ],
        ),
        Example(
            why="an event may use up the last free amount and the last free event at once, then nothing is free",
            price={**_RATE, "free_events": 1, "free_amount": "100"},
            quantity=None,
            metered=_events("100", "50"),
            exact="5",
            parts=[
                {"free": True, "quantity": "100", "events": "1", "exact": "0"},
                {"quantity": "50", "rate": "10", "exact": "5"},
            ],
        ),
        Example(
            why="each event has a minimum and a maximum, its fixed price included",
            price={**_RATE, "fixed_price": "0.5", "min_price": "2", "max_price": "5"},
            quantity=None,
            metered=_events("1", "20", "100"),
            exact="9.5",
            parts=[
                {"quantity": "121", "rate": "10", "exact": "12.1"},
                {"events": "3", "fixed_price": "0.5", "exact": "1.5"},
                {"events": "1", "min_price": "2", "exact": "1.4"},
                {"events": "1", "max_price": "5", "exact": "-5.5"},
            ],
        ),
        Example(
            why="a free event has no minimum",
            price={**_RATE, "free_events": 1, "min_price": "2"},
            quantity=None,
            metered=_events("1", "1"),
            exact="2",
            parts=[
                {"free": True, "quantity": "1", "events": "1", "exact": "0"},
                {"quantity": "1", "rate": "10", "exact": "0.1"},
                {"events": "1", "min_price": "2", "exact": "1.9"},
            ],
        ),
        Example(
            why="where only the number of events is known they are taken to be equal: one of three is free",
            price={**_RATE, "fixed_price": "1", "free_events": 1},
            quantity=None,
            metered=plain(Decimal("300"), count=3),
            exact="22",
            parts=[
                {"free": True, "quantity": "100", "events": "1", "exact": "0"},
                {"quantity": "200", "rate": "10", "exact": "20"},
                {"events": "2", "fixed_price": "1", "exact": "2"},
            ],
        ),
        Example(
            why="equal events may pass a free amount: four of 25, of which 60 is free",
            price={**_RATE, "fixed_price": "1", "free_amount": "60"},
            quantity=None,
            metered=plain(Decimal("100"), count=4),
            exact="6",
            parts=[
                {"free": True, "quantity": "60", "events": "2", "exact": "0"},
                {"quantity": "40", "rate": "10", "exact": "4"},
                {"events": "2", "fixed_price": "1", "exact": "2"},
            ],
        ),
    ],
    refusals=[
        BadExample("no rate", {"model": "percentage", "fixed_price": "1"}, "member_required", "/rate"),
        BadExample("a number", {"model": "percentage", "rate": 2}, "decimal_string_expected", "/rate"),
        BadExample("a negative rate", {"model": "percentage", "rate": "-1"}, "decimal_negative", "/rate"),
        BadExample("half an event", {**_RATE, "free_events": "1.5"}, "integer_expected", "/free_events"),
        BadExample("fewer events than none", {**_RATE, "free_events": -1}, "integer_expected", "/free_events"),
        BadExample("a negative free amount", {**_RATE, "free_amount": "-1"}, "decimal_negative", "/free_amount"),
        BadExample(
            "a maximum below the minimum",
            {**_RATE, "min_price": "2", "max_price": "1"},
            "maximum_below_minimum",
            "/max_price",
        ),
        BadExample("another model's member", {**_RATE, "unit_price": "1"}, "member_unknown", "/unit_price"),
    ],
)
