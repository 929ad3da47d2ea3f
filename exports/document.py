"""An invoice as a value: everything a document says, and nothing about how it looks.

Amounts are integers in the currency's minor unit; quantities and unit prices are exact decimals; spans are half-open
instants, shown as dates in the document's zone. A document that does not add up cannot be made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from core.period import Period

DEFAULT_COLOUR = "#1d4ed8"
# Documents that stand in the books, and have a number and a date.
ISSUED = ("invoice", "credit_note")

# An invoice is owed and has a number. A pro forma shows what one would say; a statement what is not billed yet, net.
Kind = Literal["invoice", "credit_note", "pro_forma", "statement"]


@dataclass(frozen=True)
class Logo:
    """A seller's logo as its file: `kind` tells which. SVG is drawn sharp at any size."""

    kind: Literal["svg", "png"]
    content: bytes


@dataclass(frozen=True)
class BankDetails:
    """Where a transfer goes. `iban` and `bic` (ISO 13616, ISO 9362), or `account_number` with `bank_code` elsewhere."""

    holder: str
    iban: str = ""
    bic: str = ""
    bank_name: str = ""
    account_number: str = ""
    bank_code: str = ""


@dataclass(frozen=True)
class Seller:
    """Who issues the document, as it was when the document became final.

    `colour` is `#rrggbb`; anything else falls back to the default. `bank` is what the foot of each page shows.
    """

    name: str
    legal_name: str
    address: tuple[str, ...] = ()
    country: str = ""
    tax_id: str = ""
    registration: str = ""
    email: str = ""
    phone: str = ""
    website: str = ""
    colour: str = DEFAULT_COLOUR
    logo: Logo | None = None
    bank: BankDetails | None = None


@dataclass(frozen=True)
class Buyer:
    """Who is billed. `address` is its lines in order, without the name; `reference` is the account number."""

    name: str
    address: tuple[str, ...] = ()
    country: str = ""
    tax_id: str = ""
    email: str = ""
    reference: str = ""


@dataclass(frozen=True)
class LineReduction:
    """What a coupon took off a line, in minor units; `percent` is None where it is an amount."""

    name: str
    percent: Decimal | None
    amount: int


@dataclass(frozen=True)
class DocumentLine:
    """One line.

    Args:
        description: what was delivered, for people.
        charge_code: the stable name of the charge.
        amount: net, in minor units; negative for a credit.
        span: what it is for; None for a one-off.
        quantity: in `unit`; None for a flat amount.
        unit_price: per unit, in major units; None where several prices apply, `prices` of them, or where `price_note`
            says why.
        exact: the amount before it was rounded, in major units, where it is worth knowing.
        with_tax: what was charged, in minor units, where prices include their tax; quantity and price make that.
        quality_note: how the quantity was measured, where not simply measured: `"12 % estimated"`.
        cost_centre: which of the buyer's pays for it.
        so_far: its span still runs, and it grows until that ends.
        reductions: what coupons took off it, in their order; `amount` is what is left.
    """

    description: str
    charge_code: str
    amount: int
    span: Period | None = None
    quantity: Decimal | None = None
    unit: str = ""
    unit_price: Decimal | None = None
    price_note: str = ""
    prices: int = 0
    exact: Decimal | None = None
    with_tax: int | None = None
    quality_note: str = ""
    cost_centre: str = ""
    so_far: bool = False
    reductions: tuple[LineReduction, ...] = ()


@dataclass(frozen=True)
class SubscriptionGroup:
    """The lines of one subscription; `reference` is its id or external id, `purchase_order` the buyer's number."""

    name: str
    lines: tuple[DocumentLine, ...]
    reference: str = ""
    purchase_order: str = ""

    @property
    def amount(self) -> int:
        """The sum of the lines' net amounts, in minor units."""
        return sum(line.amount for line in self.lines)


@dataclass(frozen=True)
class BeneficiaryGroup:
    """What one account of the payer's tree received."""

    name: str
    subscriptions: tuple[SubscriptionGroup, ...]
    reference: str = ""

    @property
    def amount(self) -> int:
        """The sum of the lines' net amounts, in minor units."""
        return sum(group.amount for group in self.subscriptions)


