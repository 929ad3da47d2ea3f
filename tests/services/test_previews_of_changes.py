"""Every kind of change, whenever it takes effect: what its preview shows is what is then billed, line by line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from billing.changes import Cancel, Pause
from billing.contract_terms import FixedTerm, MinimumTerm, Trial
from billing.periods import Interval
from core.ids import encode
from core.period import utc
from models.subscriptions import ScheduledChange
from services import contract_changes, previews, provisioning
from services.change_wishes import Wanted
from services.context import Context
from services.subscriptions import Order
from tests.builders.billing import FLAT, PriceOf, a_plan, an_account
from tests.conftest import Open
from tests.services.test_contracts import bill, promised, set_clock

START = datetime(2026, 1, 15, 9, tzinfo=UTC)
NOW = datetime(2026, 2, 17, 10, tzinfo=UTC)
LATER = datetime(2026, 3, 29, 12, tzinfo=UTC)  # a day of 23 hours in Amsterdam
AS_OF = datetime(2026, 6, 20, tzinfo=UTC)
RACK = PriceOf("rack", {"model": "per_unit", "unit_price": "99.97"})
PRICES = (
    RACK,
    PriceOf("port", {"model": "flat", "amount_price": "33.33"}, timing="arrears", proration="second"),
    PriceOf("cage", {"model": "flat", "amount_price": "700"}, proration="day_30_360", unit="quarter"),
    PriceOf("fee", {"model": "flat", "amount_price": "12"}, proration="none"),
    PriceOf("power", {"model": "per_unit", "unit_price": "0.25"}, kind="usage", timing="arrears"),
    PriceOf("setup", FLAT, kind="one_off", unit=None),
)
HALF = MinimumTerm(Interval("month", 9), Decimal("33.3"))
CHANGES: dict[str, Wanted] = {
    "fewer": Wanted(quantities={"rack": Decimal("1.5")}),
    "none": Wanted(quantities={"rack": Decimal(0), "cage": Decimal(0)}),
    "other plan": Wanted(plan="other", quantities={"rack": Decimal(4)}),
    "end": Wanted(cancel=Cancel()),
    "end without credit": Wanted(cancel=Cancel(credit=False)),
    "early end": Wanted(cancel=Cancel(early=True)),
    "pause": Wanted(pause=Pause()),
    "pause that ends": Wanted(pause=Pause(until=datetime(2026, 5, 10, 8, tzinfo=UTC))),
    "other days": Wanted(align_on=date(2026, 5, 7)),
}


@pytest.fixture
def beside() -> dict[str, Any]:
    """What is agreed beside prices: by default an end before the minimum term costs something."""
    return {"minimum_term": HALF}


def ordered(ctx: Context, anchor: str, zone: str, **beside: Any) -> tuple[Any, Any, str]:
    """A subscription that started in January, its payer, and another plan."""
    account = an_account(ctx, zone=zone)
    plan, other = (
        a_plan(ctx, *PRICES),
        a_plan(ctx, replace(RACK, spec={"model": "flat", "amount_price": "250"}), PRICES[4]),
    )
    order = Order(
        account=str(account.external_id),
        plan=encode("plan", plan.id),
        start_at=START,
        anchor=anchor,
        quantities={"rack": Decimal(3)},
        **beside,
    )
    return provisioning.order(ctx, order).id, account.id, encode("plan", other.id)


def let_pass(open_unit: Open, until: datetime) -> None:
    """Do what is scheduled, at its instants, as the clock does."""
    while True:
        with open_unit() as ctx:
            row = ctx.session.scalars(
                select(ScheduledChange)
                .where(ScheduledChange.status == "scheduled", ScheduledChange.effective_at <= until)
                .order_by(ScheduledChange.effective_at, ScheduledChange.id)
                .limit(1)
            ).first()
            due = (row.id, utc(row.effective_at)) if row is not None else None
        if due is None:
            return
        set_clock(open_unit, due[1])
        with open_unit() as ctx:
            contract_changes.apply_scheduled(ctx, due[0])


@pytest.mark.parametrize("effective", ["now", "period_end", LATER, NOW - timedelta(days=11)], ids=str)
@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize(
    ("anchor", "zone"), [("calendar", "Europe/Amsterdam"), ("anniversary", "America/Los_Angeles")], ids=["east", "west"]
)
def test_what_the_preview_of_a_change_shows_is_what_is_billed(
    open_unit: Open, beside: dict[str, Any], anchor: str, zone: str, kind: str, effective: Any
) -> None:
    set_clock(open_unit, START)
    with open_unit() as ctx:
        made, payer, other = ordered(ctx, anchor, zone, **beside)
    bill(open_unit, payer, NOW - timedelta(days=3))
    set_clock(open_unit, NOW)
    wanted = replace(CHANGES[kind], plan=other) if CHANGES[kind].plan else CHANGES[kind]
    with open_unit() as ctx:
        preview = previews.of_change(ctx, made, wanted, effective, AS_OF)
        contract_changes.make(ctx, made, wanted, effective)
    let_pass(open_unit, AS_OF)
    assert bill(open_unit, payer, AS_OF) == promised(preview) != []
    assert bill(open_unit, payer, AS_OF) == []


@pytest.mark.parametrize("billed_at", [LATER, LATER + timedelta(days=3)])
@pytest.mark.parametrize("kind", CHANGES)
def test_billing_before_a_scheduled_change_comes_to_what_its_preview_shows(
    open_unit: Open, beside: dict[str, Any], kind: str, billed_at: datetime
) -> None:
    """What is billed ahead and given back again is not in the preview; the sum of every item is."""
    set_clock(open_unit, START)
    with open_unit() as ctx:
        made, payer, other = ordered(ctx, "anniversary", "Europe/Amsterdam", **beside)
    bill(open_unit, payer, NOW)
    wanted = replace(CHANGES[kind], plan=other) if CHANGES[kind].plan else CHANGES[kind]
    with open_unit() as ctx:
        preview = previews.of_change(ctx, made, wanted, LATER, AS_OF)
        contract_changes.make(ctx, made, wanted, LATER)
    let_pass(open_unit, billed_at)
    lines = bill(open_unit, payer, billed_at)
    let_pass(open_unit, AS_OF)
    lines += bill(open_unit, payer, AS_OF)
    sums: dict[str, int] = {}
    for sign, found in ((1, lines), (-1, promised(preview))):
        for code, *_, amount in found:
            sums[code] = sums.get(code, 0) + sign * amount
    assert {code: amount for code, amount in sums.items() if amount} == {}


@pytest.mark.parametrize("asked", ["now", "period_end", LATER], ids=str)
def test_an_end_within_a_fixed_term_is_previewed_where_it_takes_effect(open_unit: Open, asked: Any) -> None:
    set_clock(open_unit, START)
    with open_unit() as ctx:
        term = FixedTerm(Interval("month", 3), notice_days=40)
        made, payer, _ = ordered(ctx, "calendar", "Europe/Amsterdam", term=term)
    bill(open_unit, payer, NOW)
    with open_unit() as ctx:
        preview = previews.of_change(ctx, made, Wanted(cancel=Cancel()), asked, AS_OF)
        change = contract_changes.make(ctx, made, Wanted(cancel=Cancel()), asked)
        assert change.effective_at == datetime(2026, 4, 14, 22, tzinfo=UTC)
    let_pass(open_unit, AS_OF)
    assert bill(open_unit, payer, AS_OF) == promised(preview)


def test_the_end_of_a_trial_by_hand_is_previewed(open_unit: Open, beside: dict[str, Any]) -> None:
    set_clock(open_unit, START)
    with open_unit() as ctx:
        trial = Trial(60, None, at_end="cancel")
        made, payer, _ = ordered(ctx, "anniversary", "America/Los_Angeles", trial=trial, **beside)
    set_clock(open_unit, NOW)
    with open_unit() as ctx:
        preview = previews.of_change(ctx, made, Wanted(convert=True), "now", AS_OF)
        contract_changes.make(ctx, made, Wanted(convert=True), "now")
    assert bill(open_unit, payer, AS_OF) == promised(preview) != []
    set_clock(open_unit, AS_OF)
    with open_unit() as ctx:  # the minimum term runs from where billing began
        ended = previews.of_change(ctx, made, Wanted(cancel=Cancel()), "now", AS_OF)
        assert "early_termination" in {line.charge_code for line in ended.lines}


def test_a_preview_that_ends_before_a_change_shows_what_is_billed_without_it(open_unit: Open) -> None:
    """What begins in advance is billed whole as long as its end has not come."""
    set_clock(open_unit, START)
    with open_unit() as ctx:
        made, payer, _ = ordered(ctx, "calendar", "Europe/Amsterdam")
    bill(open_unit, payer, NOW)
    before = LATER - timedelta(days=20)
    with open_unit() as ctx:
        preview = previews.of_change(ctx, made, Wanted(cancel=Cancel()), LATER, before)
        contract_changes.make(ctx, made, Wanted(cancel=Cancel()), LATER)
    assert bill(open_unit, payer, before) == promised(preview) != []
