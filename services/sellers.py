"""Sellers: the legal entities that issue documents, with their branding, bank details and tax rate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from core.errors import Invalid
from core.ids import new_id
from events.sending import AddressRefused, check_url
from events.signing import new_secret
from models.providers import Seller
from services import lookups
from services.context import Context
from services.paging import Slice, Window, newest_first
from services.tax_ids import check_tax_id
from tax_engines.port import engine

TAX_ENDPOINT = "tax_endpoint"  # what its secret is bound to


def create(ctx: Context, values: Mapping[str, Any]) -> Seller:
    """Make a seller; the columns of `Seller` as values.

    Raises:
        Invalid: `tax_id_malformed`, `tax_engine_unknown`, `tax_endpoint_required`. Conflict: `external_id_taken`, from
            the database.
    """
    values = {"legal_name": values["name"], "country": ctx.provider.country, **values}
    seller = Seller(provider_id=ctx.provider.id, id=new_id(), created_at=ctx.now, **_checked(values))
    _check_engine(seller)
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
        NotFound, Invalid: `tax_id_malformed`, `tax_engine_unknown`, `tax_endpoint_required`.
        Conflict: `external_id_taken`, from the database.
    """
    seller = lookups.by_id(ctx, Seller, "seller", seller_id, lock=True)
    if values.get("is_default") and not seller.is_default:
        _no_other_default(ctx)
    for name, value in _checked(values).items():
        # There is always a default seller: one stops being it by another becoming it.
        if name != "is_default" or value:
            setattr(seller, name, value)
    _check_engine(seller)
    ctx.session.flush()
    return seller


def set_tax_endpoint(ctx: Context, seller_id: UUID, url: str) -> str:
    """Say where a seller's own tax engine is asked; the new secret that signs what it is asked.

    Raises:
        NotFound, Invalid: `url_refused`.
    """
    seller = lookups.by_id(ctx, Seller, "seller", seller_id, lock=True)
    try:
        check_url(url, private=ctx.kit.webhooks_may_be_private)
    except AddressRefused as refused:
        raise Invalid("url_refused", str(refused), "/url") from None
    secret = new_secret()
    seller.tax_endpoint = url
    seller.tax_endpoint_secret = ctx.kit.cipher.seal(secret, provider_id=ctx.provider.id, purpose=TAX_ENDPOINT)
    ctx.session.flush()
    return secret


def _check_engine(seller: Seller) -> None:
    """An engine is one that there is; one outside has an endpoint."""
    if seller.tax_engine is not None and engine(seller.tax_engine).outside and seller.tax_endpoint is None:
        detail = "Say first where this engine is: POST /v1/sellers/{id}/tax-endpoint."
        raise Invalid("tax_endpoint_required", detail, "/tax_engine")


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
    if "tax_registrations" in checked:
        checked["tax_registrations"] = [_registration(listed) for listed in checked["tax_registrations"]]
    if "tax_id" in checked:
        checked["tax_id"] = check_tax_id(checked["tax_id"])
    return checked


def _registration(listed: Mapping[str, Any]) -> dict[str, Any]:
    """A registration as it is stored: days as text, what is not said left out."""
    said = {name: value for name, value in listed.items() if value is not None}
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in said.items()}


def _no_other_default(ctx: Context) -> None:
    ctx.session.execute(
        update(Seller).where(Seller.provider_id == ctx.provider.id, Seller.is_default).values(is_default=False)
    )
