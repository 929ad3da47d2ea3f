"""Days are summed some hours after they ended, by each provider's own clock, and no clock waits for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from jobs import due, usage_days
from jobs.finding import providers_with_work
from jobs.work import do
from runtime.house import House
from runtime.unit import dispatch
from services import test_clock
from services.context import Context
from stores.usage import backend
from tests.builders.metering import a_metered_point, an_event, hourly, send, take
from tests.builders.usage_days import begin_at, days, days_by_hours, summed_until
from tests.conftest import SANDBOX_NOW, Open, make_provider

KIND = due.KINDS["usage_days"]
DAY = timedelta(days=1)


def set_clock(ctx: Context, now: datetime) -> None:
    ctx.session.execute(text("UPDATE test_clock SET now = :now"), {"now": now})


def waiting(provider_id: UUID) -> bool:
    with dispatch() as session:
        return ("usage_days", provider_id) in providers_with_work(session, [KIND])


def test_a_day_falls_due_six_hours_after_its_end_and_is_summed_once(open_unit: Open, provider_id: UUID) -> None:
    with open_unit() as ctx:
        metered = a_metered_point(ctx)
        take(ctx, *hourly(metered.point, SANDBOX_NOW, ["10"]))
        set_clock(ctx, SANDBOX_NOW + DAY + usage_days.AFTER - timedelta(seconds=1))
    with open_unit() as ctx:
        take(ctx, *hourly(metered.point, SANDBOX_NOW + timedelta(hours=1), ["11", "12"]))
        send(ctx, [an_event(metered, "e1", SANDBOX_NOW + timedelta(hours=2), "1")])
    assert not waiting(provider_id)
    with open_unit() as ctx:
        set_clock(ctx, SANDBOX_NOW + DAY + usage_days.AFTER)
    assert waiting(provider_id)
    assert do(KIND, provider_id)
    assert not waiting(provider_id)
    with open_unit() as ctx:
        assert summed_until(ctx) == SANDBOX_NOW + DAY
        assert len(days(ctx)) == 2
        assert days(ctx) == days_by_hours(ctx)


def test_days_that_were_left_for_months_are_caught_up_with(open_unit: Open, provider_id: UUID) -> None:
    with open_unit() as ctx:
        begin_at(ctx, SANDBOX_NOW - 200 * DAY)
        metered = a_metered_point(ctx)
        set_clock(ctx, SANDBOX_NOW + 200 * DAY)
    with open_unit() as ctx:
        send(ctx, [an_event(metered, f"e{n}", SANDBOX_NOW + n * DAY, "1.5") for n in (0, 1, 5, 120)])
    assert do(KIND, provider_id)
    with open_unit() as ctx:
        assert summed_until(ctx) == SANDBOX_NOW + 199 * DAY
        assert len(days(ctx)) == 4
        assert days(ctx) == days_by_hours(ctx)


def test_a_provider_without_usage_is_done_at_once_however_long_it_was_left(
    house: House, open_unit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle, summed = make_provider(house), list[int | None]()
    with open_unit(idle) as ctx:
        set_clock(ctx, SANDBOX_NOW + 3000 * DAY + usage_days.AFTER)
    store, sum_day = type(backend()), type(backend()).sum_day
    monkeypatch.setattr(store, "sum_day", lambda *asked: summed.append(made := sum_day(*asked)) or made)
    assert do(KIND, idle)
    assert summed == [0]
    with open_unit(idle) as ctx:
        assert summed_until(ctx) == SANDBOX_NOW + 3000 * DAY


def test_a_sandboxs_clock_does_not_stop_for_it_and_days_are_summed_when_it_stands(
    open_unit: Open, provider_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, stops, move = SANDBOX_NOW + 90 * DAY, list[datetime](), test_clock.move
    monkeypatch.setattr(test_clock, "move", lambda *to: stops.append(to[2]) or move(*to))  # type: ignore[func-returns-value]
    with open_unit() as ctx:
        test_clock.advance(ctx, target)
    assert not waiting(provider_id)
    due.drive(provider_id, [])
    assert stops == [target]
    assert waiting(provider_id)
    assert do(KIND, provider_id)
    with open_unit() as ctx:
        assert summed_until(ctx) == target - DAY
