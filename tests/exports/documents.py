"""Invoices for these tests, from a few values."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from core.money import round_line
from core.period import Period, parse_instant
from exports.document import (
    BankDetails,
    BeneficiaryGroup,
    Buyer,
    DocumentLine,
    DocumentTax,
    InvoiceDocument,
    PaymentInstructions,
    Seller,
    SubscriptionGroup,
)

# January in Amsterdam: its instants are an hour off the dates it stands for.
JANUARY = Period(parse_instant("2025-12-31T23:00:00Z"), parse_instant("2026-01-31T23:00:00Z"))
BANK = BankDetails("Northgate Data Centres B.V.", iban="NL91ABNA0417164300", bic="ABNANL2A", bank_name="ABN AMRO")
SELLER = Seller(
    name="Northgate DC",
    legal_name="Northgate Data Centres B.V.",
    address=("Kabelweg 37", "1014 BA Amsterdam"),
    country="NL",
    tax_id="NL861234567B01",
    email="billing@northgate.example",
    colour="#0f766e",
    bank=BANK,
)
BUYER = Buyer("Lumen Analytics GmbH", ("Friedrichstraße 88", "10117 Berlin"), "DE", "DE298765432", reference="LUM-0042")


def line(amount: int, description: str = "Energy, feed A", **members: Any) -> DocumentLine:
    values = {"quantity": Decimal("744.128"), "unit": "kWh", "unit_price": Decimal("0.3"), "span": JANUARY} | members
    return DocumentLine(description=description, charge_code="energy", amount=amount, **values)


def group(*lines: DocumentLine, name: str = "Lumen Analytics GmbH", subscription: str = "Rack 12") -> BeneficiaryGroup:
    return BeneficiaryGroup(name, (SubscriptionGroup(subscription, lines, reference="rack-12"),))


def invoice(*groups: BeneficiaryGroup, rate: str = "21", currency: str = "EUR", **members: Any) -> InvoiceDocument:
    net = sum(g.amount for g in groups)
    tax = round_line(Decimal(net) * Decimal(rate) / 100, "JPY").minor  # net is in minor units already
    settled = members.pop("settled_amount", 0)
    values: dict[str, Any] = {
        "number": "NG-2026-000123",
        "issued_on": date(2026, 2, 1),
        "due_on": date(2026, 2, 15),
        "taxes": (DocumentTax("S", Decimal(rate), net, tax),),
        "total_amount": net + tax,
        "due_amount": net + tax - settled,
        "settled_amount": settled,
        "time_zone": "Europe/Amsterdam",
        "payment": PaymentInstructions(bank=BANK),
    }
    return InvoiceDocument(
        seller=SELLER, buyer=BUYER, currency=currency, groups=groups, subtotal_amount=net, **values | members
    )
