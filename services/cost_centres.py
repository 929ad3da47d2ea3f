"""Cost centres of single charges of a subscription; what has none of its own is the subscription's."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select

from core.errors import FieldError, Invalid
from models.subscriptions import SubscriptionItem
from services.context import Context
from services.sets import change_rows


def assign(ctx: Context, subscription_id: UUID, cost_centres: Mapping[str, str | None]) -> None:
    """Give charges of a subscription a cost centre, or take it from them; what is billed already stays as it was.

    Args:
        cost_centres: by charge code; None takes it away. What is not named keeps what it has.

    Raises:
        Invalid: `charge_code_unknown`, at `/cost_centres/…`.
    """
    if not cost_centres:
        return
    item = SubscriptionItem
    found = select(item.charge_code, item.id).where(
        item.provider_id == ctx.provider.id, item.subscription_id == subscription_id
    )
    items: dict[str, UUID] = dict(ctx.session.execute(found).all())
    known = ", ".join(sorted(items))
    errors = [
        FieldError(
            f"/cost_centres/{code.replace('~', '~0').replace('/', '~1')}",
            "charge_code_unknown",
            f"This subscription has the charge codes {known}.",
        )
        for code in cost_centres
        if code not in items
    ]
    if errors:
        raise Invalid.collect(errors)
    key = {"provider_id": ctx.provider.id}
    change_rows(ctx, item, [{**key, "id": items[code], "cost_centre": name} for code, name in cost_centres.items()])
