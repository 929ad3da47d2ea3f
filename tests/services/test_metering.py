"""Readings on the real database: what is stored, what it means, and what does not change whatever comes again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text

from billing.metering.quality import Shares
from billing.metering.slots import Slot, SlotRequest, Usage
from core.ids import encode
from models.outbox import OutboxEvent
from models.places import Anomaly, Device, Epoch
from models.usage import Interval, ReadingQuarantine
from services.context import Context
from services.usage_sent import SentReading
from stores.usage import slots_many
from tests.builders.metering import Metered, a_metered_point, a_point, an_event, assign, hourly, read, send, take
from tests.conftest import Open

DAY = datetime(2026, 1, 10, tzinfo=UTC)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def usage_of(ctx: Context, metered: Metered, *edges: datetime, now: datetime = JANUARY) -> Usage:
    """What the readings say; up to `now` also what is estimated after the last."""
    request = SlotRequest(
        metered.item, metered.subscription.id, metered.plan.meter_id, "kWh", edges or (JANUARY, FEBRUARY)
    )
    return slots_many(ctx.session, ctx.provider.id, [request], now=now)[request]


def total(ctx: Context, metered: Metered, *edges: datetime) -> Shares:
    return usage_of(ctx, metered, *edges).quality


def rows(ctx: Context, table: type[Any]) -> Sequence[Any]:
    return ctx.session.scalars(select(table).where(table.provider_id == ctx.provider.id)).all()


def test_hourly_readings_become_what_the_meter_counted(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    receipt = take(ctx, *hourly(metered.point, DAY, ["100", "101.5", "103.5"]))
    assert (receipt.accepted, receipt.duplicates, receipt.rejected) == (3, 0, [])
    assert total(ctx, metered) == Shares(measured=Decimal("3.5"))
    first, second = usage_of(ctx, metered, DAY, DAY + HOUR, DAY + 2 * HOUR).slots
    assert (first.sum, second.sum) == (Decimal("1.5"), Decimal("2"))


def test_an_instant_with_an_offset_is_the_instant_it_is(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    new_year = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))  # still December in UTC
    receipt = take(ctx, read(metered.point, new_year, "100"), read(metered.point, new_year + 2 * HOUR, "104"))
    assert receipt.accepted == 2
    assert total(ctx, metered, JANUARY, FEBRUARY) == Shares(interpolated=Decimal(1))
    assert send(ctx, [an_event(metered, "e1", new_year, "1")]).accepted == 1


def test_a_batch_sent_twice_counts_once(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    readings = hourly(metered.point, DAY, ["100", "101.5", "103.5"])
    take(ctx, *readings)
    receipt = take(ctx, *readings, *readings)
    assert (receipt.accepted, receipt.duplicates) == (0, 6)
    assert total(ctx, metered) == Shares(measured=Decimal("3.5"))


def test_the_same_value_in_another_unit_is_the_same_reading(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, read(metered.point, DAY, "100"))
    receipt = take(
        ctx, read(metered.point, DAY, "100000", unit="Wh"), read(metered.point, DAY + HOUR, "0.102", unit="MWh")
    )
    assert (receipt.accepted, receipt.duplicates) == (1, 1)
    assert total(ctx, metered) == Shares(measured=Decimal(2))


def test_a_conflicting_value_is_kept_aside_and_the_first_counts(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *hourly(metered.point, DAY, ["100", "101"]))
    receipt = take(ctx, read(metered.point, DAY + HOUR, "107"), read(metered.point, DAY + 2 * HOUR, "102"))
    assert (receipt.accepted, [r.code for r in receipt.rejected], receipt.rejected[0].index) == (
        1,
        ["reading_conflict"],
        0,
    )
    (kept,) = rows(ctx, ReadingQuarantine)
    assert (kept.cause, kept.value) == ("conflict", 107)
    assert [a.kind for a in rows(ctx, Anomaly)] == ["reading_conflict"]
    assert total(ctx, metered).measured == 2


def test_two_values_for_one_instant_in_one_batch_are_a_conflict(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    receipt = take(
        ctx, read(metered.point, DAY, "100"), read(metered.point, DAY, "101"), read(metered.point, DAY, "100")
    )
    assert (receipt.accepted, receipt.duplicates) == (1, 1)
    assert [(r.index, r.code) for r in receipt.rejected] == [(1, "reading_conflict")]


def test_a_swapped_pdu_with_a_higher_register_bills_the_estimate_and_not_the_difference(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *hourly(metered.point, DAY, ["499", "500"]))
    take(
        ctx,
        read(metered.point, DAY + 1.5 * HOUR, "5000", "ZB30"),
        read(metered.point, DAY + 2.5 * HOUR, "5001", "ZB30"),
    )
    usage = usage_of(ctx, metered)
    assert usage.quality == Shares(measured=Decimal(2), estimated=Decimal("0.5"))
    (point,) = usage.evidence.points
    (swap,) = point.breaks
    assert (swap.cause, swap.before.serial, swap.after.serial) == ("swap", "ZA20", "ZB30")
    assert (swap.naive_difference, swap.estimated) == (Decimal(4500), Decimal("0.5"))
    assert point.first is not None
    assert point.last is not None
    assert (point.first.value, point.last.value) == (499_000, 5_001_000)
    assert dict(point.intervals) == {"measured": 2, "estimated": 1}


def test_a_swap_is_told_to_people_and_to_programs(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *hourly(metered.point, DAY, ["499", "500"]), read(metered.point, DAY + 2 * HOUR, "7", "ZB30"))
    (anomaly,) = rows(ctx, Anomaly)
    assert (anomaly.kind, anomaly.status) == ("swap", "open")
    assert anomaly.evidence["naive_difference"] == "-493000"
    told = [e for e in rows(ctx, OutboxEvent) if e.type.startswith("meter.")]
    assert [(e.type, e.object_id) for e in told] == [("meter.swapped", anomaly.id)]
    hung = sorted(((d.serial, d.from_at, d.to_at) for d in rows(ctx, Device)), key=lambda d: d[1])
    assert hung == [("ZA20", DAY, DAY + 2 * HOUR), ("ZB30", DAY + 2 * HOUR, None)]


def test_a_restart_that_lost_the_counter_measures_since_the_restart(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(
        ctx,
        read(metered.point, DAY, "998.8", uptime_s="90000"),
        read(metered.point, DAY + HOUR, "1000", uptime_s="93600"),
    )
    take(ctx, read(metered.point, DAY + 2 * HOUR, "0.9", uptime_s="2700", boots=2))
    assert total(ctx, metered) == Shares(measured=Decimal("2.1"), estimated=Decimal("0.3"))
    assert [(e.start_at, e.cause, e.value) for e in rows(ctx, Epoch)][1:] == [(DAY + 1.25 * HOUR, "reboot", 0)]


def test_a_reset_by_a_person_is_seen_though_the_register_rose(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    earlier, then = datetime(2025, 12, 1, tzinfo=UTC), DAY + 1.5 * HOUR
    take(ctx, *hourly(metered.point, DAY, ["0.2", "1.2"], reset_at=earlier))
    take(ctx, read(metered.point, DAY + 2 * HOUR, "1.3", reset_at=then))
    assert total(ctx, metered) == Shares(measured=Decimal("2.3"), estimated=Decimal("0.5"))
    assert [a.kind for a in rows(ctx, Anomaly)] == ["reset"]


def test_a_fall_without_a_reason_is_estimated_and_both_amounts_are_kept(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *hourly(metered.point, DAY, ["98", "100", "3", "4"]))
    assert total(ctx, metered) == Shares(measured=Decimal(3), estimated=Decimal(2), invalid=Decimal(-97))
    assert [a.kind for a in rows(ctx, Anomaly)] == ["negative_step"]


def test_a_step_that_the_breaker_forbids_is_estimated(ctx: Context) -> None:
    metered = a_metered_point(ctx, rating={"current_a": "16", "voltage_v": "230"})
    take(ctx, *hourly(metered.point, DAY, ["98", "100", "600", "601"]))
    assert total(ctx, metered) == Shares(measured=Decimal(3), estimated=Decimal(2), invalid=Decimal(500))
    assert [a.kind for a in rows(ctx, Anomaly)] == ["spike"]


def test_a_late_reading_is_worked_in_and_its_doubt_explained_away(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *hourly(metered.point, DAY, ["10", "12", "5", "6"]))  # looks like a fall
    assert [a.kind for a in rows(ctx, Anomaly)] == ["negative_step"]
    take(ctx, read(metered.point, DAY + 1.5 * HOUR, "4.5", "ZB30"))
    ctx.session.expire_all()
    assert {(a.kind, a.status) for a in rows(ctx, Anomaly)} == {("negative_step", "resolved"), ("swap", "open")} | (
        {("swap", "open")}
    )
    assert total(ctx, metered).invalid == 0


def test_readings_out_of_order_come_to_the_same(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    for minutes, value in [(0, "100"), (10, "104"), (5, "102")]:
        take(ctx, read(metered.point, DAY + timedelta(minutes=minutes), value))
    assert [i.quantity for i in rows(ctx, Interval)] == [2000, 2000]
    assert total(ctx, metered) == Shares(measured=Decimal(4))


def test_a_gap_over_a_month_end_is_split_at_midnight_and_adds_up(open_unit: Open) -> None:
    midnight = JANUARY
    with open_unit() as ctx:
        metered = a_metered_point(ctx)
        take(ctx, read(metered.point, midnight - 2 * HOUR, "1000"), read(metered.point, midnight + 4 * HOUR, "1012"))
        # The point counts from January on: what flowed before belongs to nobody.
        assert total(ctx, metered) == Shares(interpolated=Decimal(8))
        other = a_metered_point(ctx)
        take(ctx, read(other.point, midnight + 22 * HOUR, "0"), read(other.point, midnight + 28 * HOUR, "12"))
        old, new = usage_of(ctx, other, midnight, midnight + 24 * HOUR, midnight + 48 * HOUR).slots
        assert (old.sum, new.sum) == (4, 8)
        assert total(ctx, other, midnight, midnight + 48 * HOUR) == Shares(measured=Decimal(12))


def test_a_gap_of_six_hours_is_interpolated_by_hour_and_measured_by_day(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, read(metered.point, DAY, "1000"), read(metered.point, DAY + 6 * HOUR, "1012"))
    slots = usage_of(ctx, metered, *(DAY + i * HOUR for i in range(7))).slots
    assert [s.quality for s in slots] == [Shares(interpolated=Decimal(2))] * 6
    assert total(ctx, metered, DAY, DAY + 24 * HOUR) == Shares(measured=Decimal(12))


def test_polls_off_the_hour_are_measured_where_nothing_is_cut(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    polls = [DAY + timedelta(minutes=57 + 60 * i) for i in range(30)]
    take(ctx, *(read(metered.point, at, str(100 + i)) for i, at in enumerate(polls)))
    assert total(ctx, metered) == Shares(measured=Decimal(29))
    shares = total(ctx, metered, DAY + 3 * HOUR, DAY + 27 * HOUR)
    assert shares.total == 24
    assert shares.interpolated == 1  # the two intervals at the edges, cut at 3 and 57 minutes


def test_a_point_that_changes_hands_bills_each_its_part(ctx: Context) -> None:
    noon = DAY + timedelta(hours=12, minutes=20)
    first = a_metered_point(ctx, end=noon)
    second = a_metered_point(ctx)
    assign(ctx, first.point, second.subscription, noon)
    take(ctx, read(first.point, DAY + 12 * HOUR, "100"), read(first.point, DAY + 13 * HOUR, "106"))
    assert total(ctx, first) == Shares(interpolated=Decimal(2))
    assert total(ctx, second) == Shares(interpolated=Decimal(4))


def test_readings_of_an_unknown_point_are_kept_and_the_rest_is_taken(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    lost = SentReading("rack-99/pdu-z", "active_energy", "kWh", DAY, "5")
    receipt = take(ctx, lost, read(metered.point, DAY, "100"), lost)
    assert receipt.accepted == 1
    assert [(r.index, r.code) for r in receipt.rejected] == [(0, "point_unknown"), (2, "point_unknown")]
    (kept,) = rows(ctx, ReadingQuarantine)
    assert (kept.cause, kept.point) == ("unknown_point", "rack-99/pdu-z")


def test_a_path_at_two_sites_needs_the_site(ctx: Context) -> None:
    one, _ = a_point(ctx, "rack-1/pdu"), a_point(ctx, "rack-1/pdu")
    code = ctx.session.execute(text("SELECT code FROM site WHERE id = :id"), {"id": one.site_id}).scalar_one()
    receipt = take(
        ctx,
        SentReading("rack-1/pdu", "active_energy", "kWh", DAY, "5"),
        SentReading(f"{code}/rack-1/pdu", "active_energy", "kWh", DAY, "5"),
    )
    assert (receipt.accepted, [r.code for r in receipt.rejected]) == (1, ["point_ambiguous"])


def test_what_is_no_reading_is_refused_by_its_index(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    p = metered.point
    receipt = take(
        ctx,
        read(p, DAY, "-1"),
        read(p, ctx.now + timedelta(minutes=6), "5"),
        read(p, ctx.now - timedelta(days=401), "5"),
        read(p, DAY, "1e3"),
        read(p, DAY, "100"),
        read(p, DAY + HOUR, "100", unit="GB"),
        read(p, DAY + HOUR, "99999999999999999999999999", unit="MWh"),
        read(p, ctx.now + timedelta(minutes=5), "101"),
    )
    assert receipt.accepted == 2
    assert [r.code for r in receipt.rejected] == [
        "no_reading",
        "ahead_of_clock",
        "too_late",
        "decimal_malformed",
        "unit_mismatch",
        "decimal_out_of_range",
    ]


def test_power_is_kept_as_a_level_and_never_billed(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    levels = [
        read(metered.point, DAY + i * HOUR, w, unit="W", register="active_power") for i, w in enumerate(["500", "300"])
    ]
    receipt = take(ctx, *levels)
    assert receipt.accepted == 2
    assert rows(ctx, Interval) == []
    assert rows(ctx, Anomaly) == []


def life(point: Any, chance: random.Random) -> list[SentReading]:
    """A register's month at random: mostly rising, with exchanges, restarts, resets and falls."""
    readings, value, serial, reset = [], 100.0, "ZA20", None
    for step in sorted(chance.sample(range(14 * 24 * 60), 40)):
        event = chance.random()
        value += chance.randint(0, 3000) / 1000
        if event < 0.06:
            serial, value = chance.choice(["ZB30", "ZC40"]), chance.randint(0, 90_000) / 1000
        elif event < 0.1:
            value = chance.randint(0, 50) / 1000
        elif event < 0.14:
            reset, value = DAY - 14 * 24 * HOUR + timedelta(minutes=step - 3), 0.01
        shown = None if chance.random() < 0.3 else serial
        at = JANUARY + timedelta(minutes=step)
        uptime = None if chance.random() < 0.5 else str(chance.randint(10, 90_000))
        readings.append(read(point, at, f"{value:.3f}", shown, uptime_s=uptime, reset_at=reset))
    return readings


