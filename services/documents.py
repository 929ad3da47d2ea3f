"""What invoices and credit notes are alike in: the next drafts of a run, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select, true, tuple_

from billing.states import INVOICE
from models.accounts import Account
from models.billing import BillingRun, Invoice
from models.credit_notes import CreditNote
from models.providers import Seller
from services.context import Context
from services.sets import among

Document = TypeVar("Document", Invoice, CreditNote)


def drafts_of(
    ctx: Context, table: type[Document], run_id: UUID, limit: int, *, before: tuple[date, UUID] | None = None
) -> Sequence[Document]:
    """The next drafts of a run that become final by themselves, in the order of their numbers, locked.

    The run's row is locked first: of two that work on one run, the second waits and sees what the first has left. Who
    adds drafts to the run does not wait.

    Args:
        before: only those before this (bill date, payer).
    """
    ctx.session.execute(
        select(BillingRun.id)
        .where(BillingRun.provider_id == ctx.provider.id, BillingRun.id == run_id)
        .with_for_update(key_share=True)
    )
    return ctx.session.scalars(
        select(table)
        .where(
            table.provider_id == ctx.provider.id,
            table.run_id == run_id,
            table.status == INVOICE.initial,
            table.finalizes,
            true() if before is None else tuple_(table.bill_on, table.account_id) < before,
        )
        .order_by(table.bill_on, table.account_id, table.currency, table.id)
        .limit(limit)
        .with_for_update()
    ).all()


def parties_of(ctx: Context, documents: Sequence[Invoice] | Sequence[CreditNote]) -> dict[UUID, tuple[Account, Seller]]:
    """The payer and the seller of each document, as they are now; by document."""

    def rows(table: Any, ids: set[UUID]) -> dict[UUID, Any]:
        found = ctx.session.scalars(select(table).where(table.provider_id == ctx.provider.id, among(table.id, ids)))
        return {row.id: row for row in found}

    accounts = rows(Account, {document.account_id for document in documents})
    sellers = rows(Seller, {document.seller_id for document in documents})
    return {each.id: (accounts[each.account_id], sellers[each.seller_id]) for each in documents}
