"""Percentiles and peaks of what registers counted: gaps, several ports, exchanges, estimates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.counting import Counting
from billing.metered import NOTHING
from billing.metering.aggregations.protocol import Reduced
from billing.metering.meters import parse_aggregation
from billing.metering.slots import SlotRequest
from core.period import Period
from services.context import Context
from services.usage_sent import SentReading
from stores.usage import slots_many
from tests.builders.metering import Metered, a_metered_point, a_point, an_event, assign, read, send, take

DAY = datetime(2026, 1, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MEGABIT = 300 * 10**6 // 8  # octets of a five-minute slot at 1 Mbit/s


def at(minutes: float) -> datetime:
    return DAY + minutes * MINUTE


def reduced(ctx: Context, metered: Metered, kind: str, minutes: int, unit: str = "", **members: Any) -> Reduced:
    """What the first minutes of the day come to."""
    unit = unit or {"percentile": "octets", "demand": "kWh"}[kind]
    aggregation = parse_aggregation(kind, members, unit)
    span = Period(DAY, at(minutes))
    request = SlotRequest(
        item_id=metered.item,
        subscription_id=metered.subscription.id,
        meter_id=metered.plan.meter_id,
        unit=unit,
        edges=Counting(NOTHING, aggregation, "UTC").edges(span),
        parts=aggregation.parts,
        registers=aggregation.registers,
        dimensions=aggregation.dimensions,
        carried=aggregation.carried,
    )
    usage = slots_many(ctx.session, ctx.provider.id, [request], now=at(24 * 60))[request]
    points = sum((point.quality.total for point in usage.evidence.points), usage.evidence.event_quantity)
    assert points == sum(slot.sum for slot in usage.slots) == usage.quality.total
    return aggregation.reduce(usage.slots)


def polls(point: Any, rates: Iterable[int], way: str = "in", serial: str = "SW1", origin: int = 7) -> list[SentReading]:
    """A port polled every five minutes, in Mbit/s between polls."""
    value, found = origin, []
    for i, rate in enumerate([0, *rates]):
        value += rate * MEGABIT
        found.append(read(point, at(5 * i), str(value), register=f"{way}_octets", unit="octets", serial=serial))
    return found


def a_port(ctx: Context) -> Metered:
    return a_metered_point(ctx, path="switch-1/port-7")


def test_the_top_five_per_cent_of_the_samples_are_free(ctx: Context) -> None:
    metered = a_port(ctx)
    take(ctx, *polls(metered.point, [100, *[10] * 19]), *polls(metered.point, [10, 100, *[10] * 18], "out"))
    by_direction = {
        "in": 10,
        "out": 10,
        "larger_of_percentiles": 10,
        "percentile_of_larger": 100,
        "percentile_of_sum": 110,
    }
    for direction, expected in by_direction.items():
        found = reduced(ctx, metered, "percentile", 100, direction=direction)
        assert (found.quantity, found.flags, found.notes["samples"]) == (expected, (), 20), direction


def test_a_gap_is_filled_from_a_counter_that_went_on(ctx: Context) -> None:
    """An hour without polls in which 45e9 octets flowed is twelve samples of 100 Mbit/s, not one of 1.2 Gbit/s."""
    metered = a_port(ctx)
    start = polls(metered.point, [10] * 4)
    value = 7 + 40 * MEGABIT + 45 * 10**9
    after = [
        read(
            metered.point,
            at(80 + 5 * i),
            str(value + 10 * i * MEGABIT),
            register="in_octets",
            unit="octets",
            serial="SW1",
        )
        for i in range(5)
    ]
    take(ctx, *start, *after)
    found = reduced(ctx, metered, "percentile", 100, direction="in")
    assert (found.quantity, found.flags, found.notes["samples"]) == (100, (), 20)
    assert reduced(ctx, metered, "percentile", 100, direction="in", percentile="40").quantity == 10


def test_slots_without_a_counter_that_went_on_are_no_samples(ctx: Context) -> None:
    metered = a_port(ctx)
    first = polls(metered.point, [10] * 10)
    later = [
        read(
            metered.point, at(60 + 5 * i), str(5 + 100 * i * MEGABIT), register="in_octets", unit="octets", serial="SW2"
        )
        for i in range(9)
    ]
    take(ctx, *first, *later)
    found = reduced(ctx, metered, "percentile", 100, direction="in")
    assert (found.notes["samples"], found.notes["slots"]) == (18, 20)
    assert (found.quantity, found.flags) == (100, ("low_coverage",))


def test_two_polls_that_failed_are_filled_from_the_counter(ctx: Context) -> None:
    metered = a_port(ctx)
    take(ctx, *[r for i, r in enumerate(polls(metered.point, [*[10] * 19, 100])) if i not in (2, 4)])
    found = reduced(ctx, metered, "percentile", 100, direction="in")
    assert (found.quantity, found.flags, found.notes["samples"]) == (10, (), 20)


def test_more_octets_than_a_float_can_count_stay_exact(ctx: Context) -> None:
    metered = a_port(ctx)
    octets = 2**53 + 1
    ends = [(0, 0), (5, octets)]
    take(ctx, *[read(metered.point, at(m), str(v), register="in_octets", unit="octets") for m, v in ends])
    found = reduced(ctx, metered, "percentile", 5, direction="in")
    assert found.quantity == Decimal("240191980.126426480000")  # 9007199254740993 x 8 / 300 / 10^6


def test_ports_are_added_slot_by_slot_and_a_port_that_is_not_known_spoils_the_slot(ctx: Context) -> None:
    metered = a_port(ctx)
    other = a_point(ctx, "switch-2/port-7")
    assign(ctx, other, metered.subscription, datetime(2026, 1, 1, tzinfo=UTC))
    take(ctx, *polls(metered.point, [10, 20, 30, 40]), *polls(other, [3, 2, 1]))
    found = reduced(ctx, metered, "percentile", 20, direction="in", percentile="100")
    assert (found.quantity, found.notes["samples"], found.flags) == (31, 3, ("low_coverage",))


def test_polls_between_the_slots_are_cut_at_them(ctx: Context) -> None:
    metered = a_port(ctx)
    readings = [
        read(metered.point, at(5 * i + 2), str(20 * i * MEGABIT), register="in_octets", unit="octets") for i in range(6)
    ]
    take(ctx, *readings)
    found = reduced(ctx, metered, "percentile", 30, direction="in")
    assert (found.quantity, found.notes["samples"], found.notes["slots"]) == (20, 4, 6)


def energy(point: Any, *steps: str, minutes: int = 5, serial: str = "ZA20") -> list[SentReading]:
    value, found = Decimal(1000), [read(point, DAY, "1000", serial=serial)]
    for i, step in enumerate(steps):
        value += Decimal(step)
        found.append(read(point, at(minutes * (i + 1)), str(value), serial=serial))
    return found


def test_demand_is_the_highest_mean_power_of_a_window(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *energy(metered.point, "0.5", "1.5", "1.5", "0.5", "0.1", "0.1"))
    assert reduced(ctx, metered, "demand", 30).quantity == 14
    assert reduced(ctx, metered, "demand", 30, window_minutes=15, sliding_by_minutes=5).quantity == 14
    assert reduced(ctx, metered, "demand", 30, window_minutes=30).quantity == Decimal("8.4")
    assert reduced(ctx, metered, "demand", 30, unit="Wh").quantity == 14


def test_a_window_with_an_estimate_in_it_is_no_peak(ctx: Context) -> None:
    """A swap whose gap is estimated at the last rate, 20 kW."""
    metered = a_metered_point(ctx)
    take(ctx, *energy(metered.point, "1", "1", "5", minutes=15))
    later = [read(metered.point, at(60 + 15 * i), str(Decimal(50) + i), serial="ZB30") for i in range(3)]
    take(ctx, *later)
    found = reduced(ctx, metered, "demand", 90)
    assert (found.quantity, found.notes["windows"], found.notes["excluded"]) == (20, 6, 1)
    assert found.flags == ("estimated_excluded",)
    beside = reduced(ctx, metered, "demand", 90, window_minutes=30)
    assert (beside.quantity, beside.notes["excluded"]) == (4, 1)


def test_a_window_that_nobody_read_is_no_peak_and_no_zero(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *energy(metered.point, "1", "2", minutes=15))
    found = reduced(ctx, metered, "demand", 60)
    assert (found.quantity, found.flags, found.notes["excluded"]) == (8, ("missing_excluded",), 2)


def test_events_and_registers_add_up_within_a_window(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *energy(metered.point, "1", "2", minutes=15))
    send(ctx, [an_event(metered, "e1", at(3), "5")])
    assert reduced(ctx, metered, "demand", 30).quantity == 24


def test_a_register_that_counts_from_within_a_slot_on_counts_from_there(ctx: Context) -> None:
    metered = a_metered_point(ctx, end=at(20))
    take(ctx, *energy(metered.point, "1", "3", minutes=15))
    assert (
        reduced(ctx, metered, "demand", 30).quantity == 4
    )  # a third of 3 kWh is 1 kWh in what it counts of the window
