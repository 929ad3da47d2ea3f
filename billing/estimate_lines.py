"""The lines of an estimate, read from JSON: every wrong member is named at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from billing.counting import misfit
from billing.estimates import EstimateLine, Reported
from billing.members import ZERO, Members, read_date, read_instant
from billing.metered import Piece
from billing.metering.aggregations.protocol import Aggregation
from billing.metering.grids import outward
from billing.metering.meters import read_aggregation
from billing.metering.reported import property_text
from billing.metering.slots import Event, Part
from billing.periods import day_start, zone
from billing.price import Price, read_price
from billing.proration import METHODS, WHOLE, Share, share
from core.errors import FieldError, Invalid
from core.period import Period

LINES_MOST = 1000
EVENTS_MOST = 10_000
USAGE_SPAN_MOST = timedelta(days=3660)
_TICK = timedelta(microseconds=1)


def read_lines(value: object, pointer: str, errors: list[FieldError]) -> tuple[EstimateLine, ...]:
    """Read the lines of an estimate; what is wrong is added to `errors`.

    Codes beside those of prices and aggregations: `lines_expected`, `quantity_negative`, `quantity_or_events`,
    `events_expected`, `events_required`, `scalar_expected`, `time_zone_unknown`, `instant_malformed`,
    `date_or_instant_expected`, `span_empty`, `span_too_long`, `used_outside_span`, and those of
    `billing.counting.misfit`.
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
    reported = _reported(members, price, time_zone) if members.has("events") else None
    piece = _piece(members, price) if not members.has("events") else None
    part = _proration(members, time_zone) if members.has("proration") else WHOLE
    for name in ("proration", "meter", "span", "events", "event_count", "properties"):
        members.raw(name)
    members.close()
    if price is None or len(members.errors) > before:
        return None
    return EstimateLine(price, piece, reported, part)


def _piece(members: Members, price: Price | None) -> Piece | None:
    """A bare quantity, with the number of events that it came in and their properties."""
    if price is not None and (price.needs.cuts or price.needs.index):
        members.raw("quantity")
        members.refuse("events", "events_required", "This price depends on time: give events and a meter.")
        return None
    quantity = _quantity(members, price)
    count = members.count("event_count")
    count = int(quantity > 0) if count is None else count
    return Piece(quantity, properties=_properties(members, price), count=count)


def _quantity(members: Members, price: Price | None) -> Decimal:
    if not members.has("quantity"):
        members.raw("quantity")
        if price is not None and price.needs.quantity:
            members.refuse("quantity", "quantity_or_events", "A line has a quantity, or events and a meter.")
        return ZERO
    quantity = members.decimal("quantity", sign="any")
    if quantity < 0:
        members.refuse("quantity", "quantity_negative", "A quantity is zero or more.")
    return quantity


def _properties(members: Members, price: Price | None) -> Mapping[str, str | None] | None:
    """Those of a quantity's dimensions, as text; a dimension that is not named has none."""
    given = members.raw("properties")
    if given is not None:
        _check_properties(Members(given, members.at("properties"), members.errors), given)
    if price is None or not price.needs.dimensions:
        return None
    values = given if isinstance(given, Mapping) else {}
    return {name: property_text(values.get(name)) for name in price.needs.dimensions}


def _reported(members: Members, price: Price | None, time_zone: str) -> Reported | None:
    """The events of a line. Those outside its span do not count, but levels last from before it."""
    if members.raw("quantity") is not None:
        members.refuse("quantity", "quantity_or_events", "A line has a quantity or events, not both.")
    meter = members.child("meter")
    aggregation = read_aggregation(meter)
    if aggregation is not None:
        meter.close()
    if aggregation is not None and price is not None and (wrong := misfit(price.needs, aggregation)):
        meter.refuse("aggregation", *wrong)
    value = members.raw("events")
    if not isinstance(value, list) or len(value) > EVENTS_MOST:
        members.refuse("events", "events_expected", f"This is a list of at most {EVENTS_MOST} events.")
        return None
    read = [_event(Members(e, f"{members.at('events')}/{i}", members.errors)) for i, e in enumerate(value)]
    events = [event for event in read if event is not None]
    span = _span(members, "span", time_zone) if members.has("span") else None
    if aggregation is None or len(events) < len(value):
        return None
    if span is None and not members.has("span"):
        if Part.INTEGRAL in aggregation.parts:
            members.refuse("span", "member_required", "A level over time needs the span that it is over.")
        span = _around(events, aggregation, time_zone)
    if span is not None and span.end - span.start > USAGE_SPAN_MOST:
        where = "span" if members.has("span") else "events"
        members.refuse(where, "span_too_long", f"Usage is counted over at most {USAGE_SPAN_MOST.days} days.")
    return Reported(aggregation, tuple(events), span, time_zone)


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
