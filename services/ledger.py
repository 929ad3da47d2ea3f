"""The books: ledger accounts made when first used, transfers posted once per cause.

A transfer is never changed. What undoes one is another, under a cause of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, literal, select

from billing.postings import Book, Kind, Leg
from core.ids import new_id
from core.money import Money
from models.ledger import LedgerAccount, Transfer
from services.context import Context
from services.sets import add_rows, among


@dataclass(frozen=True)
class Posting:
    """What one cause moves: `kind` says what happened (`invoice.finalized`), `cause_id` to which thing."""

    kind: str
    cause_id: UUID
    legs: tuple[Leg, ...]


def post(ctx: Context, cause_kind: str, cause_id: UUID, legs: Sequence[Leg]) -> bool:
    """Write the legs of one cause.

    Returns:
        False when the cause was posted before; then nothing is written.
    """
    return bool(post_all(ctx, [Posting(cause_kind, cause_id, tuple(legs))])) or not legs


def post_all(ctx: Context, postings: Sequence[Posting]) -> int:
    """Write the legs of many causes in a fixed number of statements; causes posted before are passed over.

    Returns:
        How many transfers were written.
    """
    accounts = _accounts(ctx, {book for p in postings for leg in p.legs for book in (leg.debit, leg.credit)})
    rows = [_row(ctx, posting, index, leg, accounts) for posting in postings for index, leg in enumerate(posting.legs)]
    return add_rows(ctx, Transfer, rows, pass_over_known=True)


def reverse(ctx: Context, kind: str, cause_id: UUID, *, by: str) -> None:
    """Post the mirror of what a cause posted, under the cause `by` of the same thing."""
    posted = ctx.session.execute(
        select(Transfer).where(
            Transfer.provider_id == ctx.provider.id, Transfer.cause_kind == kind, Transfer.cause_id == cause_id
        )
    ).scalars()
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "debit_id": transfer.credit_id,
            "credit_id": transfer.debit_id,
            "amount": transfer.amount,
            "currency": transfer.currency,
            "cause_kind": by,
            "cause_id": cause_id,
            "leg": transfer.leg,
            "at": ctx.now,
        }
        for transfer in posted
    ]
    add_rows(ctx, Transfer, rows)


def balance(ctx: Context, kind: Kind, currency: str, *, account_id: UUID | None = None) -> Money:
    """Debits less credits over all ledger accounts of a kind: what they hold together, in minor units.

    Args:
        account_id: of one payer only.
    """
    books = select(LedgerAccount.id).where(
        LedgerAccount.provider_id == ctx.provider.id, LedgerAccount.kind == kind, LedgerAccount.currency == currency
    )
    if account_id is not None:
        books = books.where(LedgerAccount.account_id == account_id)
    signed = case((Transfer.debit_id.in_(books), Transfer.amount), else_=literal(0)) - case(
        (Transfer.credit_id.in_(books), Transfer.amount), else_=literal(0)
    )
    total = ctx.session.execute(
        select(func.coalesce(func.sum(signed), 0)).where(
            Transfer.provider_id == ctx.provider.id, Transfer.debit_id.in_(books) | Transfer.credit_id.in_(books)
        )
    ).scalar_one()
    return Money(int(total), currency)


def _row(ctx: Context, posting: Posting, index: int, leg: Leg, accounts: Mapping[Book, UUID]) -> dict[str, Any]:
    return {
        "provider_id": ctx.provider.id,
        "id": new_id(),
        "debit_id": accounts[leg.debit],
        "credit_id": accounts[leg.credit],
        "amount": leg.amount.minor,
        "currency": leg.amount.currency,
        "cause_kind": posting.kind,
        "cause_id": posting.cause_id,
        "leg": str(index),
        "at": ctx.now,
    }


def _accounts(ctx: Context, books: set[Book]) -> dict[Book, UUID]:
    """The ledger account of each book; those that are used for the first time are made."""
    found = _find(ctx, books)
    missing = sorted(books - found.keys(), key=repr)
    if missing:
        rows = [
            {
                "provider_id": ctx.provider.id,
                "id": new_id(),
                "seller_id": book.seller_id,
                "kind": book.kind.value,
                "currency": book.currency,
                "account_id": book.account_id,
                "gateway_account_id": book.gateway_account_id,
            }
            for book in missing
        ]
        # Two transactions may need the same book for the first time: one makes it, the other waits and finds it.
        add_rows(ctx, LedgerAccount, rows, pass_over_known=True)
        found = _find(ctx, books)
    return found


def _find(ctx: Context, books: Iterable[Book]) -> dict[Book, UUID]:
    """Those of some books that there are: a payer's by the payer, the few others by what they are."""
    wanted = set(books)
    payers = {book.account_id for book in wanted if book.account_id}
    found = _found(ctx, wanted, among(LedgerAccount.account_id, payers)) if payers else {}
    if any(book.account_id is None for book in wanted):
        found |= _found(ctx, wanted, LedgerAccount.account_id.is_(None))
    return {book: found[book] for book in wanted if book in found}


def _found(ctx: Context, wanted: Collection[Book], whose: ColumnElement[bool]) -> dict[Book, UUID]:
    rows = ctx.session.execute(
        select(
            LedgerAccount.seller_id,
            LedgerAccount.kind,
            LedgerAccount.currency,
            LedgerAccount.account_id,
            LedgerAccount.gateway_account_id,
            LedgerAccount.id,
        ).where(
            LedgerAccount.provider_id == ctx.provider.id,
            among(LedgerAccount.seller_id, {book.seller_id for book in wanted}),
            among(LedgerAccount.kind, {book.kind.value for book in wanted}),
            among(LedgerAccount.currency, {book.currency for book in wanted}),
            whose,
        )
    )
    return {
        Book(seller, Kind(kind), currency, account, gateway): row
        for seller, kind, currency, account, gateway, row in rows
    }
