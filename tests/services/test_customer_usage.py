"""What a customer used so far is what the bill will say, however its price changed meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from models.billing import Charge
from models.subscriptions import SubscriptionItem
from services import customer_usage
from services.customer_usage import RunningSum
from services.subscription_usage import usage_of
from tests.builders.billing import FLAT, PER_UNIT, PriceOf, a_plan, agree, an_account, subscribe
from tests.builders.portal import a_power_customer, bill, set_clock
from tests.conftest import Open


def look(open_unit: Open, account_id: UUID) -> list[RunningSum]:
    with open_unit(scope=frozenset({account_id})) as ctx:
        return list(customer_usage.running_sums(ctx, customer_usage.metered(ctx)))


def test_the_amount_so_far_at_the_end_of_a_span_is_the_charge(provider_id: UUID, open_unit: Open) -> None:
    end = datetime(2026, 1, 31, 23, tzinfo=UTC)
    customer = a_power_customer(provider_id, end)
    set_clock(provider_id, end - timedelta(microseconds=1))
    (told,) = look(open_unit, customer.account_id)
    set_clock(provider_id, end + timedelta(hours=1))
    bill(provider_id)
    with open_unit() as ctx:
        charge = ctx.session.scalars(select(Charge).where(Charge.kind == "usage")).one()
    assert told.amount is not None
    assert (told.amount.minor, told.span.end) == (charge.amount, charge.end_at)
    assert abs(told.quantity - charge.quantity) < Decimal("0.001")


def test_programs_are_told_the_same(provider_id: UUID, open_unit: Open) -> None:
    customer = a_power_customer(provider_id, datetime(2026, 1, 9, 14, 30, tzinfo=UTC))
    (told,) = look(open_unit, customer.account_id)
    with open_unit() as ctx:
        api = usage_of(ctx, customer.subscription_id, None, None, "day")
    assert told.amount is not None
    assert (told.amount.minor, told.quantity) == (api.amount, api.amounts[0].quantity)


def test_a_price_that_changed_within_the_span_rates_what_was_used_under_it(provider_id: UUID, open_unit: Open) -> None:
    begin = datetime(2025, 12, 31, 23, tzinfo=UTC)
    now = datetime(2026, 1, 11, 23, tzinfo=UTC)
    customer = a_power_customer(provider_id, now)
    with open_unit() as ctx:
        dear = a_plan(ctx, PriceOf("energy", {"model": "per_unit", "unit_price": "1"}, "usage", "arrears", "none"))
        item = ctx.session.scalars(
            select(SubscriptionItem.id).where(
                SubscriptionItem.subscription_id == customer.subscription_id, SubscriptionItem.charge_code == "energy"
            )
        ).one()
        agree(ctx, item, dear.prices["energy"], begin + timedelta(days=10), "0")
    (told,) = look(open_unit, customer.account_id)
    with open_unit() as ctx:
        (charge,) = customer_usage.metered(ctx)
        _, used = customer_usage.stretches(ctx, charge, [begin, begin + timedelta(days=10), now])
        before, after = (stretch.quantity for stretch in used)
    assert told.quantity == before + after
    assert told.amount is not None
    assert told.amount.major == round(before * Decimal("0.3"), 2) + round(after, 2)


def test_what_is_not_metered_has_ended_or_belongs_to_others_is_not_shown(provider_id: UUID, open_unit: Open) -> None:
    usage = PriceOf("power", PER_UNIT, "usage", "arrears", "none")
    with open_unit() as ctx:
        mine, other = an_account(ctx, "mine"), an_account(ctx, "other")
        subscribe(ctx, mine, a_plan(ctx, PriceOf("rack", FLAT)))
        over = a_plan(ctx, usage)
        ended = subscribe(ctx, mine, over)
        agree(ctx, ended.items["power"], over.prices["power"], ctx.now, ended=True)
        subscribe(ctx, other, a_plan(ctx, usage))
        running = subscribe(ctx, mine, a_plan(ctx, usage))
    with open_unit(scope=frozenset({mine.id})) as ctx:
        shown = customer_usage.metered(ctx)
    assert [charge.item.subscription_id for charge in shown] == [running.id]
