"""The registers of an exchange as an engineer noted them: billed as they stand on paper, and nothing estimated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from billing.metering.quality import Shares
from billing.metering.slots import SlotRequest, Usage
from core.errors import Refused
from models.places import Anomaly, Device
from services import metering_exchanges
from services.context import Context
from stores.usage import slots_many
from tests.builders.metering import Metered, a_metered_point, read, take
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
from tests.conftest import Open

DAY = datetime(2026, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
NOTED = {
    "register": "active_energy",
    "unit": "kWh",
    "at": DAY + timedelta(hours=9, minutes=20),
    "closing": Decimal("513.2"),
    "opening": Decimal("3"),
    "reason": "work order 4711",
}


def exchanged(ctx: Context, **serials: str | None) -> Metered:
    """A device read at nine, another one from twenty to ten on."""
    made = a_metered_point(ctx)
    told = {"old": "A1", "new": "B2"} | serials
    at = [DAY + timedelta(hours=8), DAY + timedelta(hours=9), DAY + timedelta(hours=9, minutes=40)]
    take(ctx, read(made.point, at[0], "511.8", told["old"]), read(made.point, at[1], "512.8", told["old"]))
    take(ctx, read(made.point, at[2], "3.1", told["new"]), read(made.point, DAY + 10 * HOUR, "3.6", told["new"]))
    return made


def usage(ctx: Context, metered: Metered) -> Usage:
    request = SlotRequest(metered.item, metered.subscription.id, metered.plan.meter_id, "kWh", (JANUARY, FEBRUARY))
    return slots_many(ctx.session, ctx.provider.id, [request], now=JANUARY)[request]


@pytest.mark.parametrize("serials", [{}, {"old": None}, {"old": None, "new": None}])
def test_what_was_noted_is_billed_and_nothing_estimated(ctx: Context, serials: dict[str, Any]) -> None:
    """14, between polls: 0.4 of the old device, 0.1 of the new one."""
    metered = exchanged(ctx, **serials)
    assert usage(ctx, metered).quality != Shares(measured=Decimal("1.5"), substituted=Decimal("0.5"))
    entered = metering_exchanges.enter(ctx, metered.point.id, NOTED)
    assert (entered.closing, entered.last.value, entered.opening, entered.first.value) == (513200, 512800, 3000, 3100)
    told = usage(ctx, metered)
    assert told.quality == Shares(measured=Decimal("1.5"), substituted=Decimal("0.5"))
    (point,) = told.evidence.points
    (swap,) = point.breaks
    assert (swap.cause, swap.before.value, swap.after.value, swap.estimated) == ("swap", 513200, 3000, 0)


def test_the_doubt_is_settled_and_the_devices_stay_who_they_were(ctx: Context) -> None:
    metered = exchanged(ctx)
    metering_exchanges.enter(ctx, metered.point.id, NOTED)
    doubts = ctx.session.execute(select(Anomaly.kind, Anomaly.status).where(Anomaly.provider_id == ctx.provider.id))
    assert doubts.all() == [("swap", "resolved")]
    devices = select(Device.serial).where(Device.provider_id == ctx.provider.id).order_by(Device.from_at)
    assert list(ctx.session.scalars(devices)) == ["A1", "B2"]


def test_later_polls_are_measured_as_ever_and_late_ones_fit_in(ctx: Context) -> None:
    metered = exchanged(ctx)
    metering_exchanges.enter(ctx, metered.point.id, NOTED)
    take(ctx, read(metered.point, DAY + 11 * HOUR, "5", "B2"))
    take(ctx, read(metered.point, DAY + timedelta(hours=9, minutes=10), "513", "A1"))
    assert usage(ctx, metered).quality == Shares(measured=Decimal("3.1"), substituted=Decimal("0.3"))


def test_what_was_billed_as_an_estimate_is_trued_up(open_unit: Open) -> None:
    with open_unit() as ctx:
        metered = exchanged(ctx)
    set_clock(open_unit, FEBRUARY)
    with open_unit() as ctx:
        take(ctx, read(metered.point, FEBRUARY, "803.6", "B2"))
    bill_at(open_unit, FEBRUARY + timedelta(minutes=30))
    set_clock(open_unit, FEBRUARY + timedelta(days=5))
    with open_unit() as ctx:
        metering_exchanges.enter(ctx, metered.point.id, NOTED | {"closing": Decimal("600")})
        take(ctx, read(metered.point, FEBRUARY + timedelta(days=5), "900", "B2"))
    bill_at(open_unit, datetime(2026, 3, 1, 0, 30, tzinfo=UTC))
    with open_unit() as ctx:
        (line,) = [line for line in lines_of(ctx, invoices(ctx)[-1]) if line.kind == "adjustment"]
        # 40 minutes at 1 kW were billed; 87.2 + 0.1 kWh are right.
        assert line.quantity == Decimal("86.633333333")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"closing": Decimal("512.7")}, "closing_below_last"),
        ({"opening": Decimal("3.2")}, "opening_above_first"),
        ({"at": DAY + timedelta(hours=9)}, "instant_taken"),
        ({"at": DAY + timedelta(hours=9, minutes=39, seconds=59)}, "instant_taken"),
        ({"at": DAY + timedelta(hours=8, minutes=30)}, "no_exchange"),
        ({"at": DAY + timedelta(hours=7)}, "no_exchange"),
        ({"at": DAY + timedelta(hours=12)}, "no_exchange"),
        ({"at": datetime(2024, 1, 1, tzinfo=UTC)}, "too_late"),
        ({"unit": "GB"}, "unit_mismatch"),
        ({"register": "reactive_energy"}, "register_unknown"),
    ],
)
def test_what_cannot_have_been_is_refused(open_unit: Open, changed: dict[str, Any], code: str) -> None:
    with open_unit() as ctx:
        metered = exchanged(ctx)
        before = usage(ctx, metered).quality
    with pytest.raises(Refused) as refused, open_unit() as ctx:
        metering_exchanges.enter(ctx, metered.point.id, NOTED | changed)
    assert refused.value.code == code
    with open_unit() as ctx:
        assert usage(ctx, metered).quality == before


def test_an_exchange_is_entered_once(open_unit: Open) -> None:
    with open_unit() as ctx:
        metered = exchanged(ctx)
        metering_exchanges.enter(ctx, metered.point.id, NOTED)
    later = NOTED | {"at": DAY + timedelta(hours=9, minutes=30)}
    for again, code in ((NOTED, "instant_taken"), (later, "exchange_entered")):
        with pytest.raises(Refused) as refused, open_unit() as ctx:
            metering_exchanges.enter(ctx, metered.point.id, again)
        assert refused.value.code == code
