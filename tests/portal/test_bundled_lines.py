"""What a bundle takes off, and what was put on by hand, as a customer reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import insert

from core.ids import encode, new_id
from models.catalog import Product
from models.subscriptions import SubscriptionItemTerm
from services import one_off_charges
from services.one_off_charges import NewCharge
from tests.builders.billing import JANUARY, PriceOf, a_plan, an_account, subscribe
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
from tests.conftest import Open
from tests.portal.conftest import NewBrowser
from tests.portal.test_pages import words

ORDERED = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
BILLED = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
RACK = PriceOf("rack", {"model": "per_unit", "unit_price": "310"})
SUPPORT = PriceOf("support", {"model": "flat", "amount_price": "50"})


def test_a_discount_and_a_charge_by_hand_are_told(new_browser: NewBrowser, provider_id: UUID, open_unit: Open) -> None:
    set_clock(open_unit, ORDERED)
    with open_unit() as ctx:
        plan = a_plan(ctx, RACK, SUPPORT)
        account = an_account(ctx, email="ada@example.com")
        account_id = account.id
        subscribed = subscribe(ctx, account, plan)
        own = {"provider_id": ctx.provider.id}
        for code, discount in (("rack", "12.5"), ("support", "100")):
            ctx.session.execute(
                insert(SubscriptionItemTerm).values(
                    **own,
                    id=new_id(),
                    item_id=subscribed.items[code],
                    from_at=JANUARY,
                    price_id=plan.prices[code],
                    quantity=Decimal(2),
                    discount=Decimal(discount),
                )
            )
        product = {"id": new_id(), "code": "hands", "name": "Smart hands", "created_at": ctx.now, "meta": {}}
        ctx.session.execute(insert(Product).values(**own, **product))
        one_off_charges.create(ctx, subscribed.id, NewCharge("hands", "A disk exchanged", amount=5000))
    set_clock(open_unit, BILLED)
    bill_at(open_unit, BILLED)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        lines = {line.description: line.id for line in lines_of(ctx, invoice)}
    browser = new_browser(provider_id)
    browser.enter(open_unit, provider_id, account_id)

    def said(description: str) -> str:
        page = f"invoices/{encode('invoice', invoice.id)}/lines/{encode('invoice_line', lines[description])}"
        return words(browser.get(page).text)

    rack = said("Rack, less 12.5 %")
    assert "In your bundle, less 12.5% −€77.50" in rack
    assert "rounded once €542.50" in rack
    assert "Included in your bundle −€50.00" in said("Support, included")
    assert "agreed for this charge alone" in said("A disk exchanged")
