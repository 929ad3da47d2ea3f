"""Days are the sums of their hours, always: whatever comes late, and whoever sums or writes at the same moment."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.metering.slots import Part
from runtime.house import House
from services.context import Context
from stores.usage import _windows, backend
from stores.usage._windows import EventHours, Rows, rows_of
from tests.builders.metering import Metered, a_metered_point, an_event, read, send, take
from tests.builders.usage_days import begin_at, by_hours, days, days_by_hours, summed_until
from tests.conftest import Open, make_provider

FIRST = datetime(2026, 1, 3, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LAST_HOUR = 6 * 24
BOTH = frozenset({Part.MIN, Part.MAX})
HELD_SECONDS = 0.3


@pytest.fixture
def metered(open_unit: Open) -> Metered:
    """A point, a subscription and a meter of a provider whose first day is the third of January."""
    with open_unit() as ctx:
        begin_at(ctx, FIRST)
        return a_metered_point(ctx)


def sum_days(ctx: Context, ended: datetime) -> int:
    """Sum all days that had ended; how many there were."""
    count = 0
    while backend().sum_day(ctx.session, ctx.provider.id, ended) is not None:
        count += 1
    return count


minutes = st.integers(-24 * 60, LAST_HOUR * 60)
quantities = st.integers(-(10**6), 10**6).map(lambda n: f"{n / 1000:.3f}")
actions = st.lists(
    st.one_of(
        st.tuples(st.just("events"), st.lists(st.tuples(st.integers(0, 15), minutes, quantities), max_size=6)),
        st.tuples(st.just("readings"), st.lists(st.tuples(minutes, st.integers(0, 2000)), max_size=5)),
        st.tuples(st.just("rising"), st.lists(minutes, max_size=5)),
        st.tuples(st.just("sum"), st.integers(0, LAST_HOUR)),
        st.tuples(st.just("pass"), st.integers(0, LAST_HOUR)),
    ),
    min_size=4,
    max_size=12,
)
windows = st.lists(st.tuples(st.integers(-24, LAST_HOUR), st.integers(1, LAST_HOUR)), min_size=6, max_size=6)


def act(ctx: Context, metered: Metered, kind: str, what: Any) -> None:
    """One thing that happens, in a transaction of its own."""
    if kind == "events":
        send(ctx, [an_event(metered, f"{metered.item}-{n}", FIRST + m * MINUTE, q) for n, m, q in what])
    elif kind == "readings":
        take(ctx, *[read(metered.point, FIRST + m * MINUTE, str(value)) for m, value in what])
    elif kind == "rising":
        take(ctx, *[read(metered.point, FIRST + m * MINUTE, f"{5000 + m}") for m in what])
    elif kind == "sum":
        backend().sum_day(ctx.session, ctx.provider.id, FIRST + what * HOUR)
    else:
        backend().pass_empty_days(ctx.session, ctx.provider.id, FIRST + what * HOUR)


MINUTE = timedelta(minutes=1)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(actions, windows)
def test_days_and_the_hours_around_them_come_to_what_the_hours_come_to(
    house: House, open_unit: Open, happens: list[tuple[str, Any]], asked: list[tuple[int, int]]
) -> None:
    """Events late and sent twice, registers that rise, fall and are read late: replays take quantities away."""
    provider = make_provider(house)
    with open_unit(provider) as ctx:
        begin_at(ctx, FIRST)
        metered = a_metered_point(ctx)
    for kind, what in happens:
        with open_unit(provider) as ctx:
            act(ctx, metered, kind, what)
            assert days(ctx) == days_by_hours(ctx)
    with open_unit(provider) as ctx:
        for start, hours in asked:
            assert_told(ctx, metered, FIRST + start * HOUR, FIRST + (start + hours) * HOUR)


def assert_told(ctx: Context, metered: Metered, start: datetime, end: datetime) -> None:
    """What is read by days and hours is what hours alone tell."""
    registers, subscriptions = by_hours(ctx, "register", start, end), by_hours(ctx, "event", start, end)
    found = _windows.register_hours(ctx.session, ctx.provider.id, list(registers), start, end)
    assert {key: list(sums) for key, sums in found.items()} == registers
    wanted = EventHours(start, end, metered.plan.meter_id, BOTH)
    of_events = _windows.event_hours(ctx.session, ctx.provider.id, [metered.subscription.id], wanted)
    assert {key: list(sums) for key, sums in of_events.items()} == subscriptions


def test_a_month_of_amsterdam_is_read_as_thirty_days_and_twenty_four_hours() -> None:
    start, end = datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 1, 31, 23, tzinfo=UTC)
    midnight = start + HOUR
    assert rows_of(start, end, end) == [
        Rows("day", midnight, midnight + 30 * DAY),
        Rows("hour", start, midnight),
        Rows("hour", midnight + 30 * DAY, end),
    ]
    assert rows_of(midnight, midnight + 2 * DAY, end) == [Rows("day", midnight, midnight + 2 * DAY)]


def test_what_is_not_summed_is_read_by_hours() -> None:
    end = FIRST + 3 * DAY
    assert rows_of(FIRST, end, None) == [Rows("hour", FIRST, end)]
    assert rows_of(FIRST, end, FIRST) == [Rows("hour", FIRST, end)]
    assert rows_of(FIRST + HOUR, FIRST + DAY + HOUR, end) == [Rows("hour", FIRST + HOUR, FIRST + DAY + HOUR)]
    assert rows_of(FIRST, end, FIRST + DAY) == [Rows("day", FIRST, FIRST + DAY), Rows("hour", FIRST + DAY, end)]


def late_event(ctx: Context, metered: Metered) -> None:
    assert send(ctx, [an_event(metered, "late", FIRST + 3 * HOUR, "2.5")]).accepted == 1


def late_reading(ctx: Context, metered: Metered) -> None:
    assert take(ctx, read(metered.point, FIRST + 5 * HOUR, "30")).accepted == 1


Write = Callable[[Context, Metered], None]
writers = pytest.mark.parametrize("write", [late_event, late_reading], ids=["event", "reading"])


def begun(ctx: Context, metered: Metered) -> None:
    """A day with an event and two readings."""
    send(ctx, [an_event(metered, "first", FIRST + HOUR, "1")])
    take(ctx, read(metered.point, FIRST + HOUR, "10"), read(metered.point, FIRST + 9 * HOUR, "90"))


class Beside:
    """Work in a transaction of its own, on a thread of its own."""

    def __init__(self, open_unit: Open, work: Callable[[Context], Any]) -> None:
        self.found: list[Any] = []
        self._open_unit, self._work = open_unit, work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self._open_unit() as ctx:
            self.found.append(self._work(ctx))

    def waits(self) -> bool:
        self._thread.join(HELD_SECONDS)
        return self._thread.is_alive()

    def result(self) -> Any:
        self._thread.join(10)
        (found,) = self.found
        return found


@writers
def test_a_day_is_not_summed_before_those_who_write_to_it_are_done(
    open_unit: Open, metered: Metered, write: Write
) -> None:
    with open_unit() as ctx:
        begun(ctx, metered)
    with open_unit() as writer:
        write(writer, metered)
        job = Beside(open_unit, lambda ctx: backend().sum_day(ctx.session, ctx.provider.id, FIRST + DAY))
        assert job.waits()
    assert job.result() == 2
    with open_unit() as ctx:
        assert summed_until(ctx) == FIRST + DAY
        assert len(days(ctx)) == 2
        assert days(ctx) == days_by_hours(ctx)


@writers
def test_what_comes_while_its_day_is_being_summed_is_added_to_the_sums(
    open_unit: Open, metered: Metered, write: Write
) -> None:
    with open_unit() as ctx:
        begun(ctx, metered)
    with open_unit() as job:
        backend().sum_day(job.session, job.provider.id, FIRST + DAY)
        before = days(job)
        writer = Beside(open_unit, lambda ctx: write(ctx, metered))
        assert writer.waits()
    writer.result()
    with open_unit() as ctx:
        assert days(ctx) == days_by_hours(ctx) != before


def test_what_comes_for_today_does_not_wait_for_a_day_that_is_being_summed(open_unit: Open, metered: Metered) -> None:
    with open_unit() as job:
        backend().sum_day(job.session, job.provider.id, FIRST + DAY)
        today = Beside(open_unit, lambda ctx: send(ctx, [an_event(metered, "today", FIRST + DAY, "1")]))
        assert today.result().accepted == 1


def test_a_job_that_is_killed_leaves_nothing_and_is_done_again(open_unit: Open, metered: Metered) -> None:
    with open_unit() as ctx:
        begun(ctx, metered)
    with pytest.raises(SystemExit), open_unit() as ctx:
        sys.exit(sum_days(ctx, FIRST + 3 * DAY))
    with open_unit() as ctx:
        assert (summed_until(ctx), days(ctx)) == (FIRST, [])
        assert sum_days(ctx, FIRST + 3 * DAY) == 3
        assert sum_days(ctx, FIRST + 3 * DAY) == 0
        assert summed_until(ctx) == FIRST + 3 * DAY
        assert len(days(ctx)) == 2
        assert days(ctx) == days_by_hours(ctx)


def test_a_second_job_finds_the_first_at_work_and_leaves(open_unit: Open, metered: Metered) -> None:
    with open_unit() as first:
        assert backend().sum_day(first.session, first.provider.id, FIRST + DAY) == 0
        with open_unit() as second:
            assert backend().sum_day(second.session, second.provider.id, FIRST + DAY) is None
            backend().pass_empty_days(second.session, second.provider.id, FIRST + DAY)
        assert summed_until(first) == FIRST + DAY


def test_a_day_that_has_not_ended_is_not_summed(open_unit: Open, metered: Metered) -> None:
    with open_unit() as ctx:
        assert backend().sum_day(ctx.session, ctx.provider.id, FIRST + DAY - HOUR) is None
        backend().pass_empty_days(ctx.session, ctx.provider.id, FIRST + DAY - HOUR)
        assert summed_until(ctx) == FIRST


def test_empty_days_are_passed_over_up_to_the_first_that_has_something(open_unit: Open, metered: Metered) -> None:
    with open_unit() as ctx:
        send(ctx, [an_event(metered, "first", FIRST + 9 * DAY + HOUR, "1")])
    with open_unit() as ctx:
        backend().pass_empty_days(ctx.session, ctx.provider.id, FIRST + 300 * DAY)
        assert summed_until(ctx) == FIRST + 9 * DAY
        assert sum_days(ctx, FIRST + 10 * DAY) == 1
        backend().pass_empty_days(ctx.session, ctx.provider.id, FIRST + 300 * DAY + HOUR)
        assert summed_until(ctx) == FIRST + 300 * DAY
        assert days(ctx) == days_by_hours(ctx) != []


def test_no_day_is_passed_over_while_somebody_may_be_writing_to_it(open_unit: Open, metered: Metered) -> None:
    with open_unit() as writer:
        send(writer, [an_event(metered, "first", FIRST + 4 * DAY, "1")])
        with open_unit() as job:
            backend().pass_empty_days(job.session, job.provider.id, FIRST + 9 * DAY)
            assert summed_until(job) == FIRST


def test_days_of_one_provider_are_summed_without_those_of_another(
    open_unit: Open, house: House, metered: Metered
) -> None:
    other = make_provider(house)
    with open_unit(other) as ctx:
        begin_at(ctx, FIRST)
        begun(ctx, a_metered_point(ctx))
    with open_unit() as ctx:
        begun(ctx, metered)
        assert sum_days(ctx, FIRST + DAY) == 1
    with open_unit(other) as ctx:
        assert (summed_until(ctx), days(ctx)) == (FIRST, [])
        assert sum_days(ctx, FIRST + DAY) == 1
        assert len(days(ctx)) == 2
        assert days(ctx) == days_by_hours(ctx)


def test_a_sandbox_whose_clock_was_set_back_is_summed_as_usage_comes(open_unit: Open, metered: Metered) -> None:
    with open_unit() as ctx:
        begin_at(ctx, FIRST + 300 * DAY)
        begun(ctx, metered)
        assert len(days(ctx)) == 2
        assert days(ctx) == days_by_hours(ctx)
