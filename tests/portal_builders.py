"""Accounts for the tests of the pages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from core.ids import new_id
from models.accounts import Account
from models.providers import Seller
from services.context import Context


def make_account(ctx: Context, *, name: str = "Lumen Analytics", parent: UUID | None = None, **members: Any) -> UUID:
    """A payer (or, with a parent, an account that its parent pays for) of the provider's default seller."""
    account_id = new_id()
    seller = ctx.session.scalars(select(Seller.id).where(Seller.is_default)).one()
    above = ctx.session.scalars(select(Account.path).where(Account.id == parent)).one() if parent else []
    values = {
        "provider_id": ctx.provider.id,
        "id": account_id,
        "seller_id": seller,
        "parent_id": parent,
        "payer_id": parent or account_id,
        "path": [*above, account_id],
        "name": name,
        "currency": "EUR",
        "country": "DE",
        "time_zone": "Europe/Berlin",
        "created_at": ctx.now,
    }
    ctx.session.execute(insert(Account).values(values | members))
    return account_id
