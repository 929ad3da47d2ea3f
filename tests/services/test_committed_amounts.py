"""An amount committed for a year and drawn down by usage, from events to documents and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import Conflict
from models.billing import Charge, Invoice
from services import invoicing, invoicing_release, subscription_steps, subscription_usage, subscriptions
from tests.builders.billing import POWER, PriceOf, a_plan, an_account, subscribe
from tests.builders.metering import Metered, a_point, an_event, send
from tests.builders.recompute import recompute
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
from tests.conftest import Open

MONTHS = [datetime(2026, month, 1, 0, 30, tzinfo=UTC) for month in range(1, 13)]
NEXT_YEAR = datetime(2027, 1, 1, 0, 30, tzinfo=UTC)
SPEC = {"model": "committed_amount", "amount_price": "1000", "draws": ["power"]}


def contract(open_unit: Open, timing: str) -> Metered:
    """A thousand euro for the year 2026, drawn by power at 0.25."""
    with open_unit() as ctx:
        commitment = PriceOf("commitment", SPEC, timing=timing, proration="none", unit="year")
        plan = a_plan(ctx, commitment, POWER)
        return Metered(a_point(ctx), plan, subscribe(ctx, an_account(ctx), plan))


def use(open_unit: Open, metered: Metered, at: datetime, kwh: str) -> None:
    with open_unit() as ctx:
        assert send(ctx, [an_event(metered, f"{at} {kwh} {ctx.now}", at - timedelta(days=3), kwh)]).accepted == 1


def a_month(open_unit: Open, metered: Metered, at: datetime, kwh: str) -> None:
    """So many kWh in the month before an instant, which is then billed."""
    set_clock(open_unit, at)
    use(open_unit, metered, at, kwh)
    bill_at(open_unit, at)


def lines(open_unit: Open) -> list[list[tuple[str, str, int]]]:
    """By invoice, (kind, description, amount) of the lines that come to something."""
    with open_unit() as ctx:
        return [
            [(line.kind, line.description, line.amount) for line in lines_of(ctx, invoice) if line.amount]
            for invoice in invoices(ctx)
            if invoice.status != "void"
        ]


def latest(open_unit: Open) -> Invoice:
    with open_unit() as ctx:
        return invoices(ctx)[-1]


def drawing(amount: int, words: str = "Power") -> tuple[str, str, int]:
    return "drawdown", f"Drawn from what is committed: {words}", amount


def test_paid_in_advance_it_takes_usage_off_invoices_until_it_is_used_up(open_unit: Open) -> None:
    metered = contract(open_unit, "advance")
    a_month(open_unit, metered, MONTHS[1], "2400")
    a_month(open_unit, metered, MONTHS[2], "2400")
    assert lines(open_unit) == [
        [("recurring", "Commitment", 100000), ("usage", "Power", 60000), drawing(-60000)],
        [("usage", "Power", 60000), drawing(-40000)],
    ]
    with open_unit() as ctx:
        assert [invoice.net_amount for invoice in invoices(ctx)] == [100000, 20000]


def test_what_is_left_is_told_with_the_usage(open_unit: Open) -> None:
    metered = contract(open_unit, "advance")
    a_month(open_unit, metered, MONTHS[1], "2400")
    with open_unit() as ctx:
        (left,) = subscription_usage.usage_of(ctx, metered.subscription.id, None, None, "day").commitments
    assert (left.charge_code, left.committed_amount, left.drawn_amount) == ("commitment", 100000, 60000)
    assert (left.left_amount, left.span.end) == (40000, datetime(2027, 1, 1, tzinfo=UTC))


def test_an_explanation_tells_what_is_left_and_comes_to_the_same_again(open_unit: Open) -> None:
    metered = contract(open_unit, "advance")
    a_month(open_unit, metered, MONTHS[1], "2400")
    with open_unit() as ctx:
        invoice = invoices(ctx)[-1]
        line = next(line for line in lines_of(ctx, invoice) if line.kind == "drawdown")
        why = invoicing.explanation(ctx, invoice.id, line.id)
        told: dict[str, Any] = why["drawdown"]
        assert (told["committed_amount"], told["drawn_amount"], told["left_amount"]) == (100000, 60000, 40000)
        assert (told["of"]["charge_code"], told["of"]["amount"]) == ("power", 60000)
        for charge in ctx.session.query(Charge):
            assert recompute(charge.inputs).minor == charge.amount


def test_billed_late_and_all_at_once_it_is_the_same(open_unit: Open) -> None:
    metered = contract(open_unit, "advance")
    set_clock(open_unit, MONTHS[3])
    for month in (1, 2, 3):
        use(open_unit, metered, MONTHS[month], "2400")
    while bill_at(open_unit, MONTHS[3]):
        pass
    with open_unit() as ctx:
        assert sum(invoice.net_amount for invoice in invoices(ctx)) == 100000 + 180000 - 100000


def test_in_arrears_what_was_not_drawn_is_due_at_the_end(open_unit: Open) -> None:
    metered = contract(open_unit, "arrears")
    a_month(open_unit, metered, MONTHS[1], "2400")
    while bill_at(open_unit, NEXT_YEAR):
        pass
    assert [found for found in lines(open_unit) if found] == [
        [("usage", "Power", 60000)],
        [("recurring", "Commitment", 100000), drawing(-60000, "Commitment")],
    ]


def test_late_usage_draws_what_is_left(open_unit: Open) -> None:
    metered = contract(open_unit, "advance")
    a_month(open_unit, metered, MONTHS[1], "2400")
    set_clock(open_unit, MONTHS[1] + timedelta(days=1))
    use(open_unit, metered, MONTHS[1], "400")
    a_month(open_unit, metered, MONTHS[2], "0")
    assert lines(open_unit)[-1] == [("adjustment", "Adjustment: Power", 10000), drawing(-10000)]


def test_a_voided_invoice_gives_back_what_it_drew(open_unit: Open) -> None:
    metered = contract(open_unit, "advance")
    a_month(open_unit, metered, MONTHS[1], "3000")
    a_month(open_unit, metered, MONTHS[2], "2000")
    assert lines(open_unit)[-1] == [("usage", "Power", 50000), drawing(-25000)]
    with open_unit() as ctx:
        invoicing_release.void(ctx, latest(open_unit).id)
    a_month(open_unit, metered, MONTHS[3], "2000")
    found = sorted(lines(open_unit)[-1])
    assert found == [drawing(-25000), ("usage", "Power", 50000), ("usage", "Power", 50000)]


def test_the_document_of_the_commitment_is_not_taken_back_while_later_ones_draw_from_it(open_unit: Open) -> None:
    metered = contract(open_unit, "advance")
    a_month(open_unit, metered, MONTHS[1], "0")
    first = latest(open_unit)
    a_month(open_unit, metered, MONTHS[2], "3000")
    with pytest.raises(Conflict) as refused, open_unit() as ctx:
        invoicing_release.void(ctx, first.id)
    assert refused.value.code == "invoice_has_corrections"


def test_a_document_that_holds_both_is_taken_back_and_billed_again_as_it_was(open_unit: Open) -> None:
    metered = contract(open_unit, "advance")
    a_month(open_unit, metered, MONTHS[1], "2400")
    (before,) = lines(open_unit)
    with open_unit() as ctx:
        invoicing_release.void(ctx, latest(open_unit).id)
    set_clock(open_unit, MONTHS[2])
    bill_at(open_unit, MONTHS[2])
    assert lines(open_unit) == [before]


def test_an_end_in_mid_span_gives_nothing_of_it_back(open_unit: Open) -> None:
    metered = contract(open_unit, "advance")
    a_month(open_unit, metered, MONTHS[1], "400")
    with open_unit() as ctx:
        found = subscriptions.find(ctx, metered.subscription.id, lock=True)
        subscription_steps.cancel(ctx, found, MONTHS[1] + timedelta(days=10))
    a_month(open_unit, metered, MONTHS[2], "0")
    assert [line for invoice in lines(open_unit) for line in invoice if line[0] == "credit"] == []
