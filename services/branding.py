"""How a seller shows itself: its name, colour and logo, for pages and documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from exports.document import DEFAULT_COLOUR
from models.accounts import Account
from models.providers import Seller
from services.context import Context

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Brand:
    """`colour` is always `#rrggbb`; `logo_svg` the file's text, where there is one."""

    name: str
    colour: str
    logo_svg: str | None
    email: str | None
    website: str | None


def brand(ctx: Context, account_id: UUID | None = None) -> Brand:
    """The brand of an account's seller, or of the provider's default seller."""
    statement = select(Seller).where(Seller.provider_id == ctx.provider.id)
    if account_id is None:
        statement = statement.where(Seller.is_default)
    else:
        own = select(Account.seller_id).where(Account.provider_id == ctx.provider.id, Account.id == account_id)
        statement = statement.where(Seller.id == own.scalar_subquery())
    seller = ctx.session.scalars(statement).first()
    if seller is None:
        return Brand(ctx.provider.name, DEFAULT_COLOUR, None, None, None)
    colour = seller.brand_color or ""
    return Brand(
        seller.name,
        colour if _COLOUR.fullmatch(colour) else DEFAULT_COLOUR,
        seller.logo_svg,
        seller.email,
        seller.website,
    )
