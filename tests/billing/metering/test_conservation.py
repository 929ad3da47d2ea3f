"""Nothing is lost and nothing is invented, however intervals are cut and in whatever order readings come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.metering.cuts import hourly, part, rollup
from billing.metering.intervals import Epoch, Interval, Replay, replay
from billing.metering.late import Window, rework
from billing.metering.quality import NONE, Quality, Shares
from billing.metering.readings import Limits, Rate, Reading, seconds
from billing.metering.steps import Step

START = datetime(2026, 1, 31, 21, 17, tzinfo=UTC)
LIMITS = Limits(Rate(Decimal(90_000), Decimal(3600)), Decimal(1))

MODULUS = Decimal(1_000_001)

evidence = st.fixed_dictionaries(
    {
        "serial": st.sampled_from([None, None, "A1", "A1", "A1", "B2"]),
        "boots": st.sampled_from([None, 1, 1, 2]),
        "uptime_s": st.sampled_from([None, Decimal(60), Decimal(500), Decimal(90_000)]),
        "reset_at": st.sampled_from([None, None, START, START, START + timedelta(hours=3)]),
        "modulus": st.sampled_from([None, None, MODULUS]),
    }
)
values = st.decimals(0, 10**6, places=3)


@st.composite
def registers(draw: st.DrawFn) -> list[Reading]:
    """A register's life: mostly rising, now and then anything."""
    moments = draw(st.lists(st.integers(0, 72 * 3600), min_size=1, max_size=14, unique=True))
    readings, value = [], draw(values)
    for moment in sorted(moments):
        rises = draw(st.booleans()) or draw(st.booleans())
        value = value + draw(st.decimals(0, 5000, places=3)) if rises else draw(values)
        readings.append(Reading(START + timedelta(seconds=moment), value, **draw(evidence)))
    return readings


def total(intervals: list[Interval]) -> Decimal:
    return sum((i.quantity for i in intervals), Decimal(0))


@given(registers())
def test_the_intervals_of_an_epoch_add_up_to_its_last_register_less_its_first(readings: list[Reading]) -> None:
    result = replay(None, readings, LIMITS)
    starts = [e.start for e in result.epochs] + [datetime.max.replace(tzinfo=UTC)]
    for epoch, following in zip(result.epochs, starts[1:], strict=True):
        inside = [i for i in result.intervals if epoch.start <= i.start and i.end <= following]
        refused = [i for i in inside if i.step is Step.SPIKE or (i.step is Step.AMBIGUOUS and (i.metered or 0) >= 0)]
        counted = [i for i in inside if i.quality is Quality.MEASURED] + refused
        metered = sum((i.quantity if i.metered is None else i.metered for i in counted), Decimal(0))
        last = [r for r in readings if epoch.start <= r.at < following]
        unwrapped = MODULUS * sum(1 for i in inside if i.step is Step.ROLLOVER)
        assert metered == (last[-1].value + unwrapped - epoch.value if last else 0)


@given(registers())
def test_intervals_lie_end_to_end_from_the_first_reading_to_the_last(readings: list[Reading]) -> None:
    intervals = replay(None, readings, LIMITS).intervals
    edges = [readings[0].at, *(i.end for i in intervals)]
    assert [i.start for i in intervals] == edges[:-1]
    assert edges[-1] == readings[-1].at


@given(registers(), st.lists(st.integers(0, 72 * 3600), max_size=8, unique=True))
def test_pieces_add_up_to_the_interval_wherever_it_is_cut(readings: list[Reading], cuts: list[int]) -> None:
    for interval in replay(None, readings, LIMITS).intervals:
        edges = sorted({interval.start, interval.end, *(START + timedelta(seconds=c) for c in cuts)})
        pieces = [part(interval, a, b) for a, b in pairwise(edges)]
        assert sum(pieces, NONE).total == interval.quantity
        assert sum(pieces, NONE).invalid == (interval.metered or 0)
        assert sum((s for _, s in hourly(interval)), NONE).total == interval.quantity


@given(registers())
def test_a_fall_is_never_billed_as_a_negative_quantity(readings: list[Reading]) -> None:
    assert all(i.quantity >= 0 for i in replay(None, readings, LIMITS).intervals)


