"""What arrives for a span that is billed: the difference goes onto the next invoice, the old one never changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from core.period import rfc3339
from models.billing import Invoice
from models.credit_notes import CreditNoteLine
from models.providers import Seller
from services import invoicing
from tests.builders.metering import Metered, a_metered_point, an_event, send
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
from tests.conftest import Open

JANUARY = datetime(2026, 1, 20, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, 0, 30, tzinfo=UTC)


@pytest.fixture
def metered(open_unit: Open) -> Metered:
    """A hundred kWh of January at 0.25, billed on 1 February; the clock stands at 2 February."""
    with open_unit() as ctx:
        found = a_metered_point(ctx)
    set_clock(open_unit, FEBRUARY - timedelta(hours=1))
    with open_unit() as ctx:
        send(ctx, [an_event(found, "in time", JANUARY, "100")])
    bill_at(open_unit, FEBRUARY)
    set_clock(open_unit, FEBRUARY + timedelta(days=1))
    return found


def arrive(open_unit: Open, metered: Metered, event_id: str, quantity: str) -> None:
    with open_unit() as ctx:
        assert send(ctx, [an_event(metered, event_id, JANUARY, quantity)]).accepted == 1


def corrections(open_unit: Open, invoice: Invoice) -> list[tuple[str, str, int]]:
    with open_unit() as ctx:
        return [
            (line.description, f"{line.quantity:f}".rstrip("0").rstrip("."), line.amount)
            for line in lines_of(ctx, invoice)
            if line.kind == "adjustment"
        ]


def credited(open_unit: Open) -> list[tuple[str, int]]:
    with open_unit() as ctx:
        rows = ctx.session.execute(select(CreditNoteLine.description, CreditNoteLine.amount))
        return [(description, amount) for description, amount in rows]


def billed(open_unit: Open) -> list[Invoice]:
    with open_unit() as ctx:
        return invoices(ctx)


def test_what_arrives_late_is_charged_on_the_next_invoice(open_unit: Open, metered: Metered) -> None:
    arrive(open_unit, metered, "late", "40")
    bill_at(open_unit, MARCH)
    first, second = billed(open_unit)
    assert (first.net_amount, corrections(open_unit, first)) == (2500, [])
    assert corrections(open_unit, second) == [("Adjustment: Power", "40", 1000)]
    with open_unit() as ctx:
        line = next(line for line in lines_of(ctx, second) if line.kind == "adjustment")
        assert (rfc3339(line.start_at), rfc3339(line.end_at)) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
        why = invoicing.explanation(ctx, second.id, line.id)
        assert (why["credit"]["billed_amount"], why["credit"]["used_amount"]) == (2500, 3500)
        assert why["adjusts"] is not None
        assert why["usage"]["events"]["quantity"] == "140"
        (original,) = lines_of(ctx, first)
        (correction,) = invoicing.explanation(ctx, first.id, original.id)["corrections"]
        assert (correction["kind"], correction["amount"], correction["charge"]) == ("adjustment", 1000, why["charge"])


def test_what_arrives_later_still_is_compared_with_the_earlier_adjustment_too(
    open_unit: Open, metered: Metered
) -> None:
    arrive(open_unit, metered, "late", "40")
    bill_at(open_unit, MARCH)
    set_clock(open_unit, MARCH + timedelta(days=1))
    arrive(open_unit, metered, "later", "8")
    bill_at(open_unit, APRIL)
    assert [corrections(open_unit, invoice) for invoice in billed(open_unit)] == [
        [],
        [("Adjustment: Power", "40", 1000)],
        [("Adjustment: Power", "8", 200)],
    ]


def test_what_comes_to_less_is_given_back(open_unit: Open, metered: Metered) -> None:
    with open_unit() as ctx:
        send(ctx, [an_event(metered, "february", FEBRUARY, "400")])
    arrive(open_unit, metered, "cancelled", "-60")
    bill_at(open_unit, MARCH)
    assert corrections(open_unit, billed(open_unit)[-1]) == [("Adjustment: Power", "-60", -1500)]


def test_nothing_is_adjusted_when_nothing_came(open_unit: Open, metered: Metered) -> None:
    bill_at(open_unit, MARCH)
    assert corrections(open_unit, billed(open_unit)[-1]) == []


def test_an_adjustment_that_was_credited_is_not_made_again(open_unit: Open, metered: Metered) -> None:
    arrive(open_unit, metered, "cancelled", "-60")
    bill_at(open_unit, MARCH)  # -15.00 alone: the document would be negative, so it is a credit note
    assert len(billed(open_unit)) == 1
    assert credited(open_unit) == [("Adjustment: Power", 1500), ("Power", 0)]
    set_clock(open_unit, MARCH + timedelta(days=1))
    with open_unit() as ctx:
        send(ctx, [an_event(metered, "march", MARCH, "400")])
    bill_at(open_unit, APRIL)
    assert (len(billed(open_unit)), corrections(open_unit, billed(open_unit)[-1])) == (2, [])
    assert credited(open_unit) == [("Adjustment: Power", 1500), ("Power", 0)]


def test_a_correction_is_taxed_as_what_it_corrects_was(open_unit: Open, metered: Metered) -> None:
    arrive(open_unit, metered, "late", "40")
    with open_unit() as ctx:
        send(ctx, [an_event(metered, "february", FEBRUARY, "100")])
        ctx.session.execute(update(Seller).where(Seller.provider_id == ctx.provider.id).values(tax_rate=9))
    bill_at(open_unit, MARCH)
    assert [(tax["rate"], tax["net_amount"], tax["tax_amount"]) for tax in billed(open_unit)[-1].taxes] == [
        ("21", 1000, 210),
        ("9", 2500, 225),
    ]
