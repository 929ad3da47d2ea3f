"""The arithmetic of a document: every rule that it keeps, by name.

Source: EN 16931-1, business rules BR-CO-10 to BR-CO-18 and those of the tax categories (BR-S, -Z, -E, -AE, -G, -O,
-IC), and rule 2 of our own for prices that include their tax. Reductions stand on their lines, so a document has no
allowances or charges of its own, and BR-CO-11 and BR-CO-12 hold by there being none (BT-107 and BT-108 are absent).
Rules about which numbers of a party an e-invoice may carry beside an `O` (BR-O-02 to -04) are the e-invoice's.
Of taxes that several places take on one base, each is a breakdown of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import chain

from billing.tax import Tax, TaxRate, TaxSubtotal
from billing.tax.decision import (
    EXPORT,
    INTRA_COMMUNITY,
    OUTSIDE_SCOPE,
    REVERSE_CHARGE,
    STANDARD,
    ZERO_RATED,
)
from core.money import round_ratio

# How the rules of a category are called: those of `K` are named for what it is.
NAMES = {INTRA_COMMUNITY: "IC"}
TAXED = (STANDARD, ZERO_RATED)


@dataclass(frozen=True)
class LineSum:
    """What lines of a document that are taxed and priced alike come to, in minor units.

    Args:
        net: the sum of their net amounts.
        charged: the sum as they were priced: the same, or with tax where `inclusive`.
    """

    tax: Tax
    inclusive: bool
    net: int
    charged: int


@dataclass(frozen=True)
class Document:
    """A document as it states itself; of a credit note the amounts are those that it gives back.

    Args:
        net, tax, rounding, total: BT-109, BT-110, BT-114, and what is owed before anything is paid.
        paid, due: BT-113 and BT-115.
        whole: whether it stands by itself. The parts of an invoice that credit notes give back are rounded together, so
            that each may be a minor unit off what its own lines would make.
    """

    currency: str
    lines: Sequence[LineSum]
    taxes: Sequence[TaxSubtotal]
    net: int
    tax: int
    rounding: int
    total: int
    due: int
    paid: int = 0
    seller_tax_id: str = ""
    buyer_tax_id: str = ""
    whole: bool = True


@dataclass(frozen=True)
class Broken:
    """A rule that a document breaks, and how."""

    rule: str
    detail: str


def check(document: Document) -> tuple[Broken, ...]:
    """Every rule that a document breaks; none for a sound one."""
    found = (rules(document) for rules in (_sums, _breakdowns, _categories, _grounds, _parties, _rounding))
    return tuple(chain.from_iterable(found))


def _sums(document: Document) -> Iterator[Broken]:
    """BR-CO-10, -13 to -16."""
    lines = sum(line.net for line in document.lines)
    taxes = sum(subtotal.amount.minor for subtotal in document.taxes)
    if lines != document.net:
        yield Broken("BR-CO-10", f"the lines come to {lines}, their sum says {document.net}")
        yield Broken("BR-CO-13", f"without tax it is {document.net}, and its lines {lines}")
    if taxes != document.tax:
        yield Broken("BR-CO-14", f"the taxes come to {taxes}, their sum says {document.tax}")
    with_tax = document.total - document.rounding
    if document.net + document.tax != with_tax:
        yield Broken("BR-CO-15", f"{document.net} and {document.tax} are not {with_tax}")
    due = with_tax - document.paid + document.rounding
    if due != document.due:
        yield Broken("BR-CO-16", f"{due} is to pay, it says {document.due}")


def _breakdowns(document: Document) -> Iterator[Broken]:
    """BR-CO-17 and -18, and the sums of each category and rate (BR-S-08 and its like, -09)."""
    nets: defaultdict[TaxRate, int] = defaultdict(int)
    for line in document.lines:
        for rate in line.tax.rates:
            nets[rate] += line.net
    if document.lines and not document.taxes:
        yield Broken("BR-CO-18", "it has lines and no breakdown of taxes")
    for subtotal in document.taxes:
        tax, net, amount = subtotal.tax, subtotal.net.minor, subtotal.amount.minor
        own = nets.pop(tax, 0)
        if own != net:
            yield Broken(_rule(tax.category, 8), f"lines of {_shown(tax)} come to {own}, the breakdown says {net}")
        exact = round_ratio(net * _part(tax.rate))
        if abs(amount - exact) > (0 if document.whole else 1):
            yield Broken("BR-CO-17", f"{_shown(tax)} on {net} is {exact}, the breakdown says {amount}")
        if tax.category != STANDARD and amount:
            yield Broken(_rule(tax.category, 9), f"{tax.category} takes no tax, the breakdown says {amount}")
    for tax in nets:
        yield Broken(_rule(tax.category, 1), f"lines of {_shown(tax)} have no breakdown")


def _categories(document: Document) -> Iterator[Broken]:
    """One breakdown of a category and rate (BR-Z-01, …); rates of lines (BR-S-05, …); BR-O-11 and -12."""
    counted = Counter(subtotal.tax for subtotal in document.taxes)
    for tax, number in counted.items():
        if number != 1:
            yield Broken(_rule(tax.category, 1), f"{number} breakdowns of {_shown(tax)}")
    for line in document.lines:
        if (line.tax.rate > 0) != (line.tax.category == STANDARD):
            yield Broken(_rule(line.tax.category, 5), f"a line of {line.tax.category} at {line.tax.rate} %")
    categories = {tax.category for tax in counted}
    if OUTSIDE_SCOPE in categories and categories != {OUTSIDE_SCOPE}:
        yield Broken("BR-O-11", "what is outside the scope shares a document with what is not")
    of_lines = {line.tax.category for line in document.lines}
    if OUTSIDE_SCOPE in of_lines and of_lines != {OUTSIDE_SCOPE}:
        yield Broken("BR-O-12", "lines within and outside the scope")


def _grounds(document: Document) -> Iterator[Broken]:
    """A reason where no tax is due, none where one is (BR-S-10 and its like)."""
    for subtotal in document.taxes:
        tax = subtotal.tax
        wanted = tax.category not in TAXED
        if bool(tax.reason or tax.note) != wanted:
            yield Broken(_rule(tax.category, 10), f"{tax.category} {'lacks a' if wanted else 'has a'} reason")


def _parties(document: Document) -> Iterator[Broken]:
    """Who both are, where the other one owes the tax or the goods leave (BR-AE-02, BR-IC-02, BR-G-02)."""
    categories = {subtotal.tax.category for subtotal in document.taxes}
    for category in (REVERSE_CHARGE, INTRA_COMMUNITY, EXPORT):
        if category in categories and not document.seller_tax_id:
            yield Broken(_rule(category, 2), "the seller has no tax id")
    for category in (REVERSE_CHARGE, INTRA_COMMUNITY):
        if category in categories and not document.buyer_tax_id:
            yield Broken(_rule(category, 2), "the buyer has no tax id")


def _rounding(document: Document) -> Iterator[Broken]:
    """Rule 2: what a price that includes its tax leaves, and how little of it is rounded.

    An amount that is credited with its tax in it leaves as little, over all credit notes of an invoice together.
    """
    for line in document.lines:
        if not line.inclusive and line.net != line.charged:
            yield Broken("net", f"{line.charged} was charged without tax, its lines say {line.net}")
    if not document.whole:
        return
    most = len(document.taxes) if any(line.inclusive for line in document.lines) else 0
    if abs(document.rounding) > most:
        yield Broken("rounding", f"{document.rounding} is rounded, at most {most} may be")
    if any(len(line.tax.rates) > 1 for line in document.lines):
        return
    for line in (line for line in document.lines if line.inclusive):
        exact = round_ratio(line.charged / (1 + _part(line.tax.rate)))
        if exact != line.net:
            yield Broken("net", f"{line.charged} without {_shown(line.tax.rates[0])} is {exact}, not {line.net}")
    owed = sum((_owed(its) for its in _by_tax(document.lines)), 0)
    if owed != document.total:
        yield Broken("rounding", f"the prices come to {owed}, the document to {document.total}")


def _by_tax(lines: Iterable[LineSum]) -> Iterable[list[LineSum]]:
    found: defaultdict[Tax, list[LineSum]] = defaultdict(list)
    for line in lines:
        found[line.tax].append(line)
    return found.values()


def _owed(lines: list[LineSum]) -> int:
    """What lines of one tax come to with it, by their prices."""
    inclusive = sum(line.charged for line in lines if line.inclusive)
    without_tax = sum(line.charged for line in lines if not line.inclusive)
    return round_ratio(inclusive + without_tax * (1 + _part(lines[0].tax.rate)))


@lru_cache(maxsize=256)
def _part(rate: Decimal) -> Fraction:
    """Per cent as a fraction; thousands of documents have the same few rates."""
    return Fraction(rate) / 100


def _rule(category: str, number: int) -> str:
    return f"BR-{NAMES.get(category, category)}-{number:02}"


def _shown(tax: TaxRate) -> str:
    return " ".join(filter(None, (tax.category, f"{tax.rate.normalize():f} %", tax.jurisdiction)))
