"""What goes onto which document, in which order, and what it adds up to.

A document has one seller and one currency; its total is the sum of rounded lines and of the tax per category and rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from billing.rating import AMOUNT_MOST
from billing.tax import Priced, Tax, TaxSubtotal, tax_lines
from core.errors import Refused
from core.money import Money


class DocumentKey(NamedTuple):
    """What charges must share to be on one document; documents are in its order.

    `grouping` is "" where a payer asked for no split. What is outside the scope of a tax shares no document with what
    is within it (EN 16931 BR-O-11, -12).
    """

    seller_id: UUID
    currency: str
    grouping: str = ""
    outside_scope: bool = False


class Billable(NamedTuple):
    """A charge that is due and on no document yet, as far as collecting needs it. A tuple, since thousands are made.

    Args:
        amount: rounded, as it was priced: net, or gross where `tax_inclusive`; negative for a credit.
        tax: what it is taxed with; of a correction, what it corrects was taxed with.
        beneficiary: the account that received it, with the name its lines are ordered by.
        subscription_id, subscription_order: whose charge it is, and the age of that subscription.
        charge_order: where it stands among the charges of its subscription: those of its own plan first, then by plan
            what that contains, then add-ons, then what was put on by hand; within a plan version by position.
        start: of its span; a one-off's instant.
    """

    id: UUID
    key: DocumentKey
    amount: Money
    tax: Tax
    beneficiary_id: UUID
    beneficiary_name: str
    beneficiary_is_payer: bool
    subscription_id: UUID
    subscription_order: datetime
    charge_order: tuple[int, str, int]
    start: datetime
    tax_inclusive: bool = False


@dataclass(frozen=True)
class Totals:
    """`total` is `net`, every tax and `rounding` added up; only prices that include their tax leave something to round.

    `nets` are the net amounts of the lines, in their order; they add up to `net`.
    """

    nets: tuple[Money, ...]
    net: Money
    taxes: tuple[TaxSubtotal, ...]
    tax: Money
    rounding: Money
    total: Money


@dataclass(frozen=True)
class PlannedDocument:
    """A document to make, its charges in the order of its lines."""

    key: DocumentKey
    charges: tuple[Billable, ...]
    totals: Totals


@dataclass(frozen=True)
class Collected:
    """Invoices to make, and documents that come to less than zero: credit notes, with the signs turned."""

    documents: tuple[PlannedDocument, ...]
    negative: tuple[PlannedDocument, ...]


def totals(lines: Sequence[Priced], currency: str) -> Totals:
    """Tax rounded lines once per category and rate, and add up (EN 16931 BR-CO-10, -13, -14, -15, -17)."""
    zero = Money(0, currency)
    taxed = tax_lines(lines, currency)
    net = sum(taxed.nets, zero)
    tax = sum((subtotal.amount for subtotal in taxed.taxes), zero)
    return Totals(taxed.nets, net, taxed.taxes, tax, taxed.rounding, net + tax + taxed.rounding)


def line_order(charge: Billable) -> tuple[object, ...]:
    """The payer's own lines first, then by beneficiary; within one by subscription, charge code and time.

    Ids decide what nothing else does, so that the same charges always give the same document.
    """
    return (
        not charge.beneficiary_is_payer,
        charge.beneficiary_name.casefold(),
        charge.beneficiary_id,
        charge.subscription_order,
        charge.subscription_id,
        charge.charge_order,
        charge.start,
        charge.id,
    )


def collect(charges: Iterable[Billable]) -> Collected:
    """Put one payer's waiting charges onto documents: one per seller, currency and grouping key.

    A document whose total would be negative is a credit note. A total of zero is an invoice like any other.

    Raises:
        Refused: `amount_out_of_range`, beyond what a bigint of minor units holds.
    """
    by_key: dict[DocumentKey, list[Billable]] = {}
    for charge in charges:
        by_key.setdefault(charge.key, []).append(charge)
    planned = [_plan(key, by_key[key]) for key in sorted(by_key)]
    return Collected(
        documents=tuple(document for document in planned if document.totals.total.minor >= 0),
        negative=tuple(document for document in planned if document.totals.total.minor < 0),
    )


def _plan(key: DocumentKey, charges: list[Billable]) -> PlannedDocument:
    ordered = tuple(sorted(charges, key=line_order))
    lines = [Priced(charge.amount, charge.tax, charge.tax_inclusive) for charge in ordered]
    sums = totals(lines, key.currency)
    if max(abs(sums.net.minor), abs(sums.total.minor)) > AMOUNT_MOST:
        raise Refused("amount_out_of_range", "This document comes to more than 64 bits hold.")
    return PlannedDocument(key, ordered, sums)
