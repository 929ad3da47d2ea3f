"""Readings that cannot be believed though no counter fell without a reason: told to people, held, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from billing.metering.quality import Shares
from billing.metering.slots import SlotRequest
from models.outbox import OutboxEvent
from models.places import Anomaly
from models.usage import ReadingQuarantine
from services import metering_doubts
from services.context import Context
from stores.usage import slots_many
from tests.builders.metering import Metered, a_metered_point, hourly, read, take

DAY = datetime(2026, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIVE = timedelta(minutes=5)


def total(ctx: Context, metered: Metered, unit: str = "kWh") -> Shares:
    """What the readings say of January."""
    edges = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    request = SlotRequest(metered.item, metered.subscription.id, metered.plan.meter_id, unit, edges)
    return slots_many(ctx.session, ctx.provider.id, [request], now=edges[0])[request].quality


def anomalies(ctx: Context) -> Sequence[Anomaly]:
    return ctx.session.scalars(
        select(Anomaly).where(Anomaly.provider_id == ctx.provider.id).order_by(Anomaly.at, Anomaly.id)
    ).all()


def kinds(ctx: Context) -> list[str]:
    return [anomaly.kind for anomaly in anomalies(ctx)]


def test_a_register_that_wraps_is_unwrapped_by_the_modulus_that_its_device_tells(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(
        ctx,
        read(metered.point, DAY, "16777210", modulus="16777216"),
        read(metered.point, DAY + HOUR, "4", modulus="16777216"),
        read(metered.point, DAY + 2 * HOUR, "5", modulus="16777216"),
    )
    assert total(ctx, metered) == Shares(measured=Decimal(11))
    assert kinds(ctx) == []


def test_it_is_unwrapped_too_when_readings_come_one_by_one_and_late(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    wh = {"unit": "Wh", "modulus": "4294967296"}
    for minutes, value in ((0, "4294960000"), (10, "5100"), (5, "5000"), (15, "5200")):
        take(ctx, read(metered.point, DAY + timedelta(minutes=minutes), value, **wh))
    assert total(ctx, metered) == Shares(measured=Decimal("12.496"))
    assert kinds(ctx) == []


def test_what_a_device_says_it_can_carry_finds_a_spike_at_a_point_that_nobody_rated(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    rated = {"rated_power_w": "3680", "resolution": "0.1"}
    values = ((0, "100"), (5, "100.4"), (10, "105.4"), (15, "105.8"))
    take(ctx, *(read(metered.point, DAY + timedelta(minutes=m), v, **rated) for m, v in values))
    assert total(ctx, metered) == Shares(measured=Decimal("0.8"), estimated=Decimal("0.4"), invalid=Decimal(5))
    assert kinds(ctx) == ["spike"]


def test_a_counter_that_may_wrap_twice_between_polls_is_refused_and_told(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    port = {"register": "if_in_octets", "unit": "octets", "modulus": "4294967296", "speed_bps": "1000000000"}
    take(ctx, *(read(metered.point, DAY + i * FIVE, str(1000 * i), **port) for i in range(3)))
    assert kinds(ctx) == ["ambiguous", "ambiguous"]
    assert "64-bit" in anomalies(ctx)[0].evidence["suggestion"]


def test_a_register_that_suddenly_tells_another_unit_is_held_and_goes_on_where_it_was(ctx: Context) -> None:
    """24: kWh with two digits where it told Wh; once the profile is right again nothing has been lost or invented."""
    metered = a_metered_point(ctx)
    take(ctx, read(metered.point, DAY, "74057000", unit="Wh"), read(metered.point, DAY + HOUR, "74057676", unit="Wh"))
    wrong = [read(metered.point, DAY + (2 + i) * HOUR, str(740577 + i), unit="Wh") for i in range(3)]
    receipts = [take(ctx, *wrong[:2]), take(ctx, wrong[2])]
    assert [[(r.index, r.code) for r in receipt.rejected] for receipt in receipts] == [
        [(0, "unit_suspect"), (1, "unit_suspect")],
        [(0, "unit_suspect")],
    ]
    (doubt,) = anomalies(ctx)
    assert (doubt.kind, doubt.at, doubt.evidence["factor"]) == ("unit_suspect", DAY + HOUR, "100")
    causes = ctx.session.scalars(
        select(ReadingQuarantine.cause).where(ReadingQuarantine.provider_id == ctx.provider.id)
    )
    assert list(causes) == ["unit_suspect"] * 3
    types = select(OutboxEvent.type).where(OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.type.like("meter.%"))
    assert list(ctx.session.scalars(types)) == ["meter.unit_suspect"]
    assert take(ctx, read(metered.point, DAY + 5 * HOUR, "74057700", unit="Wh")).accepted == 1
    assert total(ctx, metered) == Shares(measured=Decimal("0.7"))


def test_a_person_who_finds_the_value_right_lets_it_in(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *hourly(metered.point, DAY, ["740500", "740577"], serial=None))
    held = read(metered.point, DAY + 2 * HOUR, "7405.77", serial=None)
    take(ctx, held)
    (doubt,) = anomalies(ctx)
    metering_doubts.change_anomaly(ctx, doubt.id, "dismiss")
    assert take(ctx, held, read(metered.point, DAY + 3 * HOUR, "7405.97", serial=None)).accepted == 2
    assert sorted(kinds(ctx)) == ["negative_step", "unit_suspect"]
    assert total(ctx, metered).measured == Decimal("77.2")


@pytest.mark.parametrize(
    ("before", "after", "evidence"),
    [
        ("740577", "7405.77", {"serial": "ZB1"}),  # another device
        ("1000", "10", {"boots": 2}),  # a restart that lost the counter
        ("0.05", "0.0005", {}),  # too little to tell a hundredth by
        ("740577", "7300", {}),  # no unit makes it fit
        ("10", "1000", {}),  # a rise that no breaker is known to forbid
    ],
)
def test_a_fall_that_something_explains_or_no_unit_makes_fit_is_not_held(
    ctx: Context, before: str, after: str, evidence: dict[str, Any]
) -> None:
    metered = a_metered_point(ctx)
    told = {"serial": "ZA1", "boots": 1, "power_w": "1200"}
    receipt = take(
        ctx, read(metered.point, DAY, before, **told), read(metered.point, DAY + HOUR, after, **(told | evidence))
    )
    assert (receipt.accepted, receipt.rejected) == (2, [])


def test_a_restart_with_another_unit_is_no_counter_from_zero(ctx: Context) -> None:
    """A new firmware takes a restart; seven hundred kWh within its few minutes were never counted."""
    metered = a_metered_point(ctx)
    take(ctx, read(metered.point, DAY, "74057.676", boots=1, power_w="1200"))
    receipt = take(ctx, read(metered.point, DAY + HOUR, "740.577", boots=2, uptime_s="180"))
    assert [r.code for r in receipt.rejected] == ["unit_suspect"]


def test_a_rise_to_another_unit_is_held_where_the_breaker_forbids_it(ctx: Context) -> None:
    metered = a_metered_point(ctx, rating={"power_w": "3680"})
    take(ctx, read(metered.point, DAY, "7405.77"))
    receipt = take(ctx, read(metered.point, DAY + HOUR, "740577.9"))
    assert [r.code for r in receipt.rejected] == ["unit_suspect"]
    assert anomalies(ctx)[0].evidence["factor"] == "0.01"


def test_a_register_that_stands_still_while_power_flows_is_told_once(ctx: Context) -> None:
    """26: 1.138 kW for three hours, not a tenth of a kWh counted."""
    metered = a_metered_point(ctx, rating={"resolution_wh": "100"})
    for hour in range(4):
        take(ctx, read(metered.point, DAY + hour * HOUR, "500", power_w="1138"))
    (doubt,) = anomalies(ctx)
    assert (doubt.kind, doubt.evidence["expected"], doubt.evidence["since"]) == (
        "stuck",
        "1138",
        "2026-01-10T00:00:00Z",
    )


@pytest.mark.parametrize(
    ("power_w", "rating"),
    [
        ("32", {"resolution_wh": "1000"}),  # 27: 0.096 kWh is less than two steps of the register
        ("500", {}),  # of unknown resolution: no more than two kWh
        ("0", {"resolution_wh": "1"}),
        (None, {"resolution_wh": "1"}),
    ],
)
def test_a_register_that_may_well_stand_still_is_not_told(
    ctx: Context, power_w: str | None, rating: dict[str, str]
) -> None:
    metered = a_metered_point(ctx, rating=rating)
    for hour in range(4):
        take(ctx, read(metered.point, DAY + hour * HOUR, "500", power_w=power_w))
    assert kinds(ctx) == []


def test_a_load_that_was_switched_on_just_now_is_no_stuck_register(ctx: Context) -> None:
    metered = a_metered_point(ctx, rating={"resolution_wh": "100"})
    for hour, power_w in enumerate(["0", "0", "0", "500"]):
        take(ctx, read(metered.point, DAY + hour * HOUR, "500", power_w=power_w))
    assert kinds(ctx) == []