DERIVED = (
    ("interval", "start_at, end_at, start_value, quantity, quality, step, metered", "true"),
    ("epoch", "start_at, value, cause, serial, serial_at, reset_at, reset_seen_at, evidence", "true"),
    (
        "register_hour",
        "hour, measured, interpolated, estimated, substituted, invalid, intervals",
        "(measured, interpolated, estimated, invalid, intervals) <> (0, 0, 0, 0, 0)",
    ),
)
HEAD = "reading_at, value, boots, uptime_s, serial, reset_at, rate_quantity, rate_seconds"
OF_POINT = (
    f"SELECT {HEAD} FROM register WHERE point_id = :point",
    "SELECT kind, at, status FROM anomaly WHERE point_id = :point AND status <> 'resolved' ORDER BY 2, 1",
)


def picture(ctx: Context, point: Any) -> list[Any]:
    """Everything derived of a point's register, without its id and without arrival times."""
    own = "register_id IN (SELECT id FROM register WHERE point_id = :point)"
    queries = [f"SELECT {names} FROM {table} WHERE {own} AND {some} ORDER BY 1" for table, names, some in DERIVED]
    return [ctx.session.execute(text(q), {"point": point.id}).all() for q in (*queries, *OF_POINT)]


def test_whatever_the_order_of_arrival_the_tables_end_up_the_same(open_unit: Open) -> None:
    for seed in range(12):
        chance = random.Random(seed)
        with open_unit() as ctx:
            straight, mixed = a_point(ctx), a_point(ctx)
            place = encode("point", mixed.id)
            script = life(straight, chance)
            take(ctx, *script)
            other = [SentReading(place, r.register, r.unit, r.at, r.value, r.evidence) for r in script]
            chance.shuffle(other)
            while other:
                size = chance.randint(1, 9)
                take(ctx, *other[:size], *other[: chance.randint(0, 2)])
                del other[:size]
            assert picture(ctx, mixed) == picture(ctx, straight), seed


