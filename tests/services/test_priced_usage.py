"""Usage priced by time, by properties and event by event: from what is sent to the line and its explanation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from models.billing import BillingRunPayer
from services import invoicing
from services.context import Context
from tests.builders.billing import RACK, PriceOf, a_plan, an_account, subscribe
from tests.builders.metering import Metered, a_point, an_event, assign, read, send, take
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
from tests.conftest import Open

MARCH = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
FEBRUARY_END, MARCH_END = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)
APRIL = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
DAY_AND_NIGHT = {
    "model": "time_of_use",
    "bands": [
        {"name": "day", "from": "07:00", "to": "23:00", "unit_price": "2"},
        {"name": "night", "from": "23:00", "to": "07:00", "unit_price": "1"},
    ],
}
PERCENTAGE = {"model": "percentage", "rate": "10", "fixed_price": "1", "free_amount": "120"}
STRICT = {"model": "matrix", "dimensions": ["region"], "cells": [{"region": "ams", "unit_price": "2"}]}


def contract(ctx: Context, spec: dict[str, Any]) -> Metered:
    """Power priced in some way from March on, beside a rack; metered at a site in Amsterdam."""
    price = PriceOf("power", spec, kind="usage", timing="arrears", proration="none")
    plan = a_plan(ctx, price, RACK)
    account = an_account(ctx, zone="Europe/Amsterdam")
    return Metered(a_point(ctx), plan, subscribe(ctx, account, plan, start=FEBRUARY_END, zone="Europe/Amsterdam"))


def power(open_unit: Open) -> list[dict[str, Any]]:
    """The explanations of the lines of power, in the order of documents."""
    with open_unit() as ctx:
        return [
            invoicing.explanation(ctx, invoice.id, line.id)
            for invoice in invoices(ctx)
            for line in lines_of(ctx, invoice)
            if line.charge_code == "power"
        ]


def test_readings_around_seven_fall_half_into_the_night_and_half_into_the_day(open_unit: Open) -> None:
    """metering.md case 73; the bands follow the clock of the site, an hour ahead of UTC."""
    set_clock(open_unit, MARCH)
    with open_unit() as ctx:
        metered = contract(ctx, DAY_AND_NIGHT)
        assign(ctx, metered.point, metered.subscription, datetime(2026, 3, 2, 5, 50, tzinfo=UTC))
    set_clock(open_unit, APRIL)
    with open_unit() as ctx:
        take(
            ctx,
            read(metered.point, datetime(2026, 3, 2, 5, 50, tzinfo=UTC), "1000"),
            read(metered.point, datetime(2026, 3, 2, 6, 10, tzinfo=UTC), "1002"),
            read(metered.point, datetime(2026, 3, 31, 22, tzinfo=UTC), "1002"),
        )
    bill_at(open_unit, APRIL)
    (why,) = power(open_unit)
    assert [(part["band"], part["quantity"]) for part in why["parts"]] == [("day", "1"), ("night", "1")]
    assert why["usage"]["quality"]["interpolated"] == "2"


def test_the_hours_of_march_add_up_though_clocks_go_forward(open_unit: Open) -> None:
    """31 days of 16 hours, and 31 nights of 8 less the hour that is skipped."""
    set_clock(open_unit, MARCH)
    with open_unit() as ctx:
        metered = contract(ctx, DAY_AND_NIGHT)
        assign(ctx, metered.point, metered.subscription, FEBRUARY_END)
    set_clock(open_unit, APRIL)
    with open_unit() as ctx:
        take(ctx, read(metered.point, FEBRUARY_END, "0"), read(metered.point, MARCH_END, "743"))
    bill_at(open_unit, APRIL)
    (why,) = power(open_unit)
    assert [(part["band"], part["quantity"]) for part in why["parts"]] == [("day", "496"), ("night", "247")]
    assert why["amount"] == 99200 + 24700


def test_events_are_priced_one_by_one_in_order_of_time_not_of_arrival(open_unit: Open) -> None:
    set_clock(open_unit, MARCH)
    with open_unit() as ctx:
        metered = contract(ctx, PERCENTAGE)
    set_clock(open_unit, APRIL)
    with open_unit() as ctx:
        for event_id, day, amount in (("third", 9, "30"), ("first", 7, "100"), ("second", 8, "50")):
            assert send(ctx, [an_event(metered, event_id, datetime(2026, 3, day, tzinfo=UTC), amount)]).accepted == 1
    bill_at(open_unit, APRIL)
    (why,) = power(open_unit)
    assert why["amount"] == 800
    assert why["parts"][0] == {"free": True, "quantity": "120", "events": "1", "exact": "0"}


def test_what_a_register_counted_pays_the_rate_too_though_no_event_is_of_it(open_unit: Open) -> None:
    set_clock(open_unit, MARCH)
    with open_unit() as ctx:
        metered = contract(ctx, {"model": "percentage", "rate": "10", "fixed_price": "1"})
        assign(ctx, metered.point, metered.subscription, FEBRUARY_END)
    set_clock(open_unit, APRIL)
    with open_unit() as ctx:
        assert send(ctx, [an_event(metered, "one", datetime(2026, 3, 7, tzinfo=UTC), "50")]).accepted == 1
        take(ctx, read(metered.point, FEBRUARY_END, "0"), read(metered.point, MARCH_END, "200"))
    bill_at(open_unit, APRIL)
    (why,) = power(open_unit)
    assert (why["quantity"], why["amount"]) == ("250", 2600)


@pytest.fixture
def unknown(open_unit: Open) -> Metered:
    """Usage in a region that has no price, and a rack beside it, billed on 1 April."""
    set_clock(open_unit, MARCH)
    with open_unit() as ctx:
        metered = contract(ctx, STRICT)
    set_clock(open_unit, APRIL)
    with open_unit() as ctx:
        for region in ("ams", "fra"):
            event = an_event(metered, region, datetime(2026, 3, 7, tzinfo=UTC), "10", properties={"region": region})
            assert send(ctx, [event]).accepted == 1
    return metered


def test_an_unknown_cell_parks_its_line_and_no_other(open_unit: Open, unknown: Metered) -> None:
    bill_at(open_unit, APRIL)
    assert power(open_unit) == []
    with open_unit() as ctx:
        (waiting,) = ctx.session.scalars(select(BillingRunPayer.waiting).where(BillingRunPayer.waiting != []))
        assert [(each["code"], each["charge_code"]) for each in waiting] == [("no_cell", "power")]
        (invoice,) = invoices(ctx)
        assert {line.charge_code for line in lines_of(ctx, invoice)} == {"rack"}
