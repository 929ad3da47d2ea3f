"""Drafts that wait for a person: told of when their run is done, made final together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import func, select, update

from billing.states import INVOICE
from billing.states.invoice import FINALIZE
from core.errors import Refused
from core.ids import encode
from models.billing import Invoice
from models.credit_notes import CreditNote
from services import invoicing_finalize, outbox
from services.context import Context, visible
from services.draft_review import awaiting
from services.savepoints import failure_of, reason_of
from services.sets import among

DOCUMENTS: tuple[type[Invoice] | type[CreditNote], ...] = (Invoice, CreditNote)


@dataclass(frozen=True)
class NotFinal:
    """A draft that was not made final, and why."""

    invoice_id: UUID
    code: str
    detail: str


@dataclass(frozen=True)
class Finalized:
    """What became of drafts that were to be made final together."""

    invoices: Sequence[Invoice]
    refused: Sequence[NotFinal]


def finalize_many(ctx: Context, invoice_ids: Collection[UUID]) -> Finalized:
    """Make drafts final, in the order of their numbers (bill date, payer). One that cannot be made final does not keep
    the others back.
    """
    wanted = set(invoice_ids)
    found = ctx.session.scalars(
        select(Invoice)
        .where(Invoice.provider_id == ctx.provider.id, among(Invoice.id, wanted), visible(ctx, Invoice.account_id))
        .order_by(Invoice.bill_on, Invoice.account_id, Invoice.currency, Invoice.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    refused = [NotFinal(each, "invoice_unknown", "There is no such invoice.") for each in wanted]
    refused = [each for each in refused if each.invoice_id not in {invoice.id for invoice in found}]
    drafts = []
    for invoice in found:
        if INVOICE.allows(invoice.status, FINALIZE):
            drafts.append(invoice)
        else:
            detail = f"The invoice is {invoice.status}: only a draft is made final."
            refused.append(NotFinal(invoice.id, "illegal_transition", detail))
    if _failure(ctx, drafts) is None:
        return Finalized(drafts, refused)
    made = []
    for draft in drafts:
        failure = _failure(ctx, [draft])
        if failure is None:
            made.append(draft)
        else:
            refused.append(failure)
    return Finalized(made, refused)


def _failure(ctx: Context, drafts: Sequence[Invoice]) -> NotFinal | None:
    """Make drafts final, all or none; why not, if not."""
    step = partial(invoicing_finalize.finalize_all, ctx, drafts)
    failure = failure_of(ctx, step, "finalizing failed", expected=(Refused,), drafts=len(drafts))
    return NotFinal(drafts[0].id, *reason_of(failure)) if failure is not None else None


def approve(ctx: Context, run_id: UUID) -> int:
    """Let all drafts of a run that wait become final by themselves, credit notes too; how many there are."""
    made = 0
    for table in DOCUMENTS:
        waiting = update(table).where(table.provider_id == ctx.provider.id, table.run_id == run_id, awaiting(table))
        changed = ctx.session.execute(
            waiting.values(finalizes=True).returning(table.id), execution_options={"synchronize_session": False}
        )
        made += len(changed.all())
    return made


def count(ctx: Context, run_ids: Collection[UUID]) -> Mapping[UUID, int]:
    """How many drafts of each run wait for a person, credit notes too."""
    found: Counter[UUID] = Counter()
    for table in DOCUMENTS:
        rows = ctx.session.execute(
            select(table.run_id, func.count())
            .where(table.provider_id == ctx.provider.id, among(table.run_id, run_ids), awaiting(table))
            .group_by(table.run_id)
        )
        found.update({run_id: number for run_id, number in rows if run_id is not None})
    return found


def tell(ctx: Context, run_id: UUID) -> None:
    """Tell that drafts of a run wait, if any do."""
    number = count(ctx, [run_id]).get(run_id, 0)
    if number:
        data = {"billing_run": encode("billing_run", run_id), "awaiting_approval_count": number}
        outbox.emit(ctx, "billing_run.awaiting_approval", "billing_run", run_id, data)
