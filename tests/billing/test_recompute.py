"""What a charge keeps is enough to come to its amount again, to the cent: every model, member and part of a span."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.counting import misfit
from billing.index import IndexSeries
from billing.items import Claim, Item, MeterTerms, PriceTerms
from billing.metering.reported import usage_of_events
from billing.metering.slots import Event
from billing.periods import Interval
from billing.price import parse_price
from billing.pricing_model import models
from billing.rating import rate_span, rate_used_part, slot_request
from core.decimals import exact_sum, format_decimal
from core.errors import Refused
from core.period import Period
from tests.builders.recompute import recompute

ZONES = ["UTC", "Europe/Amsterdam", "America/Los_Angeles", "Pacific/Auckland"]
MONTHS = [datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC), datetime(2028, 2, 1, tzinfo=UTC)]
SMALL = st.decimals(0, 1000, places=6).map(format_decimal)
POSITIVE = st.decimals("0.001", 500, places=3).map(format_decimal)
METERS = [
    {"aggregation": "sum"},
    {"aggregation": "count"},
    {"aggregation": "unique_count"},
    {"aggregation": "max"},
    {"aggregation": "latest"},
    {"aggregation": "average"},
    {"aggregation": "weighted_sum"},
]
SPECS = [
    example.price
    for model in models().values()
    if "index" not in model.members
    for example in model.examples
    if parse_price(example.price).modifiers.commitment is None
]


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """A price of any model, with some of the members that any usage price may carry."""
    spec = dict(draw(st.sampled_from(SPECS)))
    more: dict[str, Any] = {
        "multiplier": draw(POSITIVE),
        "round_quantity": {"mode": draw(st.sampled_from(["up", "nearest", "down"])), "to": draw(POSITIVE)},
        "included": draw(SMALL),
        "minimum_amount_price": draw(SMALL),
        "commitment": {
            "quantity": draw(POSITIVE),
            "overage": {"model": "per_unit", "unit_price": draw(SMALL)},
            "take_or_pay": not parse_price(spec).needs.placed and draw(st.booleans()),
        },
    }
    chosen = draw(st.sets(st.sampled_from(sorted(more)), max_size=3))
    return {**spec, **{name: more[name] for name in sorted(chosen)}}


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """Up to 30 events around a month, by minute, with properties."""
    start = draw(st.sampled_from(MONTHS))
    count = draw(st.integers(0, 30))
    minutes = draw(st.lists(st.integers(-2000, 44640), min_size=count, max_size=count, unique=True))
    properties = st.fixed_dictionaries(
        {"region": st.sampled_from(["ams", "fra", None]), "size": st.sampled_from(["s", "l"])}
    )
    return [
        Event(start + timedelta(minutes=m), Decimal(draw(SMALL)), f"e{m}", draw(properties)) for m in sorted(minutes)
    ]


def an_item(zone: str, start: datetime) -> Item:
    return Item(UUID(int=1), UUID(int=2), "usage", "calendar", start, zone, (), usage_zone=zone)


def a_price(spec: dict[str, Any], meter: dict[str, Any], proration: str) -> PriceTerms:
    own = {name: value for name, value in meter.items() if name != "aggregation"}
    terms = MeterTerms(UUID(int=9), "meter", "units", meter["aggregation"], own)
    return PriceTerms(
        UUID(int=3), UUID(int=4), 1, "usage", "usage", Interval("month"), "arrears", proration, "EUR", spec, terms
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    spec=specs(),
    meter=st.sampled_from(METERS),
    reported=events(),
    zone=st.sampled_from(ZONES),
    proration=st.sampled_from(["day", "second", "day_30_360", "none"]),
    cut=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    discount=st.sampled_from(["0", "10", "33.3", "100"]),
)
def test_an_amount_is_worked_out_again_from_what_its_charge_keeps(
    spec: dict[str, Any],
    meter: dict[str, Any],
    reported: list[Event],
    zone: str,
    proration: str,
    cut: tuple[int, int],
    discount: str,
) -> None:
    price = a_price(spec, meter, proration)
    assert price.meter is not None
    if misfit(price.price.needs, price.meter.counted) is not None:
        return
    item = an_item(zone, MONTHS[0])
    full = item.cadence(price).span_at((reported or [Event(MONTHS[0], Decimal(0))])[-1].at)
    span = Period(full.start + timedelta(hours=12 * cut[0]), full.end - timedelta(hours=12 * cut[1]))
    request = slot_request(item, price, span)
    assert request is not None
    usage = {request: usage_of_events(request, reported)}
    try:
        rated = rate_span(item, price, Decimal(0), span, usage, Decimal(discount))
    except Refused:
        return
    stored = json.loads(json.dumps(rated.inputs))
    assert recompute(stored) == rated.amount
    assert format_decimal(exact_sum(Decimal(part["exact"]) for part in stored["parts"])) == stored["rated"]
    claim = Claim(UUID(int=6), span, price, rated.quantity, 1234, Decimal(discount))
    back = rate_used_part(item, claim, span, usage)
    assert recompute(json.loads(json.dumps(back.inputs))) == back.amount


@settings(max_examples=50, deadline=None)
@given(
    known=st.lists(st.decimals("-0.5", "0.5", places=5), min_size=40, max_size=40),
    gaps=st.sets(st.integers(0, 39), max_size=10),
    reported=events(),
    factor=st.sampled_from(["1", "1.04", "0"]),
)
def test_so_is_one_that_follows_an_index(
    known: list[Decimal], gaps: set[int], reported: list[Event], factor: str
) -> None:
    spec = {"model": "indexed", "index": "spot", "index_factor": factor, "markup_price": "0.012"}
    start = datetime(2026, 2, 1, tzinfo=UTC)
    hours = 24 * 400
    values = {
        start + timedelta(hours=i): known[i % 40] for i in range(-24 * 40, hours) if i < 24 * 28 or i % 40 not in gaps
    }
    series = IndexSeries("spot", "units", "EUR", 60, values)
    price, item = a_price(spec, {"aggregation": "sum"}, "day"), an_item("Europe/Amsterdam", MONTHS[0])
    span = item.cadence(price).span_at((reported or [Event(MONTHS[0], Decimal(0))])[-1].at)
    if span.end > start + timedelta(hours=hours):
        return
    indexes = {"spot": series}
    request = slot_request(item, price, span, indexes)
    assert request is not None
    rated = rate_span(item, price, Decimal(0), span, {request: usage_of_events(request, reported)}, indexes=indexes)
    assert recompute(json.loads(json.dumps(rated.inputs))) == rated.amount
