"""What changes in a billed span: however it comes in, all that was billed on it is what it comes to in the end."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.adjustments import ADJUSTMENT, adjust, closed_spans
from billing.items import AgreedTerm, Claim, Item
from billing.metering.evidence import Evidence
from billing.metering.quality import Shares
from billing.metering.slots import Slot, SlotRequest, Usage
from billing.rating import rate_usage
from core.ids import new_id
from core.period import Period
from tests.billing.lives import at, price

JANUARY = Period(at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"))
MARCH = at("2026-03-01T00:30:00Z")
ENERGY = price("usage")
KWH = st.decimals(0, 10_000, places=3)


def used(request: SlotRequest, kwh: Decimal) -> dict[SlotRequest, Usage]:
    slot = Slot(request.span, sum=kwh, quality=Shares(measured=kwh))
    return {request: Usage((slot,), Evidence(request.unit), known_until=MARCH)}


def billed(net_amount: int, quantity: Decimal) -> Item:
    claim = Claim(new_id(), JANUARY, ENERGY, quantity, net_amount)
    return Item(
        item_id=new_id(),
        subscription_id=new_id(),
        charge_code="energy",
        anchor="calendar",
        anchored_at=JANUARY.start,
        time_zone="UTC",
        terms=(AgreedTerm(JANUARY.start, None, ENERGY, Decimal(1)),),
        claims=(claim,),
    )


@given(KWH, st.lists(KWH, max_size=5))
def test_all_that_was_billed_on_a_span_is_what_it_comes_to_in_the_end(first: Decimal, later: list[Decimal]) -> None:
    (closed,) = closed_spans([billed(0, Decimal(0))], JANUARY.start)
    net = rate_usage(closed.item, ENERGY, JANUARY, used(closed.request, first)[closed.request]).amount.minor
    quantity = first
    for kwh in later:
        claim = replace(closed.claim, net_amount=net, quantity=quantity)
        usage = used(closed.request, kwh)
        for charge in adjust([replace(closed, claim=claim)], usage, MARCH):
            net, quantity = net + charge.amount, quantity + charge.quantity
            assert (charge.kind, charge.claim_id, charge.span, charge.due_at) == (
                ADJUSTMENT,
                claim.claim_id,
                JANUARY,
                MARCH,
            )
        assert net == rate_usage(closed.item, ENERGY, JANUARY, usage[closed.request]).amount.minor


def test_a_difference_below_a_minor_unit_is_no_charge() -> None:
    (closed,) = closed_spans([billed(300, Decimal(10))], JANUARY.start)
    assert adjust([closed], used(closed.request, Decimal("10.01")), MARCH) == ()


def test_a_tier_that_is_entered_late_counts_for_the_whole_span() -> None:
    (closed,) = closed_spans([billed(3000, Decimal(100))], JANUARY.start)
    (charge,) = adjust([closed], used(closed.request, Decimal(150)), MARCH)
    assert (charge.amount, charge.quantity) == (500, Decimal(50))  # 50 above the first hundred, at 0.1
    assert (charge.inputs["billed_amount"], charge.inputs["used_amount"]) == (3000, 3500)


def test_what_cannot_be_rated_now_is_left_for_the_next_time() -> None:
    (closed,) = closed_spans([billed(3000, Decimal(100))], JANUARY.start)
    assert adjust([closed], used(closed.request, Decimal(-1)), MARCH) == ()


def test_spans_that_ended_long_ago_or_are_being_shrunk_are_not_looked_at() -> None:
    item = billed(0, Decimal(0))
    assert closed_spans([item], JANUARY.end) == ()
    assert closed_spans([item], JANUARY.start, {item.claims[0].claim_id}) == ()
    assert len(closed_spans([item], JANUARY.end - timedelta(seconds=1))) == 1


def test_what_is_not_metered_cannot_arrive_late() -> None:
    rack = price()
    item = billed(0, Decimal(0))
    claim = replace(item.claims[0], price=rack)
    assert closed_spans([replace(item, claims=(claim,))], JANUARY.start) == ()
