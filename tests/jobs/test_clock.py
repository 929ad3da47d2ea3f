"""A sandbox's clock: everything on the way runs once, in order, at its own instant, whoever is killed meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text, update

from core.errors import Conflict, Invalid
from core.ids import new_id
from models.providers import Mail
from models.providers import TestClock as ClockRow
from runtime.house import House
from services import outbox, test_clock
from services.clock import system_now
from services.context import Context
from services.events import Event
from tests.builders.clock import World, advance, at, put_down, settle, shown
from tests.conftest import SANDBOX_NOW, Open, make_provider


def test_everything_on_the_way_is_done_in_order_at_its_own_instant(open_unit: Open, world: World) -> None:
    later = put_down(open_unit, "first", at(20, 3, 15))
    same_second = put_down(open_unit, "second", at(18))
    same_first = put_down(open_unit, "first", at(18))
    beyond = put_down(open_unit, "first", at(25))
    advance(open_unit, at(22))
    assert world.drive().run()
    assert world.done == [
        ("first", same_first, at(18)),
        ("second", same_second, at(18)),
        ("first", later, at(20, 3, 15)),
    ]
    assert shown(open_unit) == (at(22), "ready", None)
    assert beyond not in [mail_id for _, mail_id, _ in world.done]


def test_what_falls_due_through_what_was_done_is_done_before_the_clock_goes_on(open_unit: Open, world: World) -> None:
    second = put_down(open_unit, "second", at(30))
    first = put_down(open_unit, "first", at(16))

    def bring_forward(ctx: Context, mail_id: UUID) -> None:
        settle(ctx, mail_id)
        ctx.session.execute(update(Mail).where(Mail.id == second).values(next_at=ctx.now))

    world.acts[first] = bring_forward
    put_down(open_unit, "first", at(17))
    advance(open_unit, at(31))
    world.drive().run()
    assert [(mail_id, when) for _, mail_id, when in world.done[:2]] == [(first, at(16)), (second, at(16))]


def test_a_thing_due_every_month_is_done_at_each_month(open_unit: Open, world: World) -> None:
    monthly = put_down(open_unit, "first", at(16))

    def again(ctx: Context, mail_id: UUID) -> None:
        ctx.session.execute(update(Mail).where(Mail.id == mail_id).values(next_at=Mail.next_at + timedelta(days=30)))

    world.acts[monthly] = again
    advance(open_unit, datetime(2026, 5, 1, tzinfo=UTC))
    world.drive().run()
    assert [when for *_, when in world.done] == [at(16) + timedelta(days=30 * n) for n in range(4)]


def test_reactions_run_at_the_instant_of_what_they_react_to(open_unit: Open, world: World) -> None:
    def tell(ctx: Context, mail_id: UUID) -> None:
        settle(ctx, mail_id)
        outbox.emit(ctx, "account.created", "account", new_id(), {})

    for day in (16, 18):
        world.acts[put_down(open_unit, "first", at(day))] = tell
    advance(open_unit, at(20))
    world.drive().run()
    assert world.reacted == [("account.created", at(16)), ("account.created", at(18))]


def test_a_failure_stops_the_clock_with_its_reason_and_another_advance_goes_on_from_there(
    open_unit: Open, world: World
) -> None:
    broken = put_down(open_unit, "first", at(16))
    put_down(open_unit, "first", at(17))

    def fail(_: Context, __: UUID) -> None:
        raise RuntimeError("the cable is cut")

    world.acts[broken] = fail
    advance(open_unit, at(20))
    world.drive().run()
    now, status, detail = shown(open_unit)
    assert (now, status) == (at(16), "failed")
    assert "the cable is cut" in (detail or "")
    del world.acts[broken]
    advance(open_unit, at(20))
    world.drive().run()
    assert shown(open_unit) == (at(20), "ready", None)
    assert [when for *_, when in world.done] == [at(16), at(16), at(17)]


def test_a_database_that_was_away_for_a_moment_pauses_the_clock_and_does_not_stop_it(
    open_unit: Open, world: World
) -> None:
    unlucky = put_down(open_unit, "first", at(16))

    def run_out_of_time(ctx: Context, _: UUID) -> None:
        world.acts.clear()
        ctx.session.execute(text("SET LOCAL statement_timeout = '5ms'"))
        ctx.session.execute(text("SELECT pg_sleep(5)"))

    world.acts[unlucky] = run_out_of_time
    advance(open_unit, at(20))
    assert not world.drive().run()
    now, status, detail = shown(open_unit)
    assert (now, status) == (at(16), "advancing")
    assert "trying again" in (detail or "")
    assert world.drive().run()
    assert shown(open_unit)[:2] == (at(20), "ready")


def test_a_reaction_that_keeps_failing_stops_the_clock_with_its_reason(open_unit: Open, world: World) -> None:
    def refuse(_: Context, __: Event) -> None:
        raise ValueError("no such account")

    world.react = refuse
    with open_unit() as ctx:
        outbox.emit(ctx, "account.created", "account", new_id(), {})
    advance(open_unit, at(20))
    world.drive().run()
    _, status, detail = shown(open_unit)
    assert status == "failed"
    assert "the reaction to account.created failed: ValueError: no such account" in (detail or "")


def test_what_makes_no_progress_is_not_tried_for_ever(open_unit: Open, world: World) -> None:
    stuck = put_down(open_unit, "first", at(16))
    world.acts[stuck] = lambda _, __: None
    put_down(open_unit, "first", at(17))
    advance(open_unit, at(18))
    world.drive().run()
    assert shown(open_unit)[:2] == (at(18), "ready")
    assert [when for _, mail_id, when in world.done if mail_id == stuck] == [at(16), at(17), at(18)]


def test_a_second_driver_leaves_a_driven_clock_alone_and_takes_over_when_the_first_is_dead(
    open_unit: Open, world: World
) -> None:
    put_down(open_unit, "first", at(16))
    advance(open_unit, at(20))
    with open_unit() as ctx:
        assert test_clock.take(ctx, uuid4(), system_now()) is not None
    world.drive().run()
    assert world.done == []
    with open_unit() as ctx:
        ctx.session.execute(update(ClockRow).values(lease_until=system_now() - timedelta(seconds=1)))
    world.drive().run()
    assert len(world.done) == 1
    assert shown(open_unit)[:2] == (at(20), "ready")


def test_a_driver_that_lost_its_lease_moves_nothing_any_more(open_unit: Open, world: World) -> None:
    robbed = put_down(open_unit, "first", at(16))
    put_down(open_unit, "first", at(17))

    def rob(ctx: Context, mail_id: UUID) -> None:
        settle(ctx, mail_id)
        ctx.session.execute(update(ClockRow).where(ClockRow.provider_id == ctx.provider.id).values(lease_token=uuid4()))

    world.acts[robbed] = rob
    advance(open_unit, at(20))
    world.drive().run()
    assert shown(open_unit)[:2] == (at(16), "advancing")
    assert len(world.done) == 1


def test_a_time_slice_ends_and_another_driver_goes_on(open_unit: Open, world: World) -> None:
    put_down(open_unit, "first", at(16))
    advance(open_unit, at(20))
    assert not world.drive().run(slice_seconds=0)
    assert world.done == []
    assert shown(open_unit)[:2] == (SANDBOX_NOW, "advancing")
    assert world.drive().run()
    assert len(world.done) == 1


def test_the_clock_is_set_only_while_nothing_was_billed_and_never_while_it_advances(open_unit: Open) -> None:
    with open_unit() as ctx:
        assert test_clock.set_now(ctx, at(1)).now == at(1)
    advance(open_unit, at(2))
    for forbidden in (lambda c: test_clock.set_now(c, at(3)), lambda c: test_clock.advance(c, at(3))):
        with open_unit() as ctx, pytest.raises(Conflict) as refused:
            forbidden(ctx)
        assert refused.value.code == "clock_advancing"


def test_the_clock_goes_only_forward_and_not_for_ever(open_unit: Open) -> None:
    for to, code in ((at(14), "to_before_now"), (datetime(2040, 1, 1, tzinfo=UTC), "to_too_far")):
        with open_unit() as ctx, pytest.raises(Invalid) as refused:
            test_clock.advance(ctx, to)
        assert refused.value.code == code


def test_a_live_provider_has_no_clock_of_its_own(house: House, open_unit: Open) -> None:
    live = make_provider(house, sandbox=False)
    with open_unit(live) as ctx, pytest.raises(Conflict) as refused:
        test_clock.advance(ctx, at(20))
    assert refused.value.code == "not_a_sandbox"
    with open_unit(live) as ctx:
        assert ctx.session.scalar(select(ClockRow.now)) is None
