"""What credit notes gave back of what claims were billed at, by claim."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select

from billing.states.credit_note import ISSUED
from models.accounts import Account
from models.billing import Charge
from models.credit_notes import CreditNote, CreditNoteLine
from models.subscriptions import Subscription
from services.context import Context


def load(ctx: Context, wanted: ColumnElement[bool]) -> dict[UUID, int]:
    """Minor units, as the charges were priced, by claim; claims that nothing was credited of are left out.

    Args:
        wanted: which subscriptions and accounts, as `contract_items` asks for.
    """
    line, note = CreditNoteLine, CreditNote
    rows = ctx.session.execute(
        select(Charge.claim_id, func.sum(line.charged_amount))
        .select_from(line)
        .join(note, and_(note.provider_id == line.provider_id, note.id == line.credit_note_id))
        .join(Charge, and_(Charge.provider_id == line.provider_id, Charge.invoice_line_id == line.invoice_line_id))
        .join(
            Subscription,
            and_(Subscription.provider_id == Charge.provider_id, Subscription.id == Charge.subscription_id),
        )
        .join(Account, and_(Account.provider_id == Subscription.provider_id, Account.id == Subscription.account_id))
        .where(
            line.provider_id == ctx.provider.id,
            note.status == ISSUED,
            Charge.kind != "drawdown",
            Charge.released_at.is_(None),
            wanted,
        )
        .group_by(Charge.claim_id)
    )
    return {claim_id: int(amount) for claim_id, amount in rows if claim_id is not None}
