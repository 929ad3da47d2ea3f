"""Rating without a contract: lines read from JSON, priced by the very functions that bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from billing.members import ZERO, Members, read_date, read_instant
from billing.metered import plain
from billing.metering.aggregations.protocol import Aggregation
from billing.metering.grids import outward
from billing.metering.meters import read_aggregation
from billing.metering.reported import usage_of_events
from billing.metering.slots import Event, Part, SlotRequest
from billing.periods import day_start, zone
from billing.price import Price, read_price
from billing.proration import METHODS, WHOLE, Share, share
from billing.rating import AMOUNT_MOST, line_amount, shown
from core.errors import FieldError, Invalid, Refused
from core.period import Period

LINES_MOST = 1000
EVENTS_MOST = 10_000
NOBODY = UUID(int=0)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class EstimateLine:
    """One line to rate: a price, a quantity, and the part of a span it is for."""

    price: Price
    quantity: Decimal
    aggregated: bool = False
    part: Share = WHOLE


@dataclass(frozen=True)
class RatedLine:
    """A rated line: `amount` in minor units, `exact` as it is shown. `quantity` where it was aggregated."""

    amount: int
    exact: str
    parts: Sequence[Mapping[str, str]]
    quantity: Decimal | None = None


@dataclass(frozen=True)
class Estimate:
    """What an estimate answers; `subtotal_amount` adds the rounded lines."""

    currency: str
    subtotal_amount: int
    lines: Sequence[RatedLine]


def estimate(currency: str, lines: Sequence[EstimateLine]) -> Estimate:
    """Rate lines.

    Raises:
        Invalid: a line has no amount (`quantity_negative`, `amount_out_of_range`, a model's own codes).
    """
    rated = [_rated(currency, line, i) for i, line in enumerate(lines)]
    subtotal = sum(line.amount for line in rated)
    if abs(subtotal) > AMOUNT_MOST:
        raise Invalid("amount_out_of_range", "The sum of the lines is too large.", "/lines")
    return Estimate(currency, subtotal, rated)


def _rated(currency: str, line: EstimateLine, index: int) -> RatedLine:
    try:
        rating = line.price.rate(plain(line.quantity))
        exact = line.part.of(rating.total)
        amount = line_amount(exact, currency)
    except Refused as refused:
        raise Invalid(refused.code, refused.detail, f"/lines/{index}") from None
    quantity = line.quantity if line.aggregated else None
    return RatedLine(amount.minor, shown(exact), [part.as_json() for part in rating.parts], quantity)


def read_lines(value: object, pointer: str, errors: list[FieldError]) -> tuple[EstimateLine, ...]:
    """Read the lines of an estimate; what is wrong is added to `errors`.

    Codes beside those of prices and aggregations: `lines_expected`, `quantity_negative`, `quantity_or_events`,
    `events_expected`, `scalar_expected`, `time_zone_unknown`, `instant_malformed`, `date_or_instant_expected`,
    `span_empty`, `used_outside_span`.
    """
    if not isinstance(value, list) or not 0 < len(value) <= LINES_MOST:
        errors.append(FieldError(pointer, "lines_expected", f"This is a list of 1 to {LINES_MOST} lines."))
        return ()
    lines = (_read_line(Members(entry, f"{pointer}/{i}", errors)) for i, entry in enumerate(value))
    return tuple(line for line in lines if line is not None)


def _read_line(members: Members) -> EstimateLine | None:
    before = len(members.errors)
    given = members.required("price")
    price = None if given is None else read_price(given, members.at("price"), members.errors)
    time_zone = _time_zone(members, "UTC")
    aggregated = members.has("events")
    quantity = _events(members, time_zone) if aggregated else _quantity(members, price)
    part = _proration(members, time_zone) if members.has("proration") else WHOLE
    for name in ("proration", "meter", "span"):
        members.raw(name)
    members.close()
    if price is None or len(members.errors) > before:
        return None
    return EstimateLine(price, quantity, aggregated, part)


def _quantity(members: Members, price: Price | None) -> Decimal:
    members.raw("events")
    if not members.has("quantity"):
        members.raw("quantity")
        if price is not None and price.needs.quantity:
            members.refuse("quantity", "quantity_or_events", "A line has a quantity, or events and a meter.")
        return ZERO
    quantity = members.decimal("quantity", sign="any")
    if quantity < 0:
        members.refuse("quantity", "quantity_negative", "A quantity is zero or more.")
    return quantity


def _events(members: Members, time_zone: str) -> Decimal:
    """Aggregate the events of a line. Those outside its span do not count, but levels last from before it."""
    if members.raw("quantity") is not None:
        members.refuse("quantity", "quantity_or_events", "A line has a quantity or events, not both.")
    meter = members.child("meter")
    aggregation = read_aggregation(meter)
    meter.close()
    value = members.raw("events")
    if not isinstance(value, list) or len(value) > EVENTS_MOST:
        members.refuse("events", "events_expected", f"This is a list of at most {EVENTS_MOST} events.")
        return ZERO
    read = [_event(Members(e, f"{members.at('events')}/{i}", members.errors)) for i, e in enumerate(value)]
    events = [event for event in read if event is not None]
    span = _span(members, "span", time_zone) if members.has("span") else None
    if aggregation is None or len(events) < len(value):
        return ZERO
    return _aggregated(members, aggregation, events, span, time_zone)


def _aggregated(
    members: Members, aggregation: Aggregation, events: Sequence[Event], span: Period | None, time_zone: str
) -> Decimal:
    if span is None and not members.has("span"):
        if Part.INTEGRAL in aggregation.parts:
            members.refuse("span", "member_required", "A level over time needs the span that it is over.")
        span = _around(events, aggregation, time_zone)
    if span is None:
        return ZERO
    request = SlotRequest(
        item_id=NOBODY,
        subscription_id=NOBODY,
        meter_id=NOBODY,
        unit="",
        edges=aggregation.grid(span, time_zone),
        parts=aggregation.parts,
        dimensions=aggregation.dimensions,
        distinct=aggregation.distinct,
        carried=aggregation.carried,
    )
    try:
        return aggregation.reduce(usage_of_events(request, events).slots).quantity
    except Refused as refused:
        members.refuse("events", refused.code, refused.detail)
        return ZERO


def _event(members: Members) -> Event | None:
    before = len(members.errors)
    at, quantity = members.instant("at"), members.decimal("quantity", sign="any")
    event_id = members.text("id", default="", longest=255)
    properties = members.raw("properties")
    if properties is not None:
        _check_properties(Members(properties, members.at("properties"), members.errors), properties)
    members.close()
    return Event(at, quantity, event_id, properties) if at is not None and len(members.errors) == before else None


def _check_properties(members: Members, properties: object) -> None:
    for name, value in properties.items() if isinstance(properties, Mapping) else ():
        if isinstance(value, (Mapping, list)):
            members.refuse(name, "scalar_expected", "A property is a string, a number, true, false or null.")


def _around(events: Sequence[Event], aggregation: Aggregation, time_zone: str) -> Period | None:
    """The span of events that are given without one: whole slots, where the aggregation needs uniform ones."""
    if not events:
        return None
    span = Period(min(e.at for e in events), max(e.at for e in events) + _TICK)
    return span if aggregation.minutes is None else outward(span, aggregation.minutes, time_zone)


def _proration(members: Members, time_zone: str) -> Share:
    inner = members.child("proration")
    method = inner.choice("method", METHODS)
    time_zone = _time_zone(inner, time_zone)
    full, used = _span(inner, "span", time_zone), _span(inner, "used", time_zone)
    inner.close()
    if full is None or used is None:
        return WHOLE
    if not full.covers(used):
        inner.refuse("used", "used_outside_span", "The used part lies within the span.")
        return WHOLE
    return share(method, full, used, time_zone)


def _time_zone(members: Members, default: str) -> str:
    name = members.text("time_zone", default=default)
    try:
        zone(name or default)
    except Invalid as unknown:
        members.refuse("time_zone", unknown.code, unknown.detail)
        return default
    return name or default


def _span(members: Members, name: str, time_zone: str) -> Period | None:
    """A span of dates in a zone, or of instants; None where something is wrong with it."""
    inner = members.child(name)
    start, end = _edge(inner, "start", time_zone), _edge(inner, "end", time_zone)
    inner.close()
    if start is None or end is None:
        return None
    if end <= start:
        inner.refuse("end", "span_empty", "A span ends after it starts.")
        return None
    return Period(start, end)


def _edge(members: Members, name: str, time_zone: str) -> datetime | None:
    value = members.required(name)
    day = read_date(value)
    found = day_start(day, time_zone) if day is not None else read_instant(value)
    if found is None and value is not None:
        members.refuse(name, "date_or_instant_expected", "Write a day such as 2026-02-01, or an RFC 3339 instant.")
    return found
