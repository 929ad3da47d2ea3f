"""Taxes of a document: once per category and rate, on the sum of the lines' net amounts.

Source: EN 16931-1, BR-CO-17 (tax of a category = its net amount × its rate, rounded to the currency's decimals). For
prices that include their tax the net amount of a category and rate is what is left of its gross amount, rounded once;
a leftover minor unit is the document's rounding amount (BT-114).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from billing.tax.decision import HUNDRED, STANDARD, Tax, TaxRate, rate_json, read_rate
from core.decimals import exact
from core.money import Money, round_line, round_ratio


@dataclass(frozen=True)
class Priced:
    """A line's rounded amount as it was priced: net, or gross where `inclusive`."""

    amount: Money
    tax: Tax
    inclusive: bool = False


@dataclass(frozen=True)
class TaxSubtotal:
    """What one category and rate comes to on one document (EN 16931 BG-23)."""

    tax: TaxRate
    net: Money
    amount: Money


def subtotal_json(subtotal: TaxSubtotal) -> dict[str, Any]:
    """A subtotal as documents store and show it."""
    return rate_json(subtotal.tax) | {"net_amount": subtotal.net.minor, "tax_amount": subtotal.amount.minor}


def read_subtotal(stored: Mapping[str, Any], currency: str) -> TaxSubtotal:
    """What `subtotal_json` wrote, of a document in a currency."""
    amounts = Money(stored["net_amount"], currency), Money(stored["tax_amount"], currency)
    return TaxSubtotal(read_rate(stored), *amounts)


@dataclass(frozen=True)
class Taxed:
    """The taxes of a document.

    Args:
        nets: each line's net amount, in the order of the lines.
        taxes: standard rates first, the highest first among equals.
        rounding: what prices that include their tax leave over: at most a minor unit per subtotal, else zero.
    """

    nets: tuple[Money, ...]
    taxes: tuple[TaxSubtotal, ...]
    rounding: Money


def tax_on(net: Money, tax: TaxRate) -> Money:
    """The tax on a net amount, rounded once, half away from zero. A negative net has a negative tax."""
    with exact():
        return round_line(net.major * tax.rate / HUNDRED, net.currency)


def tax_lines(lines: Sequence[Priced], currency: str) -> Taxed:
    """Tax the lines of a document, all in one currency."""
    nets = [line.amount for line in lines]
    clusters = _clusters(lines) if any(line.inclusive for line in lines) else []
    for cluster in clusters:
        for i, net in _net_of_gross(cluster, lines).items():
            nets[i] = Money(net, currency)
    taxes = tax_subtotals((net, line.tax) for net, line in zip(nets, lines, strict=True))
    rounding = sum(_left_over(cluster, lines, nets, taxes) for cluster in clusters)
    return Taxed(tuple(nets), taxes, Money(rounding, currency))


def tax_subtotals(nets: Iterable[tuple[Money, Tax]]) -> tuple[TaxSubtotal, ...]:
    """Sum the lines per category and rate, then tax each sum once.

    Args:
        nets: each line's rounded net amount with its tax. All in one currency.

    Returns:
        One subtotal per category, rate and jurisdiction that occurs, standard rates first, the highest first among
        equals. Its notes are those of all its lines.
    """
    sums: dict[TaxRate, Money] = {}
    grounds: defaultdict[TaxRate, dict[tuple[str, str], None]] = defaultdict(dict)
    for net, tax in nets:
        for rate in tax.rates:
            sums[rate] = sums[rate] + net if rate in sums else net
            grounds[rate][rate.reason, rate.note] = None
    order = sorted(sums, key=lambda rate: (rate.category != STANDARD, rate.category, -rate.rate, rate.jurisdiction))
    return tuple(TaxSubtotal(_grounded(rate, grounds[rate]), sums[rate], tax_on(sums[rate], rate)) for rate in order)


def _grounded(rate: TaxRate, grounds: Collection[tuple[str, str]]) -> TaxRate:
    """A rate with the notes of all its lines; a code that is not that of all would say too much."""
    if len(grounds) == 1:
        return rate
    notes = dict.fromkeys(note for _, note in grounds if note)
    reasons = {reason for reason, _ in grounds}
    return replace(rate, note=" ".join(notes), reason=reasons.pop() if len(reasons) == 1 else "")


Cluster = Mapping[Tax, Sequence[int]]  # lines by their tax, as places in the list of lines


def _clusters(lines: Sequence[Priced]) -> list[Cluster]:
    """Lines whose taxes are rounded together, where prices include them: those of one category and rate.

    Where several places take a tax on one base, sums belong to more than one decision, so all are taken together.
    """
    by_tax: defaultdict[Tax, list[int]] = defaultdict(list)
    for i, line in enumerate(lines):
        by_tax[line.tax].append(i)
    clusters: list[Cluster] = [by_tax] if any(len(t.rates) > 1 for t in by_tax) else [{t: by_tax[t]} for t in by_tax]
    return [c for c in clusters if any(lines[i].inclusive for its in c.values() for i in its)]


def _net_of_gross(cluster: Cluster, lines: Sequence[Priced]) -> dict[int, int]:
    """The net amounts of the lines that include their tax, by place, in minor units.

    What rounding one decision's sum leaves over goes into the next one's, so that it never adds up.
    """
    found: dict[int, int] = {}
    carried = Fraction(0)
    for tax in sorted(cluster, key=lambda tax: (tax.rate, tax.rates)):
        inclusive = [i for i in cluster[tax] if lines[i].inclusive]
        shares = [_without(lines[i].amount.minor, tax) for i in inclusive]
        net = round_ratio(sum(shares, carried))
        carried = sum(shares, carried) - net
        found |= zip(inclusive, _by_largest_remainder(net, shares), strict=True)
    return found


def _without(gross: int, tax: Tax) -> Fraction:
    return Fraction(gross) * 100 / (100 + Fraction(tax.rate))


def _by_largest_remainder(total: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole numbers that add up to the total, each within one of its share. Ties go to the earlier; a negative total
    is the mirror of its positive.
    """
    if total < 0:
        return [-part for part in _by_largest_remainder(-total, [-share for share in shares])]
    parts = [share // 1 for share in shares]
    nearest = sorted(range(len(parts)), key=lambda i: (parts[i] - shares[i], i))
    for i in nearest[: total - sum(parts)]:
        parts[i] += 1
    return parts


def _left_over(cluster: Cluster, lines: Sequence[Priced], nets: Sequence[Money], taxes: Sequence[TaxSubtotal]) -> int:
    """What the payer owes by the prices, less what net amounts and taxes come to (EN 16931 BT-114)."""
    owed = Fraction(0)
    for tax, its in cluster.items():
        share = 1 + Fraction(tax.rate) / 100
        owed += sum(lines[i].amount.minor * (1 if lines[i].inclusive else share) for i in its)
    rates = {rate for tax in cluster for rate in tax.rates}
    net = sum(nets[i].minor for its in cluster.values() for i in its)
    return round_ratio(owed) - net - sum(subtotal.amount.minor for subtotal in taxes if subtotal.tax in rates)
