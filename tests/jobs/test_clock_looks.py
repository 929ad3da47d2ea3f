"""What a sandbox's clock looks for at each instant: agents that have to come along, and what falls due."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pytest

from jobs import clock
from jobs.finding import first_due
from runtime.house import House
from runtime.unit import dispatch
from services.context import Context
from tests.builders.clock import World, advance, at, put_down, shown
from tests.builders.statements import statements
from tests.conftest import SANDBOX_NOW, Open, make_provider


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
    with statements(house) as seen:
        world.drive().run()
    assert len([statement for statement in seen if "due_at" in statement]) == 9  # where it began, and at eight hours
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
