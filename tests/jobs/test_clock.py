"""A sandbox's clock: everything on the way runs once, in order, at its own instant, whoever is killed meanwhile.

Mails stand in for whatever falls due here: a row with an instant. Those marked `sandbox` are of the second kind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, insert, select, text, update

from core.errors import Conflict, Invalid
from core.ids import new_id
from jobs import clock, reactions
from jobs.clock import Drive
from jobs.finding import first_due
from jobs.kinds import Kind
from models.providers import Mail
from models.providers import TestClock as ClockRow
from runtime.house import House
from runtime.unit import dispatch, unit
from services import outbox, test_clock
from services.clock import system_now
from services.context import Context
from services.events import Event
from tests.conftest import SANDBOX_NOW, Open, make_provider

DUE = "SELECT provider_id, id, next_at AS due_at FROM mail WHERE sent_at IS NULL AND "
EVENTS = (
    "SELECT provider_id, id, coalesce(react_after, to_timestamp(0)) AS due_at FROM outbox_event"
    " WHERE reacted_at IS NULL"
)
Act = Callable[[Context, UUID], object]


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


@dataclass
class World:
    """What was done, in order: kind, id, and what the clock showed."""

    provider_id: UUID
    done: list[tuple[str, UUID, datetime]] = field(default_factory=list)
    acts: dict[UUID, Act] = field(default_factory=dict)
    reacted: list[tuple[str, datetime]] = field(default_factory=list)
    react: Callable[[Context, Event], object] = lambda _, __: None
    lagging: clock.Lagging = lambda _, __: ()
    passed_over: list[datetime] = field(default_factory=list)

    def run(self, kind: str) -> Callable[[UUID, Sequence[UUID]], None]:
        def run(provider_id: UUID, ids: Sequence[UUID]) -> None:
            for each in ids:
                with unit(provider_id, actor="test") as ctx:
                    self.done.append((kind, each, ctx.now))
                    self.acts.get(each, settle)(ctx, each)

        return run

    def note(self, ctx: Context, event: Event) -> None:
        self.react(ctx, event)
        self.reacted.append((event.type, ctx.now))

    def drive(self) -> Drive:
        table = {"account.created": (self.note,)}
        kinds = (
            Kind("first", "money", DUE + "NOT sandbox", self.run("first"), business=True),
            Kind("second", "money", DUE + "sandbox", self.run("second"), business=True),
            Kind("reactions", "money", EVENTS, lambda p, _: reactions.react(p, table), drained=True, batch=500),
        )
        return Drive(self.provider_id, kinds, self.lagging, lambda _, instant: self.passed_over.append(instant))


def settle(ctx: Context, mail_id: UUID) -> None:
    ctx.session.execute(update(Mail).where(Mail.id == mail_id).values(sent_at=ctx.now))


@pytest.fixture
def world(provider_id: UUID) -> World:
    return World(provider_id)


def put_down(open_unit: Open, kind: str, when: datetime) -> UUID:
    mail_id = new_id()
    with open_unit() as ctx:
        ctx.session.execute(
            insert(Mail).values(
                provider_id=ctx.provider.id,
                id=mail_id,
                sandbox=kind == "second",
                to=[],
                subject="",
                body="",
                kind="",
                created_at=when,
                next_at=when,
            )
        )
    return mail_id


def advance(open_unit: Open, to: datetime) -> None:
    with open_unit() as ctx:
        test_clock.advance(ctx, to)


def shown(open_unit: Open) -> tuple[datetime, str, str | None]:
    with open_unit() as ctx:
        row = test_clock.get(ctx)
        return row.now, row.status, row.detail


@contextmanager
def counted(house: House, word: str) -> Iterator[list[str]]:
    """The statements with a word in them that are executed meanwhile."""
    found: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if word in statement:
            found.append(statement)

    event.listen(house.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(house.engine, "before_cursor_execute", note)


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


def test_the_clock_stands_at_each_full_hour_until_the_agents_have_come_there(open_unit: Open, world: World) -> None:
    asked: list[datetime] = []
    here = SANDBOX_NOW

    def lagging(_: Context, instant: datetime) -> Sequence[str]:
        nonlocal here
        if instant <= here:
            return ()
        asked.append(instant)
        if asked.count(instant) > 3:
            here = instant
        return ("north",)

    world.lagging = lagging
    advance(open_unit, at(15, 5, 30))
    world.drive().run()
    assert sorted(set(asked)) == [at(15, hour) for hour in range(1, 7)]
    assert world.passed_over == []
    assert shown(open_unit) == (at(15, 5, 30), "ready", None)


@dataclass
class Stopwatch:
    """Time that passes only while somebody sleeps."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_agents_are_not_looked_for_before_most_of_what_they_took_lately_has_passed(
    open_unit: Open, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, looks = Stopwatch(), dict[datetime, list[float]]()
    monkeypatch.setattr(clock, "time", watch)
    began: dict[datetime, float] = {}

    def lagging(_: Context, instant: datetime) -> Sequence[str]:
        """They take 80 ms for each hour, from when the clock stands there."""
        if shown(open_unit)[0] == instant:
            looks.setdefault(instant, []).append(watch.seconds - began.setdefault(instant, watch.seconds))
        return () if looks.get(instant, [0.0])[-1] >= 0.08 else ("north",)

    world.lagging = lagging
    advance(open_unit, at(15, 3))
    world.drive().run()
    assert world.passed_over == []
    assert len(looks[at(15)]) > 8  # nobody knows yet
    for hour in (1, 2, 3):
        assert looks[at(15, hour)][1] == pytest.approx(looks[at(15, hour - 1)][-1] * 3 / 4)
        assert len(looks[at(15, hour)]) < 6
        assert looks[at(15, hour)][-1] < 0.1


