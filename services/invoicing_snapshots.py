"""Parties and payment instructions as they are when a document becomes final: copied, never looked up again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.ids import encode
from models.accounts import Account
from models.providers import Seller
from services.context import Context
from stores.blobs.postgresql import PLUGIN as BLOBS


def seller_snapshot(ctx: Context, seller: Seller) -> dict[str, Any]:
    """The seller as documents show it. Its logo is kept among the files, under its hash."""
    logo = seller.logo_svg.encode() if seller.logo_svg else None
    return {
        "id": encode("seller", seller.id),
        "name": seller.name,
        "legal_name": seller.legal_name,
        "address": seller.address,
        "country": seller.country,
        "tax_id": seller.tax_id,
        "email": seller.email,
        "website": seller.website,
        "bank": seller.bank,
        "brand_color": seller.brand_color,
        "logo": BLOBS.put(ctx.session, ctx.provider.id, logo, "image/svg+xml").hex() if logo else None,
        "locale": seller.locale,
        "footer": seller.footer,
    }


def buyer_snapshot(account: Account) -> dict[str, Any]:
    """The payer as documents show it; dates and figures are written in its zone and language."""
    return {
        "id": encode("account", account.id),
        "external_id": account.external_id,
        "name": account.legal_name or account.name,
        "address": account.address,
        "country": account.country,
        "tax_id": account.tax_id,
        "email": account.email,
        "cost_centre": account.cost_centre,
        "time_zone": account.time_zone,
        "locale": account.locale,
    }


def payment_instructions(seller: Seller, card: Mapping[str, Any] | None, reference: str) -> dict[str, Any]:
    """How to pay: the card on file as far as it may be shown, else the seller's bank with what to quote."""
    shown = {name: card[name] for name in ("brand", "last4") if name in card} if card else None
    return {"card": shown, "bank": seller.bank, "reference": reference}
