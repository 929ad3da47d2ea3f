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
from fractions import Fraction

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
    return tuple(
        Broken(rule, detail)
        for rules in (_sums, _breakdowns, _categories, _grounds, _parties, _rounding)
        for rule, holds, detail in rules(document)
        if not holds
    )


Judged = Iterator[tuple[str, bool, str]]


def _sums(document: Document) -> Judged:
    """BR-CO-10, -13 to -16."""
    lines = sum(line.net for line in document.lines)
    taxes = sum(subtotal.amount.minor for subtotal in document.taxes)
    yield "BR-CO-10", lines == document.net, f"the lines come to {lines}, their sum says {document.net}"
    yield "BR-CO-13", lines == document.net, f"without tax it is {document.net}, and its lines {lines}"
    yield "BR-CO-14", taxes == document.tax, f"the taxes come to {taxes}, their sum says {document.tax}"
    with_tax = document.total - document.rounding
    yield "BR-CO-15", document.net + document.tax == with_tax, f"{document.net} and {document.tax} are not {with_tax}"
    due = with_tax - document.paid + document.rounding
    yield "BR-CO-16", due == document.due, f"{due} is to pay, it says {document.due}"


def _breakdowns(document: Document) -> Judged:
    """BR-CO-17 and -18, and the sums of each category and rate (BR-S-08 and its like, -09)."""
    nets: defaultdict[TaxRate, int] = defaultdict(int)
    for line in document.lines:
        for rate in line.tax.rates:
            nets[rate] += line.net
    yield "BR-CO-18", bool(document.taxes) or not document.lines, "it has lines and no breakdown of taxes"
    for subtotal in document.taxes:
        tax, net, amount = subtotal.tax, subtotal.net.minor, subtotal.amount.minor
        own = nets.pop(tax, 0)
        yield _rule(tax.category, 8), own == net, f"lines of {_shown(tax)} come to {own}, the breakdown says {net}"
        exact = round_ratio(net * Fraction(tax.rate) / 100)
        holds = abs(amount - exact) <= (0 if document.whole else 1)
        yield "BR-CO-17", holds, f"{_shown(tax)} on {net} is {exact}, the breakdown says {amount}"
        if tax.category != STANDARD:
            yield _rule(tax.category, 9), amount == 0, f"{tax.category} takes no tax, the breakdown says {amount}"
    for tax in nets:
        yield _rule(tax.category, 1), False, f"lines of {_shown(tax)} have no breakdown"


def _categories(document: Document) -> Judged:
    """One breakdown of a category and rate (BR-Z-01, …); rates of lines (BR-S-05, …); BR-O-11 and -12."""
    counted = Counter(subtotal.tax for subtotal in document.taxes)
    for tax, number in counted.items():
        yield _rule(tax.category, 1), number == 1, f"{number} breakdowns of {_shown(tax)}"
    for line in document.lines:
        taxed = line.tax.rate > 0
        holds = taxed == (line.tax.category == STANDARD)
        yield _rule(line.tax.category, 5), holds, f"a line of {line.tax.category} at {line.tax.rate} %"
    categories = {tax.category for tax in counted}
    alone = OUTSIDE_SCOPE not in categories or categories == {OUTSIDE_SCOPE}
    yield "BR-O-11", alone, "what is outside the scope shares a document with what is not"
    of_lines = {line.tax.category for line in document.lines}
    yield "BR-O-12", OUTSIDE_SCOPE not in of_lines or of_lines == {OUTSIDE_SCOPE}, "lines within and outside the scope"


def _grounds(document: Document) -> Judged:
    """A reason where no tax is due, none where one is (BR-S-10 and its like)."""
    for subtotal in document.taxes:
        tax = subtotal.tax
        has = bool(tax.reason or tax.note)
        wanted = tax.category not in TAXED
        yield _rule(tax.category, 10), has == wanted, f"{tax.category} {'lacks a' if wanted else 'has a'} reason"


def _parties(document: Document) -> Judged:
    """Who both are, where the other one owes the tax or the goods leave (BR-AE-02, BR-IC-02, BR-G-02)."""
    categories = {subtotal.tax.category for subtotal in document.taxes}
    for category in (REVERSE_CHARGE, INTRA_COMMUNITY, EXPORT):
        if category in categories:
            yield _rule(category, 2), bool(document.seller_tax_id), "the seller has no tax id"
    for category in (REVERSE_CHARGE, INTRA_COMMUNITY):
        if category in categories:
            yield _rule(category, 2), bool(document.buyer_tax_id), "the buyer has no tax id"


def _rounding(document: Document) -> Judged:
    """Rule 2: what a price that includes its tax leaves, and how little of it is rounded.

    An amount that is credited with its tax in it leaves as little, over all credit notes of an invoice together.
    """
    for line in document.lines:
        if not line.inclusive:
            yield "net", line.net == line.charged, f"{line.charged} was charged without tax, its lines say {line.net}"
    inclusive = any(line.inclusive for line in document.lines)
    most = len(document.taxes) if inclusive or not document.whole else 0
    holds = abs(document.rounding) <= most or not document.whole
    yield "rounding", holds, f"{document.rounding} is rounded, at most {most} may be"
    stacked = any(len(line.tax.rates) > 1 for line in document.lines)
    if not document.whole or stacked:
        return
    for line in (line for line in document.lines if line.inclusive):
        exact = round_ratio(line.charged * 100 / (100 + Fraction(line.tax.rate)))
        yield "net", exact == line.net, f"{line.charged} without {_shown(line.tax.rates[0])} is {exact}, not {line.net}"
    owed = sum((_owed(its) for its in _by_tax(document.lines)), 0)
    yield "rounding", owed == document.total, f"the prices come to {owed}, the document to {document.total}"


def _by_tax(lines: Iterable[LineSum]) -> Iterable[list[LineSum]]:
    found: defaultdict[Tax, list[LineSum]] = defaultdict(list)
    for line in lines:
        found[line.tax].append(line)
    return found.values()


def _owed(lines: list[LineSum]) -> int:
    """What lines of one tax come to with it, by their prices."""
    with_tax = 1 + Fraction(lines[0].tax.rate) / 100
    owed = (Fraction(line.charged) * (1 if line.inclusive else with_tax) for line in lines)
    return round_ratio(sum(owed, Fraction(0)))


def _rule(category: str, number: int) -> str:
    return f"BR-{NAMES.get(category, category)}-{number:02}"


def _shown(tax: TaxRate) -> str:
    return " ".join(filter(None, (tax.category, f"{tax.rate.normalize():f} %", tax.jurisdiction)))
