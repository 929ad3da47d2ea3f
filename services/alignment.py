"""Several subscriptions on one date: billed for the same spans from then on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from billing.changes import NOW
from core.errors import Conflict, Invalid
from models.subscriptions import Subscription
from services import contract_changes
from services.change_bodies import ChangeView
from services.change_wishes import Wanted
from services.context import Context
from services.lookups import by_reference


def align(ctx: Context, references: Sequence[str], on: date) -> list[ChangeView]:
    """Count the spans of these subscriptions anew from a day, each in its own zone: of all of them or of none.

    Args:
        references: ids or external ids; one that is named twice is aligned once.

    Raises:
        UnknownReference: `subscription_unknown`, at its place. Invalid: `align_not_ahead`.
        Conflict: `subscription_ended`, `subscription_not_started`.
    """
    found = {}
    for i, reference in enumerate(references):
        row = by_reference(
            ctx,
            Subscription,
            "subscription",
            reference,
            pointer=f"/subscriptions/{i}",
            account=Subscription.account_id,
        )
        found[row.id] = reference
    changes = []
    for subscription_id in sorted(found):  # rows are locked in the order of ids
        try:
            changes.append(contract_changes.make(ctx, subscription_id, Wanted(align_on=on), NOW))
        except Invalid as refused:
            raise Invalid(refused.code, refused.detail, "/on") from None
        except Conflict as refused:
            raise Conflict(refused.code, f"{found[subscription_id]}: {refused.detail}") from None
    return changes
