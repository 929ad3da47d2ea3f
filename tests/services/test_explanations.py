"""Why a metered line's amount is what it is: from the readings themselves, as they were, and as they are today."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.errors import NotFound
from core.ids import new_id
from services import invoicing
from tests.builders.billing import POWER, RACK, PriceOf, a_plan, agree, an_account, subscribe
from tests.builders.metering import Metered, a_point, an_event, assign, read, send, take
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
from tests.conftest import Open

DECEMBER_END = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY_END = datetime(2026, 2, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
TIERED = PriceOf(
    "power",
    {"model": "graduated", "tiers": [{"up_to": "100", "unit_price": "0.3"}, {"up_to": None, "unit_price": "0.25"}]},
    kind="usage",
    timing="arrears",
    proration="none",
)


@pytest.fixture
def metered(open_unit: Open) -> Metered:
    """A PDU that is exchanged on 10 January for one with a lower register."""
    with open_unit() as ctx:
        point, plan = a_point(ctx), a_plan(ctx, TIERED)
        subscribed = subscribe(ctx, an_account(ctx), plan)
        assign(ctx, point, subscribed, DECEMBER_END)
    set_clock(open_unit, FEBRUARY)
    with open_unit() as ctx:
        take(
            ctx,
            read(point, DECEMBER_END, "3400", serial="A1"),
            read(point, datetime(2026, 1, 10, 9, 0, tzinfo=UTC), "3512.8", serial="A1"),
            read(point, datetime(2026, 1, 10, 9, 40, tzinfo=UTC), "12", serial="B2"),
            read(point, JANUARY_END, "514.5", serial="B2"),
        )
        return Metered(point, plan, subscribed)


def explained(open_unit: Open) -> dict[str, Any]:
    with open_unit() as ctx:
        invoice = invoices(ctx)[0]
        (line,) = lines_of(ctx, invoice)
        return invoicing.explanation(ctx, invoice.id, line.id)


def test_a_usage_line_explains_itself_down_to_its_readings(open_unit: Open, metered: Metered) -> None:
    bill_at(open_unit, FEBRUARY)
    why = explained(open_unit)
    assert why["price"]["spec"]["model"] == "graduated"
    first, second = (Decimal(part["quantity"]) for part in why["parts"])
    assert (first, first + second) == (100, Decimal(why["quantity"]))
    usage = why["usage"]
    assert usage["quality"]["measured"] == "615.3"
    assert Decimal(usage["quality"]["estimated"]) > 0
    (point,) = usage["points"]
    assert point["path"] == "rack-12/pdu-a"
    assert (point["first"]["value"], point["first"]["unit"], point["first"]["serial"]) == ("3400000", "Wh", "A1")
    assert (point["last"]["value"], point["last"]["unit"], point["last"]["serial"]) == ("514500", "Wh", "B2")
    (swap,) = usage["swaps"]
    assert (swap["before"]["serial"], swap["after"]["serial"], swap["naive_difference"]) == ("A1", "B2", "-3500.8")
    assert why["today"] is None


def test_the_line_says_how_much_of_it_was_estimated(open_unit: Open, metered: Metered) -> None:
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (line,) = lines_of(ctx, invoices(ctx)[0])
        assert line.quality is not None
        assert line.quality["measured"] == "615.3"
        assert (line.unit, line.unit_price, line.kind) == ("kWh", None, "usage")


def test_what_arrives_late_is_shown_beside_what_was_billed(open_unit: Open, metered: Metered) -> None:
    bill_at(open_unit, FEBRUARY)
    before = explained(open_unit)
    with open_unit() as ctx:
        assert send(ctx, [an_event(metered, "late", datetime(2026, 1, 20, tzinfo=UTC), "40")]).accepted == 1
    why = explained(open_unit)
    assert (why["quantity"], why["amount"]) == (before["quantity"], before["amount"])
    assert why["today"] is not None
    assert why["today"]["difference_amount"] == 1000  # 40 kWh × 0.25
    assert why["today"]["amount"] == why["amount"] + 1000


def test_a_missing_reading_holds_no_invoice(open_unit: Open) -> None:
    with open_unit() as ctx:
        point, plan = a_point(ctx), a_plan(ctx, POWER, RACK)
        subscribed = subscribe(ctx, an_account(ctx), plan)
        assign(ctx, point, subscribed, DECEMBER_END)
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        assert invoice.status == "open"
        assert {line.charge_code for line in lines_of(ctx, invoice)} == {"power", "rack"}


def test_a_credit_explains_what_was_billed_and_what_was_used(open_unit: Open) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, PriceOf("rack", {"model": "per_unit", "unit_price": "310"}))
        subscription = subscribe(ctx, an_account(ctx), plan, start=JANUARY_END, quantity="2")
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        agree(ctx, subscription.items["rack"], plan.prices["rack"], datetime(2026, 2, 15, tzinfo=UTC), "3")
    bill_at(open_unit, datetime(2026, 3, 1, 0, 30, tzinfo=UTC))
    with open_unit() as ctx:
        invoice = invoices(ctx)[1]
        credit = next(line for line in lines_of(ctx, invoice) if line.kind == "credit")
        why = invoicing.explanation(ctx, invoice.id, credit.id)
    assert (why["credit"]["billed_amount"], why["credit"]["used_amount"], why["amount"]) == (62000, 31000, -31000)
    assert why["share"] == {"method": "day", "numerator": 14, "denominator": 28}
    assert why["adjusts"].startswith("chr_")


def test_a_line_that_does_not_exist_cannot_be_explained(open_unit: Open, metered: Metered) -> None:
    bill_at(open_unit, FEBRUARY)
    with pytest.raises(NotFound), open_unit() as ctx:
        invoicing.explanation(ctx, invoices(ctx)[0].id, new_id())
