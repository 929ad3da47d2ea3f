"""Sellers: the legal entities that issue documents, with their branding, bank details and tax rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from core.ids import new_id
from models.providers import Seller
from services import lookups
from services.context import Context
from services.paging import Slice, Window, newest_first
from services.tax_ids import check_tax_id


def create(ctx: Context, values: Mapping[str, Any]) -> Seller:
    """Make a seller; the columns of `Seller` as values.

    Raises:
        Invalid: `tax_id_malformed`. Conflict: `external_id_taken`, from the database.
    """
    values = {"legal_name": values["name"], "country": ctx.provider.country, **values}
    seller = Seller(provider_id=ctx.provider.id, id=new_id(), created_at=ctx.now, **_checked(values))
    if seller.is_default:
        _no_other_default(ctx)
    ctx.session.add(seller)
    ctx.session.flush()
    ctx.session.refresh(seller)
    return seller


def get(ctx: Context, seller_id: UUID) -> Seller:
    """One seller."""
    return lookups.by_id(ctx, Seller, "seller", seller_id)


def list_sellers(ctx: Context, window: Window, *, external_id: str | None = None) -> Slice[Seller]:
    """Sellers, newest first."""
    statement = select(Seller).where(Seller.provider_id == ctx.provider.id)
    if external_id is not None:
        statement = statement.where(Seller.external_id == external_id)
    return newest_first(ctx, statement, Seller.id, window)


def change(ctx: Context, seller_id: UUID, values: Mapping[str, Any]) -> Seller:
    """Change a seller; documents that are final keep what they say.

    Raises:
        NotFound, Invalid: `tax_id_malformed`. Conflict: `external_id_taken`, from the database.
    """
    seller = lookups.by_id(ctx, Seller, "seller", seller_id, lock=True)
    if values.get("is_default") and not seller.is_default:
        _no_other_default(ctx)
    for name, value in _checked(values).items():
        # There is always a default seller: one stops being it by another becoming it.
        if name != "is_default" or value:
            setattr(seller, name, value)
    ctx.session.flush()
    return seller


def default(ctx: Context) -> Seller:
    """The provider's default seller."""
    statement = select(Seller).where(Seller.provider_id == ctx.provider.id, Seller.is_default)
    return ctx.session.execute(statement).scalar_one()


def address_lines(address: Mapping[str, Any]) -> tuple[str, ...]:
    """An address (`line1`, `line2`, `postal_code`, `city`, `region`) as the lines of a letter."""
    town = " ".join(part for part in (address.get("postal_code"), address.get("city")) if part)
    lines = (address.get("line1"), address.get("line2"), town, address.get("region"))
    return tuple(line for line in lines if line)


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    checked = dict(values)
    if "tax_id" in checked:
        checked["tax_id"] = check_tax_id(checked["tax_id"])
    return checked


def _no_other_default(ctx: Context) -> None:
    ctx.session.execute(
        update(Seller).where(Seller.provider_id == ctx.provider.id, Seller.is_default).values(is_default=False)
    )
