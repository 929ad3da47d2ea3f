"""Limits are looked at in sets, and a kill at any point loses no crossing and tells of none twice."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from models.outbox import OutboxEvent
from models.spending import SpendingLimit, SpendingNews
from runtime.house import House
from services import spending, spending_limits
from services.context import Context
from tests.builders.billing import POWER, PlanOf, Subscribed, a_plan, an_account, subscribe
from tests.builders.metering import Metered, an_event, send
from tests.builders.runs import set_clock
from tests.builders.statements import statements
from tests.conftest import Open

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)


def limited(ctx: Context, number: int) -> tuple[PlanOf, list[Subscribed]]:
    """Subscriptions that may each spend 10 EUR at 0.25 per kWh, and their account 10 EUR too."""
    plan, account = a_plan(ctx, POWER), an_account(ctx)
    subscribed = [subscribe(ctx, account, plan) for _ in range(number)]
    for each in subscribed:
        spending_limits.on_subscription(ctx, each.id, {"kind": "cap", "amount": 1000})
    spending_limits.on_account(ctx, account.id, {"kind": "threshold", "amount": 1000})
    return plan, subscribed


def use(ctx: Context, plan: PlanOf, subscribed: list[Subscribed], tag: str) -> None:
    rows = [an_event(Metered(None, plan, s), f"{tag}-{s.id}", NOON, "40") for s in subscribed]  # type: ignore[arg-type]
    assert send(ctx, rows).accepted == len(rows)


def told(ctx: Context) -> int:
    statement = select(func.count()).where(
        OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.object_kind == "spending_limit"
    )
    return ctx.session.execute(statement).scalar_one()


def waiting(ctx: Context) -> int:
    """How many news are due to be looked at."""
    due = (SpendingNews.provider_id == ctx.provider.id, SpendingNews.look_at <= ctx.now)
    return ctx.session.execute(select(func.count()).select_from(SpendingNews).where(*due)).scalar_one()


def test_a_look_takes_the_same_number_of_queries_however_many_limits_there_are(open_unit: Open, house: House) -> None:
    set_clock(open_unit, NOON)
    counted = []
    for number in (2, 20):
        with open_unit() as ctx:
            plan, subscribed = limited(ctx, number)
        with open_unit() as ctx:
            use(ctx, plan, subscribed, f"n{number}")
        with statements(house) as seen, open_unit() as ctx:
            assert spending.look(ctx) == number + 1
        counted.append(len(seen))
    assert counted[0] == counted[1] < 30


def test_a_look_that_dies_is_done_again_and_tells_once(open_unit: Open) -> None:
    set_clock(open_unit, NOON)
    with open_unit() as ctx:
        plan, subscribed = limited(ctx, 1)
    with open_unit() as ctx:
        use(ctx, plan, subscribed, "first")
    with suppress(KeyboardInterrupt), open_unit() as ctx:
        assert spending.look(ctx) == 2
        raise KeyboardInterrupt
    with open_unit() as ctx:
        assert told(ctx) == 0
        assert spending.look(ctx) == 2
    with open_unit() as ctx:
        assert spending.look(ctx) == 0
        assert told(ctx) == 2


def test_usage_that_is_not_stored_leaves_no_news(open_unit: Open) -> None:
    set_clock(open_unit, NOON)
    with open_unit() as ctx:
        plan, subscribed = limited(ctx, 1)
    set_clock(open_unit, NOON + timedelta(minutes=2))
    with open_unit() as ctx:
        spending.look(ctx)
    with suppress(KeyboardInterrupt), open_unit() as ctx:
        use(ctx, plan, subscribed, "lost")
        assert waiting(ctx) == 1
        raise KeyboardInterrupt
    with open_unit() as ctx:
        assert waiting(ctx) == 0


def test_the_end_of_a_span_is_noted_once_however_often_usage_comes(open_unit: Open) -> None:
    set_clock(open_unit, NOON)
    with open_unit() as ctx:
        plan, subscribed = limited(ctx, 2)
    for tag in ("a", "b", "c"):
        with open_unit() as ctx:
            use(ctx, plan, subscribed, tag)
        with open_unit() as ctx:
            spending.look(ctx)
    ends = select(SpendingNews.look_at, func.count()).group_by(SpendingNews.look_at)
    with open_unit() as ctx:
        found = ctx.session.execute(ends.where(SpendingNews.look_at > NOON + timedelta(hours=1))).all()
    assert [count for _, count in found] == [2]


def test_without_a_limit_usage_costs_no_statement_more(open_unit: Open, house: House) -> None:
    set_clock(open_unit, NOON)
    with open_unit() as ctx:
        plan, account = a_plan(ctx, POWER), an_account(ctx)
        subscribed = [subscribe(ctx, account, plan)]
    with statements(house) as seen, open_unit() as ctx:
        use(ctx, plan, subscribed, "free")
    assert not any(SpendingLimit.__tablename__ in statement for statement in seen)