def test_a_gap_over_six_hours_is_measured_in_total_and_interpolated_by_hour() -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    readings = [Reading(midnight, Decimal(1_000_000)), Reading(midnight + timedelta(hours=6), Decimal(1_012_000))]
    (gap,) = replay(None, readings).intervals
    assert gap.quality is Quality.MEASURED
    assert [s for _, s in hourly(gap)] == [Shares(interpolated=Decimal(2000))] * 6


def test_a_gap_over_a_month_end_gives_each_month_its_part() -> None:
    evening = datetime(2026, 1, 31, 22, tzinfo=UTC)
    readings = [Reading(evening, Decimal(1_000_000)), Reading(evening + timedelta(hours=6), Decimal(1_012_000))]
    (gap,) = replay(None, readings).intervals
    month_end = evening + timedelta(hours=2)
    old, new = part(gap, evening, month_end), part(gap, month_end, gap.end)
    assert (old.interpolated, new.interpolated, old.total + new.total) == (4000, 8000, 12000)


def test_a_point_that_changes_hands_at_noon_gives_both_customers_what_the_meter_counted() -> None:
    read_at = datetime(2026, 3, 10, 11, 58, 20, tzinfo=UTC)
    readings = [Reading(read_at, Decimal("0.1")), Reading(read_at + timedelta(minutes=7), Decimal("0.3"))]
    (interval,) = replay(None, readings).intervals
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    before, after = part(interval, read_at, noon), part(interval, noon, interval.end)
    assert before.total + after.total == Decimal("0.2")


class Shelf:
    """A register's rows, kept in memory as the store keeps them in tables."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.intervals: list[Interval] = []
        self.epochs: dict[datetime, Epoch] = {}
        self.hours: dict[datetime, Shares] = {}

    def take(self, new: list[Reading]) -> None:
        first, last = min(r.at for r in new), max(r.at for r in new)
        self.readings = sorted([*self.readings, *new], key=lambda r: r.at)
        horizon = next((i.start for i in self.intervals if i.step is Step.NORMAL and i.start >= last), None)
        result = rework(self.window(first, horizon), LIMITS)
        if result is None:
            horizon = None
            result = rework(self.window(first, None), LIMITS)
        assert result is not None
        self.put(self.before(first), horizon, result)

    def before(self, first: datetime) -> Reading | None:
        return next((r for r in reversed(self.readings) if r.at < first), None)

    def epoch_at(self, at: datetime) -> Epoch:
        return self.epochs[max(s for s in self.epochs if s <= at)]

    def window(self, first: datetime, horizon: datetime | None) -> Window:
        before = self.before(first)
        readings = [r for r in self.readings if r.at >= first and (not horizon or r.at <= horizon)]
        running = self.epoch_at(horizon) if horizon else None
        if before is None:
            return Window(None, None, None, readings, running)
        done = [i for i in self.intervals if i.end <= before.at and i.quality is Quality.MEASURED]
        rate = Rate(done[-1].quantity, seconds(done[-1].end - done[-1].start)) if done else None
        return Window(before, self.epoch_at(before.at), rate, readings, running)

    def put(self, before: Reading | None, horizon: datetime | None, result: Replay) -> None:
        start = before.at if before else datetime.min.replace(tzinfo=UTC)
        end = horizon or datetime.max.replace(tzinfo=UTC)
        gone = [i for i in self.intervals if start <= i.start < end]
        kept = [i for i in self.intervals if not start <= i.start < end]
        self.intervals = sorted([*kept, *result.intervals], key=lambda i: i.start)
        for hour, shares in rollup(result.intervals, gone).items():
            self.hours[hour] = self.hours.get(hour, NONE) + shares
        self.epochs = {s: e for s, e in self.epochs.items() if not start < s <= end}
        self.epochs.update({e.start: e for e in result.epochs})


@settings(max_examples=200)
@given(registers(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_the_order_in_which_readings_arrive_changes_nothing(readings: list[Reading], chance: object, size: int) -> None:
    arrived = list(readings)
    chance.shuffle(arrived)  # type: ignore[attr-defined]
    shelf = Shelf()
    for i in range(0, len(arrived), size):
        shelf.take(sorted(arrived[i : i + size], key=lambda r: r.at))
    whole = replay(None, readings, LIMITS)
    assert shelf.intervals == whole.intervals
    assert {h: s for h, s in shelf.hours.items() if s != NONE} == rollup(whole.intervals)
    assert sorted(shelf.epochs.values(), key=lambda e: e.start) == list({e.start: e for e in whole.epochs}.values())
