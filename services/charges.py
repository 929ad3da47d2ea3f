"""Charges, read: what was billed, what waits, and what was taken back."""

from __future__ import annotations

from sqlalchemy import select

from models.accounts import Account
from models.billing import Charge
from models.subscriptions import Subscription
from services import lookups
from services.context import Context, visible
from services.paging import Slice, Window, newest_first

WAITING, BILLED, RELEASED = "waiting", "billed", "released"
STATES = (WAITING, BILLED, RELEASED)


def state(charge: Charge) -> str:
    """Whether a charge waits for a document, is on one, or was released with its document."""
    if charge.released_at is not None:
        return RELEASED
    placed = charge.invoice_line_id is not None or charge.credit_note_line_id is not None
    return BILLED if placed else WAITING


def list_charges(
    ctx: Context,
    window: Window,
    *,
    account: str | None = None,
    subscription: str | None = None,
    state: str | None = None,
) -> Slice[Charge]:
    """Charges that the caller may see, newest first.

    Args:
        account: who pays, by id or external id.
        subscription: by id or external id.
        state: one of `STATES`.

    Raises:
        UnknownReference: `account_unknown`, `subscription_unknown`.
    """
    statement = select(Charge).where(Charge.provider_id == ctx.provider.id, visible(ctx, Charge.beneficiary_id))
    if account is not None:
        payer = lookups.by_reference(ctx, Account, "account", account, pointer="?account", account=Account.id)
        statement = statement.where(Charge.payer_id == payer.id)
    if subscription is not None:
        contract = lookups.by_reference(
            ctx, Subscription, "subscription", subscription, pointer="?subscription", account=Subscription.account_id
        )
        statement = statement.where(Charge.subscription_id == contract.id)
    if state is not None:
        released = Charge.released_at.is_not(None)
        on_line = Charge.invoice_line_id.is_not(None) | Charge.credit_note_line_id.is_not(None)
        statement = statement.where(
            {RELEASED: released, BILLED: ~released & on_line, WAITING: ~released & ~on_line}[state]
        )
    return newest_first(ctx, statement, Charge.id, window)