@dataclass(frozen=True)
class DocumentTax:
    """The tax of one category and rate (EN 16931 BG-23).

    Args:
        category: the UNCL 5305 code: S standard, Z zero, E exempt, AE reverse charge, G export, O out of scope.
        rate: per cent.
        net_amount: what it was computed on, in minor units.
        tax_amount: in minor units.
        name: the tax's name where it is sold (`"VAT"`, `"GST"`).
        note: the legal ground of a rate of zero, printed below the totals.
        jurisdiction: who takes it, where several take one each.
    """

    category: str
    rate: Decimal
    net_amount: int
    tax_amount: int
    name: str = "VAT"
    note: str = ""
    jurisdiction: str = ""


@dataclass(frozen=True)
class CostCentre:
    """What a document's lines of one cost centre come to, net, in minor units; those of none have no name."""

    name: str
    amount: int


@dataclass(frozen=True)
class CardOnFile:
    """The card that will be charged (`charged_on` None: at once)."""

    brand: str
    last4: str
    charged_on: date | None = None


@dataclass(frozen=True)
class PaymentInstructions:
    """How to pay: by the card on file, else by transfer to `bank` quoting `reference`. `text` is printed as it is."""

    card: CardOnFile | None = None
    bank: BankDetails | None = None
    reference: str = ""
    text: str = ""


@dataclass(frozen=True)
class Corrected:
    """An invoice that a credit note corrects, and when that was issued (EN 16931 BT-25, BT-26)."""

    number: str
    issued_on: date


@dataclass(frozen=True)
class InvoiceDocument:
    """A whole invoice, or what looks like one.

    Args:
        kind: what it is; only an invoice asks for money.
        number: None for a draft, which never had one, and for what is no invoice.
        issued_on, due_on, supply: dates in `time_zone`; `supply` is the span the document is for, where it has one.
        locale: a BCP 47 tag for words, dates and numbers (`"en-GB"`, `"nl-NL"`).
        subtotal_amount: the sum of the lines.
        rounding_amount: EN 16931 BT-114; zero for tax-exclusive prices.
        settled_amount: what allocations have covered when the document was made.
        lines_apart: how many lines stand apart, in a file beside this document whose groups only sum them up; 0 where
            the groups have every line.
        cost_centres: what the lines come to by cost centre; nothing where they have none.
        corrects: the invoices that a credit note is about (EN 16931 BG-3).
        watermark: printed across each page.

    Raises:
        ValueError: lines, taxes, cost centres and totals do not add up, or an invoice has no number.
    """

    seller: Seller
    buyer: Buyer
    number: str | None
    issued_on: date
    currency: str
    groups: tuple[BeneficiaryGroup, ...]
    subtotal_amount: int
    taxes: tuple[DocumentTax, ...]
    total_amount: int
    due_amount: int
    settled_amount: int = 0
    rounding_amount: int = 0
    due_on: date | None = None
    supply: Period | None = None
    purchase_order: str = ""
    cost_centre: str = ""
    time_zone: str = "UTC"
    locale: str = "en-GB"
    payment: PaymentInstructions = field(default_factory=PaymentInstructions)
    notes: tuple[str, ...] = ()
    lines_apart: int = 0
    cost_centres: tuple[CostCentre, ...] = ()
    kind: Kind = "invoice"
    corrects: tuple[Corrected, ...] = ()
    watermark: Literal["draft", "void"] | None = None

    def __post_init__(self) -> None:
        taxes = sum(tax.tax_amount for tax in self.taxes)
        if sum(group.amount for group in self.groups) != self.subtotal_amount:
            raise ValueError("the lines do not add up to the subtotal")
        if self.subtotal_amount + taxes + self.rounding_amount != self.total_amount:
            raise ValueError("subtotal, taxes and rounding do not add up to the total")
        if self.total_amount - self.settled_amount != self.due_amount:
            raise ValueError("the amount due is not the total less what is settled")
        if self.cost_centres and sum(each.amount for each in self.cost_centres) != self.subtotal_amount:
            raise ValueError("the cost centres do not add up to the subtotal")
        if self.number is None and self.watermark is None and self.kind in ISSUED:
            raise ValueError("a document without a number is a draft or void")
