"""Tax of a document: once per category and rate, on the sum of the lines' net amounts.

Source: EN 16931-1, BR-CO-17 (tax of a category = its net amount × its rate, rounded to the currency's decimals) and
UNCL 5305 for the category codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from core.decimals import exact
from core.money import Money, round_line

HUNDRED = Decimal(100)


@dataclass(frozen=True, order=True)
class TaxRate:
    """A category (`S` standard, `Z` zero, `E` exempt, `AE` reverse charge, …) and its rate in per cent."""

    category: str
    rate: Decimal

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= HUNDRED:
            raise ValueError("a tax rate is between 0 and 100 per cent")


@dataclass(frozen=True)
class TaxSubtotal:
    """What one category and rate comes to on one document (EN 16931 BG-23)."""

    tax: TaxRate
    net: Money
    amount: Money


def flat_rate(rate: Decimal) -> TaxRate:
    """The one configured rate as a category: standard above zero, zero-rated at zero."""
    return TaxRate("S" if rate > 0 else "Z", rate)


def tax_on(net: Money, tax: TaxRate) -> Money:
    """The tax on a net amount, rounded once, half away from zero. A negative net has a negative tax."""
    with exact():
        return round_line(net.major * tax.rate / HUNDRED, net.currency)


def tax_subtotals(nets: Iterable[tuple[Money, TaxRate]]) -> tuple[TaxSubtotal, ...]:
    """Sum the lines per category and rate, then tax each sum once.

    Args:
        nets: each line's rounded net amount with its tax. All in one currency.

    Returns:
        One subtotal per category and rate that occurs, standard rates first, the highest first among equals.
    """
    sums: dict[TaxRate, Money] = {}
    for net, tax in nets:
        sums[tax] = sums[tax] + net if tax in sums else net
    order = sorted(sums, key=lambda tax: (tax.category != "S", tax.category, -tax.rate))
    return tuple(TaxSubtotal(tax, sums[tax], tax_on(sums[tax], tax)) for tax in order)