def test_hours_and_cut_edges_add_up_to_the_intervals_wherever_slots_are_cut(open_unit: Open) -> None:
    for seed in range(20, 26):
        chance = random.Random(seed)
        with open_unit() as ctx:
            before = sum((i.quantity for i in rows(ctx, Interval)), Decimal(0))
            metered = a_metered_point(ctx)
            take(ctx, *life(metered.point, chance))
            whole = total(ctx, metered)
            billed = sum((i.quantity for i in rows(ctx, Interval)), Decimal(0))
            cuts = sorted(
                {JANUARY, FEBRUARY, *(JANUARY + timedelta(seconds=chance.randint(1, 15 * 86400)) for _ in range(9))}
            )
            slots: tuple[Slot, ...] = usage_of(ctx, metered, *cuts).slots
            assert sum((s.sum for s in slots), Decimal(0)) == whole.total
            assert sum((s.quality.invalid for s in slots), Decimal(0)) == whole.invalid
            assert whole.total == (billed - before) / 1000


def test_concurrent_copies_of_a_batch_count_once(open_unit: Open) -> None:
    with open_unit() as ctx:
        metered = a_metered_point(ctx)
    readings = hourly(metered.point, DAY, [str(100 + i) for i in range(40)])

    def deliver(part: list[SentReading]) -> tuple[int, int]:
        with open_unit() as ctx:
            receipt = take(ctx, *part)
            assert receipt.rejected == []
            return receipt.accepted, receipt.duplicates

    parts = [readings, readings[::-1], readings[:20], readings[20:], readings[10:30], readings]
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(deliver, parts))
    assert sum(accepted for accepted, _ in told) == 40
    assert sum(duplicates for _, duplicates in told) == sum(map(len, parts)) - 40
    with open_unit() as ctx:
        assert total(ctx, metered) == Shares(measured=Decimal(39))
