"""Contracts on the real database: what a preview promised is what is then billed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from billing.changes import Cancel
from core.ids import encode
from models import providers
from models.billing import BilledSpan, Charge
from models.outbox import OutboxEvent
from models.subscriptions import Subscription, SubscriptionItemTerm
from runtime.house import House
from services import accounts, contract_changes, invoicing_charges, plans, previews, provisioning, subscriptions
from services.change_wishes import Wanted
from services.context import Context
from services.paging import Window
from services.provisioning import Answer
from services.sets import add_rows
from services.subscription_views import SubscriptionView
from services.subscriptions import Order
from tests.builders.billing import FLAT, PlanOf, PriceOf, a_plan, an_account
from tests.builders.statements import statements
from tests.conftest import Open

FEBRUARY, MARCH = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
MID_FEBRUARY = datetime(2026, 2, 15, 10, tzinfo=UTC)
RACK = PriceOf("rack", {"model": "per_unit", "unit_price": "99.97"})
POWER = PriceOf("power", {"model": "per_unit", "unit_price": "0.25"}, kind="usage", timing="arrears")
SETUP = PriceOf("setup", FLAT, kind="one_off", unit=None)


def set_clock(open_unit: Open, now: datetime) -> None:
    with open_unit() as ctx:
        clock = update(providers.TestClock).where(providers.TestClock.provider_id == ctx.provider.id)
        ctx.session.execute(clock.values(now=now))


def ordered(ctx: Context, *prices: PriceOf, **order: Any) -> tuple[SubscriptionView, UUID]:
    """A subscription on a plan of these prices, and its payer."""
    account = an_account(ctx)
    plan: PlanOf = a_plan(ctx, *prices)
    placed = Order(account=str(account.external_id), plan=encode("plan", plan.id), **{"start_at": ctx.now, **order})
    return provisioning.order(ctx, placed), account.id


def bill(open_unit: Open, payer: UUID, now: datetime) -> list[tuple[Any, ...]]:
    """Bill a payer at an instant; the new charges as (code, kind, start, end, quantity, amount)."""
    set_clock(open_unit, now)
    with open_unit() as ctx:
        known = set(ctx.session.scalars(select(Charge.id)))
        add_rows(ctx, Charge, invoicing_charges.claim(ctx, invoicing_charges.propose_for(ctx, [payer], now, now)))
        fresh = ctx.session.scalars(select(Charge).where(Charge.id.not_in(known))).all()
        return sorted((c.charge_code, c.kind, c.start_at, c.end_at, c.quantity, c.amount) for c in fresh)


def promised(preview: previews.Preview) -> list[tuple[Any, ...]]:
    return sorted((x.charge_code, x.kind, x.span.start, x.span.end, x.quantity, x.amount) for x in preview.lines)


def test_what_an_order_s_preview_shows_is_what_is_billed(open_unit: Open) -> None:
    with open_unit() as ctx:
        account, plan = an_account(ctx), a_plan(ctx, RACK, POWER, SETUP)
        order = Order(str(account.external_id), encode("plan", plan.id), ctx.now, quantities={"rack": Decimal(3)})
        preview = previews.of_order(ctx, order, MARCH)
        provisioning.order(ctx, order)
    assert bill(open_unit, account.id, MARCH) == promised(preview)
    assert bill(open_unit, account.id, MARCH) == []


def test_what_a_change_s_preview_shows_is_what_is_billed(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, payer = ordered(ctx, RACK, POWER, quantities={"rack": Decimal(3)})
    bill(open_unit, payer, FEBRUARY)
    set_clock(open_unit, MID_FEBRUARY)
    change = Wanted(quantities={"rack": Decimal(5)})
    with open_unit() as ctx:
        preview = previews.of_change(ctx, made.id, change, "now", MARCH)
        contract_changes.make(ctx, made.id, change, "now")
    billed = bill(open_unit, payer, MARCH)
    assert billed == promised(preview)
    assert [(code, kind, amount) for code, kind, *_, amount in billed] == [
        ("power", "usage", 0),
        ("rack", "credit", -14995),  # 299.91 billed, less 14 of 28 days: 149.955, rounded to 149.96
        ("rack", "recurring", 24993),  # 14 of 28 days of five
        ("rack", "recurring", 49985),
    ]


def test_a_scheduled_end_is_previewed_with_what_else_is_to_come(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, payer = ordered(ctx, RACK, quantities={"rack": Decimal(2)})
    bill(open_unit, payer, FEBRUARY)
    set_clock(open_unit, FEBRUARY)
    with open_unit() as ctx:
        change = contract_changes.make(ctx, made.id, Wanted(quantities={"rack": Decimal(4)}), MID_FEBRUARY)
        preview = previews.of_change(ctx, made.id, Wanted(cancel=Cancel()), "period_end", None)
        last = contract_changes.make(ctx, made.id, Wanted(cancel=Cancel()), "period_end")
        assert last.effective_at == preview.as_of == MARCH
    for when, each in ((MID_FEBRUARY, change), (MARCH, last)):
        set_clock(open_unit, when)
        with open_unit() as ctx:
            contract_changes.apply_scheduled(ctx, each.id)
            contract_changes.apply_scheduled(ctx, each.id)
    assert bill(open_unit, payer, MARCH) == promised(preview)
    assert bill(open_unit, payer, datetime(2027, 1, 1, tzinfo=UTC)) == []


def test_another_plan_takes_over_in_mid_month_as_its_preview_says(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, payer = ordered(ctx, RACK, POWER, SETUP, quantities={"rack": Decimal(2)})
        other = a_plan(
            ctx,
            PriceOf("rack", {"model": "per_unit", "unit_price": "280"}),
            PriceOf("hands", {"model": "flat", "amount_price": "56"}, timing="arrears"),
        )
    bill(open_unit, payer, FEBRUARY)
    set_clock(open_unit, MID_FEBRUARY)
    wanted = Wanted(plan=encode("plan", other.id))
    with open_unit() as ctx:
        preview = previews.of_change(ctx, made.id, wanted, "now", MARCH)
        contract_changes.make(ctx, made.id, wanted, "now")
        moved = subscriptions.get(ctx, made.id)
        assert moved.plan_version_id == other.version_id
        assert moved.quantities == {"rack": 2, "hands": 1}
    billed = bill(open_unit, payer, MARCH)
    assert billed == promised(preview)
    assert [(code, kind, amount) for code, kind, *_, amount in billed] == [
        ("hands", "recurring", 2800),  # 14 of 28 days
        ("power", "usage", 0),  # up to the change
        ("rack", "credit", -9997),
        ("rack", "recurring", 28000),
        ("rack", "recurring", 56000),
    ]
    assert bill(open_unit, payer, MARCH) == []


def test_a_change_of_plan_that_was_scheduled_is_the_version_that_was_agreed_upon(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, _ = ordered(ctx, RACK)
        other = a_plan(ctx, RACK)
        change = contract_changes.make(ctx, made.id, Wanted(plan=encode("plan", other.id)), "period_end")
        assert change.plan_version_id == other.version_id
    set_clock(open_unit, FEBRUARY)
    with open_unit() as ctx:
        contract_changes.apply_scheduled(ctx, change.id)
        assert subscriptions.get(ctx, made.id).plan_id == other.id


def test_a_preview_stores_nothing(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, _ = ordered(ctx, RACK)
    with open_unit() as ctx:
        previews.of_change(ctx, made.id, Wanted(cancel=Cancel()), "now", MARCH)
        assert not ctx.session.new | ctx.session.dirty
        assert ctx.session.scalars(select(Charge.id)).all() == []
        assert len(ctx.session.scalars(select(SubscriptionItemTerm.id)).all()) == 1


def test_billing_starts_when_the_service_is_provisioned_and_not_when_it_is_ordered(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, payer = ordered(ctx, RACK, start_at=None)
    assert bill(open_unit, payer, FEBRUARY) == []
    set_clock(open_unit, MID_FEBRUARY)
    with open_unit() as ctx:
        started = provisioning.answer(ctx, made.id, Answer("provisioned", at=datetime(2026, 2, 11, 9, tzinfo=UTC)))
        assert started.status == "active"
    assert [line[2:] for line in bill(open_unit, payer, MID_FEBRUARY)] == [
        (datetime(2026, 2, 11, 9, tzinfo=UTC), MARCH, 1, 6427)  # 18 of 28 days
    ]


def test_a_zone_moved_before_the_start_counts_and_one_moved_later_does_not(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, payer = ordered(ctx, RACK, start_at=None)
        accounts.change(ctx, payer, {"time_zone": "America/Los_Angeles"})
        assert provisioning.answer(ctx, made.id, Answer("provisioned")).time_zone == "America/Los_Angeles"
        accounts.change(ctx, payer, {"time_zone": "Asia/Tokyo"})
        assert subscriptions.get(ctx, made.id).time_zone == "America/Los_Angeles"


def test_suspending_asks_once_and_resuming_undoes_it(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, _ = ordered(ctx, RACK)
        provisioning.answer(ctx, made.id, Answer("provisioned"))
        provisioning.suspend(ctx, made.id, "dunning")
        provisioning.suspend(ctx, made.id, "abuse")
        assert subscriptions.get(ctx, made.id).status == "suspended"
        provisioning.answer(ctx, made.id, Answer("suspended"))
        provisioning.resume(ctx, made.id)
        provisioning.resume(ctx, made.id)
        assert subscriptions.get(ctx, made.id).status == "active"
        provisioning.deprovision(ctx, made.id, "dunning")
        provisioning.deprovision(ctx, made.id, "dunning")
        events = ctx.session.scalars(select(OutboxEvent).order_by(OutboxEvent.sequence)).all()
        told = [e.type.removeprefix("subscription.") for e in events if e.object_kind == "subscription"]
    assert told == [
        "created",
        "activated",
        "provision_requested",
        "provisioned",
        "suspend_requested",
        "suspended",
        "resume_requested",
        "cancelled",
        "deprovision_requested",
    ]


def test_an_ended_subscription_is_not_suspended_any_more(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, _ = ordered(ctx, RACK)
        provisioning.deprovision(ctx, made.id)
        provisioning.suspend(ctx, made.id, "dunning")
        assert subscriptions.get(ctx, made.id).status == "cancelled"


def test_a_change_that_cannot_be_made_any_more_is_kept_with_its_reason(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, _ = ordered(ctx, RACK)
        change = contract_changes.make(ctx, made.id, Wanted(quantities={"rack": Decimal(2)}), FEBRUARY)
        # Its charge is gone from the plan by then: nothing in this issue does that, so it is written by hand.
        ctx.session.execute(
            text('UPDATE scheduled_change SET body = \'{"quantities": {"shelf": "2"}}\' WHERE id = :id'),
            {"id": change.id},
        )
    set_clock(open_unit, FEBRUARY)
    with open_unit() as ctx:
        contract_changes.apply_scheduled(ctx, change.id)
    with open_unit() as ctx:
        kept = contract_changes.get(ctx, made.id, change.id)
        assert kept.status == "failed"
        assert "charge codes" in (kept.detail or "")
        assert subscriptions.get(ctx, made.id).quantities == {"rack": 1}


def test_the_application_cannot_rewrite_what_was_agreed_or_sold(open_unit: Open) -> None:
    with open_unit() as ctx:
        ordered(ctx, RACK)
    for statement in (
        "UPDATE subscription_item_term SET quantity = 0",
        "DELETE FROM subscription_item_term",
        "UPDATE price SET currencies = '{}'",
        "UPDATE plan_version SET number = 7",
    ):
        with pytest.raises(DBAPIError), open_unit() as ctx:
            ctx.session.execute(text(statement))


def test_lists_of_plans_and_subscriptions_take_as_many_queries_for_many_as_for_one(
    open_unit: Open, house: House
) -> None:
    def counted(ctx: Context) -> int:
        with statements(house) as seen:
            assert plans.list_plans(ctx, Window(50)).rows
            assert subscriptions.list_subscriptions(ctx, Window(50)).rows
        return len(seen)

    with open_unit() as ctx:
        ordered(ctx, RACK, POWER)
        one = counted(ctx)
        for _ in range(4):
            ordered(ctx, RACK, POWER, SETUP)
        assert counted(ctx) == one


def test_a_claim_and_its_charges_are_as_the_engine_proposed_them(open_unit: Open) -> None:
    with open_unit() as ctx:
        made, payer = ordered(ctx, RACK)
    bill(open_unit, payer, MARCH)
    with open_unit() as ctx:
        spans = ctx.session.scalars(select(BilledSpan).where(BilledSpan.provider_id == ctx.provider.id)).all()
        assert len(spans) == 3
        inputs = ctx.session.scalars(select(Charge.inputs).order_by(Charge.start_at)).first()
        assert inputs is not None
        assert inputs["share"] == {"method": "day", "numerator": 17, "denominator": 31}
        assert inputs["price"]["spec"] == {"model": "per_unit", "unit_price": "99.97"}
        row = ctx.session.get_one(Subscription, (ctx.provider.id, made.id))
        assert row.plan_version_id == made.plan_version_id
