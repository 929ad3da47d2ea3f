"""Double entry: what each happening debits and credits, as values.

A leg debits one ledger account and credits another by an amount above zero, so the books balance by construction. What
undoes something is its mirror, never an update.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from billing.tax import TaxSubtotal
from core.money import Money


class Kind(StrEnum):
    """What a ledger account holds."""

    RECEIVABLE = "receivable"  # what a payer owes
    CUSTOMER_CREDIT = "customer_credit"  # what a payer has paid and not yet used
    REVENUE = "revenue"
    TAX = "tax"  # collected for the state
    CLEARING = "clearing"  # on its way from a gateway or bank
    REFUNDS = "refunds"  # given back of what was earned, against revenue
    BAD_DEBT = "bad_debt"  # owed and given up


@dataclass(frozen=True)
class Book:
    """Which ledger account: one per seller, kind and currency, and per payer or gateway account where its kind is."""

    seller_id: UUID
    kind: Kind
    currency: str
    account_id: UUID | None = None
    gateway_account_id: UUID | None = None


@dataclass(frozen=True)
class Leg:
    """One transfer to write: `debit` and `credit` differ, the amount is above zero and in both books' currency."""

    debit: Book
    credit: Book
    amount: Money

    def __post_init__(self) -> None:
        if self.amount.minor <= 0:
            raise ValueError("a transfer moves an amount above zero")
        if self.debit == self.credit:
            raise ValueError("a transfer moves between two accounts")
        if not self.debit.currency == self.credit.currency == self.amount.currency:
            raise ValueError("a transfer has one currency")


def invoice_finalized(
    seller_id: UUID, payer_id: UUID, net: Money, taxes: Iterable[TaxSubtotal], rounding: Money
) -> tuple[Leg, ...]:
    """The payer owes the net amount, which is revenue as what was rounded is, and each tax, which is the state's."""
    receivable = Book(seller_id, Kind.RECEIVABLE, net.currency, payer_id)
    revenue = Book(seller_id, Kind.REVENUE, net.currency)
    tax = Book(seller_id, Kind.TAX, net.currency)
    parts = [(revenue, net + rounding), *((tax, subtotal.amount) for subtotal in taxes)]
    return tuple(leg for book, amount in parts for leg in _move(receivable, book, amount))


def credit_note_issued(
    seller_id: UUID, payer_id: UUID, net: Money, taxes: Iterable[TaxSubtotal], rounding: Money
) -> tuple[Leg, ...]:
    """The mirror of an invoice, but for what was owed: revenue and taxes are given back into the payer's credit."""
    credit = Book(seller_id, Kind.CUSTOMER_CREDIT, net.currency, payer_id)
    revenue = Book(seller_id, Kind.REVENUE, net.currency)
    tax = Book(seller_id, Kind.TAX, net.currency)
    parts = [(revenue, net + rounding), *((tax, subtotal.amount) for subtotal in taxes)]
    return tuple(leg for book, amount in parts for leg in _move(book, credit, amount))


def written_off(seller_id: UUID, payer_id: UUID, owed: Money) -> tuple[Leg, ...]:
    """Nobody expects this to be paid any more. Its tax stays as it was: whether the state gives it back is a matter of
    its law, and of its forms.
    """
    debt = Book(seller_id, Kind.BAD_DEBT, owed.currency)
    return _move(debt, Book(seller_id, Kind.RECEIVABLE, owed.currency, payer_id), owed)


def recovered(seller_id: UUID, payer_id: UUID, amount: Money) -> tuple[Leg, ...]:
    """What was written off is settled after all: so much of it was owed again when the money came."""
    debt = Book(seller_id, Kind.BAD_DEBT, amount.currency)
    return _move(Book(seller_id, Kind.RECEIVABLE, amount.currency, payer_id), debt, amount)


def payment_received(
    seller_id: UUID, payer_id: UUID, gateway_account_id: UUID | None, allocated: Money, unallocated: Money
) -> tuple[Leg, ...]:
    """Money came in: it pays what is owed, and what is left over is the payer's credit.

    Args:
        gateway_account_id: the gateway account it came by; None for one that came by none.
        allocated: what invoices take of it, zero or more.
        unallocated: the rest, zero or more.
    """
    clearing = Book(seller_id, Kind.CLEARING, allocated.currency, gateway_account_id=gateway_account_id)
    receivable = Book(seller_id, Kind.RECEIVABLE, allocated.currency, payer_id)
    credit = Book(seller_id, Kind.CUSTOMER_CREDIT, allocated.currency, payer_id)
    return (*_move(clearing, receivable, allocated), *_move(clearing, credit, unallocated))


def credit_used(seller_id: UUID, payer_id: UUID, amount: Money) -> tuple[Leg, ...]:
    """Money that had come in before pays an invoice now."""
    credit = Book(seller_id, Kind.CUSTOMER_CREDIT, amount.currency, payer_id)
    return _move(credit, Book(seller_id, Kind.RECEIVABLE, amount.currency, payer_id), amount)


def money_returned(
    seller_id: UUID, payer_id: UUID, gateway_account_id: UUID | None, from_credit: Money, from_revenue: Money
) -> tuple[Leg, ...]:
    """Money went back: of the payer's credit first; the rest had settled invoices and is given back of the revenue."""
    clearing = Book(seller_id, Kind.CLEARING, from_credit.currency, gateway_account_id=gateway_account_id)
    credit = Book(seller_id, Kind.CUSTOMER_CREDIT, from_credit.currency, payer_id)
    refunds = Book(seller_id, Kind.REFUNDS, from_credit.currency)
    return (*_move(credit, clearing, from_credit), *_move(refunds, clearing, from_revenue))


def _move(debit: Book, credit: Book, amount: Money) -> tuple[Leg, ...]:
    """One leg; none for zero; for a negative amount the other way round."""
    if amount.minor == 0:
        return ()
    return (Leg(debit, credit, amount),) if amount.minor > 0 else (Leg(credit, debit, -amount),)