def test_a_slow_hour_does_not_keep_the_next_one_waiting() -> None:
    assert clock.until_next_look(0.0, lately=10.0) == clock.LOOK_SECONDS_MAX
    assert clock.until_next_look(0.3, lately=10.0) == clock.until_next_look(0.3, lately=0.0) <= 0.025


def test_agents_that_do_not_come_are_passed_over_and_the_clock_says_so(
    open_unit: Open, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "WAIT_SECONDS", 0.2)
    world.lagging = lambda _, __: () if world.passed_over else ("north",)
    advance(open_unit, at(15, 3))
    world.drive().run()
    assert world.passed_over == [at(15)]
    now, status, detail = shown(open_unit)
    assert (now, status) == (at(15, 3), "ready")
    assert "agents: north" in (detail or "")


def test_a_driver_that_is_told_to_end_passes_nobody_over_and_the_next_one_waits(
    open_unit: Open, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a whole server is stopped, its agents cannot report: that is no fault of theirs."""
    told = threading.Event()
    monkeypatch.setattr("jobs.ending.TOLD", told)
    here = [SANDBOX_NOW]

    def lagging(_: Context, instant: datetime) -> Sequence[str]:
        if shown(open_unit)[0] == instant:
            if instant == at(15, 2):
                told.set()
            else:
                here[0] = max(here[0], instant)
        return ("north",) if instant > here[0] else ()

    world.lagging = lagging
    advance(open_unit, at(15, 3))
    assert not world.drive().run()
    assert shown(open_unit)[:2] == (at(15, 2), "advancing")
    told.clear()
    here[0] = at(15, 9)
    assert world.drive().run()
    assert world.passed_over == []
    assert shown(open_unit) == (at(15, 3), "ready", None)


def test_an_hour_in_which_nothing_falls_due_asks_once_what_is_due(house: House, open_unit: Open, world: World) -> None:
    """However many kinds there are, and although everything but the last is still to come."""
    here = [SANDBOX_NOW]

    def lagging(_: Context, instant: datetime) -> Sequence[str]:
        now = shown(open_unit)[0]
        here[0] = max(here[0], min(instant, now))
        return ("north",) if instant > here[0] else ()

    world.lagging = lagging
    put_down(open_unit, "first", at(15, 9))
    put_down(open_unit, "second", at(18))
    advance(open_unit, at(15, 8))
    with counted(house, "due_at") as asked:
        world.drive().run()
    assert len(asked) == 9  # where it began, and at eight hours
    assert world.done == []
    assert shown(open_unit) == (at(15, 8), "ready", None)


def test_what_makes_no_progress_does_not_hide_what_comes_after_it_of_any_kind(open_unit: Open, world: World) -> None:
    for kind in ("first", "second"):
        world.acts[put_down(open_unit, kind, at(16))] = lambda _, __: None
    second, first = put_down(open_unit, "second", at(17)), put_down(open_unit, "first", at(18, 7))
    advance(open_unit, at(20))
    world.drive().run()
    assert [(each, when) for _, each, when in world.done if each in (first, second)] == [
        (second, at(17)),
        (first, at(18, 7)),
    ]


def test_the_first_of_each_kind_is_told_whether_it_is_overdue_or_to_come(
    house: House, open_unit: Open, world: World
) -> None:
    kinds = world.drive().kinds
    put_down(open_unit, "first", at(17))
    put_down(open_unit, "first", at(12))
    with dispatch(within=house) as session:
        assert first_due(session, kinds, world.provider_id) == {"first": at(12)}
        assert first_due(session, kinds, make_provider(house)) == {}
    put_down(open_unit, "second", at(30))
    with dispatch(within=house) as session:
        assert first_due(session, kinds, world.provider_id) == {"first": at(12), "second": at(30)}


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
