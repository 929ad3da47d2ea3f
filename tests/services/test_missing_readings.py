"""Readings that stop before a span ends: it is billed on time, estimated, and trued up to the unit when they come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from billing.lines import quality_note
from billing.metering.quality import Shares
from billing.metering.slots import SlotRequest, Usage
from models.billing import InvoiceLine
from models.outbox import OutboxEvent
from models.places import Anomaly
from runtime.house import House
from services import invoicing, subscription_usage
from services.context import Context
from stores.usage import slots_many
from tests.builders.metering import Metered, a_metered_point, a_point, assign, hourly, read, take
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
from tests.builders.statements import statements
from tests.conftest import Open

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
DEAD = datetime(2026, 1, 20, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
CLOSED = timedelta(minutes=30)
HOUR = timedelta(hours=1)


@pytest.fixture
def ctx(open_unit: Open) -> Iterator[Context]:
    """One transaction of 1 February, half an hour past midnight."""
    set_clock(open_unit, FEBRUARY + CLOSED)
    with open_unit() as opened:
        yield opened


@pytest.fixture
def silent(open_unit: Open) -> Metered:
    """A point that drew 1 kW until its agent died on 20 January; the clock stands at 1 February."""
    with open_unit() as ctx:
        made = a_metered_point(ctx)
    set_clock(open_unit, FEBRUARY)
    with open_unit() as ctx:
        take(ctx, read(made.point, NEW_YEAR, "100"), read(made.point, DEAD, "556"))
    return made


def usage_of(ctx: Context, metered: Metered, *edges: datetime, now: datetime | None = None) -> Usage:
    request = SlotRequest(metered.item, metered.subscription.id, metered.plan.meter_id, "kWh", edges)
    return slots_many(ctx.session, ctx.provider.id, [request], now=now or ctx.now)[request]


def billed(open_unit: Open, now: datetime) -> list[InvoiceLine]:
    """The lines of the latest invoice after a run."""
    bill_at(open_unit, now + CLOSED)
    with open_unit() as ctx:
        return lines_of(ctx, invoices(ctx)[-1])


def shown(line: InvoiceLine) -> tuple[str, str, int]:
    return line.kind, f"{line.quantity.normalize():f}", line.amount


def test_the_invoice_goes_out_on_time_with_the_rest_estimated_and_says_so(open_unit: Open, silent: Metered) -> None:
    (line,) = billed(open_unit, FEBRUARY)
    assert shown(line) == ("usage", "744", 18600)
    assert line.quality is not None
    assert (line.quality["measured"], line.quality["estimated"]) == ("456", "288")
    assert quality_note(line.quality) == "38 % estimated"
    with open_unit() as ctx:
        why = invoicing.explanation(ctx, line.invoice_id, line.id)
    (point,) = why["usage"]["points"]
    assert point["estimate"] == {
        "span": {"start": "2026-01-20T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
        "quantity": "288",
        "bases": ["same_hours_of_weeks_before"],
    }
    assert why["today"] is None


def test_it_is_trued_up_to_the_unit_when_readings_come(open_unit: Open, silent: Metered) -> None:
    billed(open_unit, FEBRUARY)
    set_clock(open_unit, MARCH)
    with open_unit() as ctx:
        take(ctx, read(silent.point, FEBRUARY, "700"), read(silent.point, MARCH, "1000"))
    assert sorted(map(shown, billed(open_unit, MARCH))) == [("adjustment", "-144", -3600), ("usage", "300", 7500)]
    with open_unit() as ctx:
        assert sum(invoice.net_amount for invoice in invoices(ctx)) == 22500  # 900 kWh by the register
        (first, *_) = invoices(ctx)
        (line,) = lines_of(ctx, first)
        today = invoicing.explanation(ctx, first.id, line.id)["today"]
        assert (today["quantity"], today["usage"]["quality"]["estimated"]) == ("600", "0")


def test_readings_from_the_middle_of_the_gap_move_the_estimate_and_then_it_stands(
    open_unit: Open, silent: Metered
) -> None:
    billed(open_unit, FEBRUARY)
    with open_unit() as ctx:
        take(ctx, read(silent.point, DEAD + 6 * 24 * HOUR, "556"))  # nothing was drawn for six days
        usage = usage_of(ctx, silent, NEW_YEAR, FEBRUARY)
        assert usage.quality.measured == 456
        # Tuesday to Sunday of the weeks before: 1 kW in the first, nothing in the last.
        assert 0 < usage.quality.estimated < 144
        again = usage_of(ctx, silent, NEW_YEAR, FEBRUARY, now=APRIL)
    assert again.quality == usage.quality


def test_an_estimate_does_not_drift_with_the_clock(open_unit: Open, silent: Metered) -> None:
    billed(open_unit, FEBRUARY)
    for month in (MARCH, APRIL):
        (line,) = billed(open_unit, month)  # no adjustment beside it
        assert line.quality is not None
        assert (line.kind, line.quality["measured"]) == ("usage", "0")
    with open_unit() as ctx:
        assert [invoice.net_amount for invoice in invoices(ctx)] == [18600, 16800, 18600]


def test_every_hour_counts_as_the_same_hours_of_the_weeks_before(open_unit: Open) -> None:
    """A load that follows the day and rests on Sunday goes on that way."""

    def load(at: datetime) -> Decimal:
        return Decimal(0) if at.weekday() == 6 else Decimal(1) + Decimal(at.hour) / 10

    with open_unit() as ctx:
        metered = a_metered_point(ctx)
        count, values = (DEAD - NEW_YEAR) // HOUR, [Decimal(0)]
        for hour in range(count):
            values.append(values[-1] + load(NEW_YEAR + hour * HOUR))
        take(ctx, *hourly(metered.point, NEW_YEAR, [str(v) for v in values]))
        edges = [DEAD + hour * HOUR for hour in range((FEBRUARY - DEAD) // HOUR + 1)]
        slots = usage_of(ctx, metered, *edges, now=FEBRUARY + CLOSED).slots
        assert [slot.sum for slot in slots] == [load(edge) for edge in edges[:-1]]
        assert all(slot.quality == Shares(estimated=slot.sum) for slot in slots)


def test_what_was_estimated_itself_is_no_ground_for_an_estimate(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *hourly(metered.point, NEW_YEAR, ["0", "1", "2"], serial="A1", power_w="50000"))
    take(ctx, *hourly(metered.point, NEW_YEAR + 3 * HOUR, ["9000", "9004", "9008"], serial="B2"))
    usage = usage_of(ctx, metered, NEW_YEAR + 5 * HOUR, NEW_YEAR + 6 * HOUR)
    assert usage.quality == Shares(estimated=Decimal("2.5"))  # (1 + 1 + 4 + 4) / 4, the swap's 50 kWh left out


def test_a_register_that_was_read_once_goes_on_at_the_power_it_told_and_without_one_at_nothing(ctx: Context) -> None:
    told, mute = a_metered_point(ctx), a_metered_point(ctx)
    take(ctx, read(told.point, NEW_YEAR, "100", power_w="1200"), read(mute.point, NEW_YEAR, "100"))
    assert usage_of(ctx, told, NEW_YEAR, NEW_YEAR + 10 * HOUR).quality == Shares(estimated=Decimal(12))
    assert usage_of(ctx, mute, NEW_YEAR, NEW_YEAR + 10 * HOUR).quality == Shares()


def test_an_estimate_is_never_more_than_the_rating(ctx: Context) -> None:
    metered = a_metered_point(ctx, rating={"current_a": "16", "voltage_v": "230"})
    take(ctx, read(metered.point, NEW_YEAR, "100", power_w="9000"))
    assert usage_of(ctx, metered, NEW_YEAR, NEW_YEAR + 10 * HOUR).quality.total == Decimal("36.8")


def test_nor_more_than_what_the_device_says_it_carries(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, read(metered.point, NEW_YEAR, "100", power_w="9000", rated_power_w="3680"))
    assert usage_of(ctx, metered, NEW_YEAR, NEW_YEAR + 10 * HOUR).quality.total == Decimal("36.8")


def test_people_and_programs_are_told_until_readings_come(open_unit: Open, silent: Metered) -> None:
    def told() -> list[tuple[str, datetime, str]]:
        with open_unit() as ctx:
            rows = ctx.session.scalars(
                select(Anomaly).where(Anomaly.provider_id == ctx.provider.id).order_by(Anomaly.at)
            )
            return [(row.kind, row.at, row.status) for row in rows]

    assert told() == []
    billed(open_unit, FEBRUARY)
    billed(open_unit, MARCH)
    assert told() == [("readings_missing", DEAD, "open"), ("readings_missing", FEBRUARY, "open")]
    with open_unit() as ctx:
        events = select(OutboxEvent.type).where(
            OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.type.like("meter.%")
        )
        assert list(ctx.session.scalars(events)) == ["meter.readings_missing"] * 2
        take(ctx, read(silent.point, MARCH, "1500"))
    assert [status for *_, status in told()] == ["resolved"] * 2


def test_nothing_is_estimated_before_the_first_reading(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, *hourly(metered.point, DEAD, ["100", "101"]))
    usage = usage_of(ctx, metered, NEW_YEAR, DEAD + HOUR, now=DEAD + 2 * HOUR)
    assert usage.quality == Shares(measured=Decimal(1))
    assert usage_of(ctx, metered, NEW_YEAR, DEAD, now=FEBRUARY + CLOSED).quality == Shares()


def test_a_gap_between_readings_is_not_estimated(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    take(ctx, read(metered.point, NEW_YEAR, "100"), read(metered.point, DEAD, "556"))
    usage = usage_of(ctx, metered, NEW_YEAR, NEW_YEAR + HOUR, now=FEBRUARY + CLOSED)
    assert usage.quality == Shares(interpolated=Decimal(1))
    (point,) = usage.evidence.points
    assert point.estimate is None


def test_nothing_is_estimated_after_an_assignment_ended(ctx: Context) -> None:
    metered = a_metered_point(ctx, end=DEAD + 2 * HOUR)
    take(ctx, read(metered.point, NEW_YEAR, "100"), read(metered.point, DEAD, "556"))
    assert usage_of(ctx, metered, NEW_YEAR, FEBRUARY, now=FEBRUARY + CLOSED).quality.estimated == 2
    assert usage_of(ctx, metered, FEBRUARY, MARCH, now=MARCH + CLOSED).quality == Shares()


def test_a_span_that_still_runs_is_what_is_known_of_it_and_a_closed_one_is_as_billed(
    open_unit: Open, silent: Metered
) -> None:
    def seen(now: datetime) -> list[Decimal]:
        set_clock(open_unit, now)
        with open_unit() as ctx:
            usage = subscription_usage.usage_of(ctx, silent.subscription.id, NEW_YEAR, FEBRUARY, "day")
            (item,) = usage.items
            return [slot.quantity for slot in item.slots]

    assert seen(DEAD + 24 * HOUR) == [24] * 19 + [0] * 12
    assert seen(FEBRUARY + CLOSED) == [24] * 31


def test_estimates_of_slots_add_up_to_that_of_the_span(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    odd = timedelta(minutes=7, seconds=13)
    take(ctx, *(read(metered.point, NEW_YEAR + i * (HOUR + odd), str(i * i)) for i in range(60)))
    end = NEW_YEAR + 60 * (HOUR + odd)
    cuts = [end + i * timedelta(minutes=37, seconds=11) for i in range(200)]
    slots = usage_of(ctx, metered, *cuts, now=FEBRUARY + CLOSED).slots
    whole = usage_of(ctx, metered, cuts[0], cuts[-1], now=FEBRUARY + CLOSED)
    assert sum(slot.sum for slot in slots) == whole.slots[0].sum > 0


def test_many_silent_registers_take_as_many_queries_as_one(open_unit: Open, house: House) -> None:
    with open_unit() as ctx:
        metered = a_metered_point(ctx)
        take(ctx, read(metered.point, NEW_YEAR, "100"), read(metered.point, NEW_YEAR + HOUR, "101"))

    def counted() -> int:
        with open_unit() as ctx, statements(house) as seen:
            assert usage_of(ctx, metered, NEW_YEAR, FEBRUARY, now=FEBRUARY + CLOSED).quality.estimated > 0
        return len(seen)

    one = counted()
    with open_unit() as ctx:
        for number in range(5):
            point = a_point(ctx, f"rack-{number}/pdu-a")
            assign(ctx, point, metered.subscription, NEW_YEAR)
            take(ctx, *hourly(point, NEW_YEAR + number * 24 * HOUR, ["100", "101", "102"]))
    assert counted() == one


def test_readings_that_nobody_missed_update_no_anomaly(open_unit: Open, house: House) -> None:
    """The audit trail looks at every update, at one that changes nothing too; and these come every hour."""
    with open_unit() as ctx:
        point = a_point(ctx)
        take(ctx, *hourly(point, NEW_YEAR, ["100", "101"]))
        with statements(house) as seen:
            take(ctx, *hourly(point, NEW_YEAR + 2 * HOUR, ["102", "103"]))
    assert any("INSERT INTO interval" in statement for statement in seen)
    assert not [statement for statement in seen if "UPDATE anomaly" in statement]
