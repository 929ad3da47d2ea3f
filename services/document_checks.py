"""Every document is checked before it is final: the database sums up its lines, its rules are judged purely."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from billing.document_check import Document, LineSum, check
from billing.tax import read_subtotal, taxed
from core.errors import Conflict
from core.ids import encode
from models.accounts import Account
from models.billing import Invoice, InvoiceLine
from models.credit_notes import CreditNote, CreditNoteLine
from models.providers import Seller
from services.context import Context
from services.sets import among

Parties = Mapping[UUID, tuple[Account, Seller]]


def check_invoices(ctx: Context, drafts: Sequence[Invoice], parties: Parties) -> None:
    """Check drafts of invoices, in one query.

    Raises:
        Conflict: `document_unsound`, naming the rules that the first unsound one breaks.
    """
    sums = _sums(ctx, InvoiceLine, InvoiceLine.invoice_id, [draft.id for draft in drafts])
    for draft in drafts:
        _judge("invoice", draft, sums[draft.id], parties[draft.id], whole=True)


def check_credit_notes(ctx: Context, drafts: Sequence[CreditNote], parties: Parties) -> None:
    """Check drafts of credit notes, in one query; those of one invoice are rounded together.

    Raises:
        As `check_invoices`.
    """
    sums = _sums(ctx, CreditNoteLine, CreditNoteLine.credit_note_id, [draft.id for draft in drafts])
    for draft in drafts:
        _judge("credit_note", draft, sums[draft.id], parties[draft.id], whole=draft.invoice_id is None)


def _sums(ctx: Context, line: Any, document: Any, ids: Sequence[UUID]) -> defaultdict[UUID, list[Any]]:
    """What lines that are taxed and priced alike come to, by document."""
    alike = (document, line.tax_category, line.tax_rate, line.tax_details, line.tax_inclusive)
    rows = ctx.session.execute(
        select(*alike, func.sum(line.amount).label("net"), func.sum(line.charged_amount).label("charged"))
        .where(line.provider_id == ctx.provider.id, among(document, ids))
        .group_by(*alike)
    )
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found


def _judge(kind: str, draft: Any, sums: Sequence[Any], parties: tuple[Account, Seller], *, whole: bool) -> None:
    account, seller = parties
    broken = check(
        Document(
            currency=draft.currency,
            lines=_lines(sums),
            taxes=[read_subtotal(tax, draft.currency) for tax in draft.taxes],
            net=draft.net_amount,
            tax=draft.tax_amount,
            rounding=draft.rounding_amount,
            total=draft.total_amount,
            due=draft.total_amount,
            seller_tax_id=seller.tax_id or "",
            buyer_tax_id=account.tax_id or "",
            whole=whole,
        )
    )
    if broken:
        said = "; ".join(f"{rule.rule}: {rule.detail}" for rule in broken)
        raise Conflict("document_unsound", f"{encode(kind, draft.id)} breaks {said}.")


def _lines(rows: Sequence[Any]) -> list[LineSum]:
    """Lines by their tax: one that is called otherwise, or has another ground, is the same tax."""
    found: dict[tuple[Any, bool], LineSum] = {}
    for row in rows:
        tax = taxed(row.tax_category, Decimal(row.tax_rate), row.tax_details, "")
        before = found.get((tax, row.tax_inclusive))
        net, charged = int(row.net), int(row.charged)
        if before is not None:
            net, charged = net + before.net, charged + before.charged
        found[tax, row.tax_inclusive] = LineSum(tax, row.tax_inclusive, net, charged)
    return list(found.values())
