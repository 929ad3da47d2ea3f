"""Providers: how one is founded, and what it may set for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from core.ids import new_id
from models.providers import Provider as ProviderRow
from models.providers import Seller, TestClock
from services import audit, bill_dates, credentials, sellers
from services.clock import system_now
from services.context import Context, Kit, Provider, ProviderSettings
from stores.usage import backend

SETTINGS = frozenset({"close_after_minutes", "usage_cutoff_days", "draft_review", "mail_invoices"})


@dataclass(frozen=True)
class Founded:
    """A new provider, its context for what else belongs to it, and its first key, which is kept nowhere else."""

    ctx: Context
    api_key: str


@dataclass(frozen=True)
class Own:
    """A provider as it sees itself."""

    id: UUID
    name: str
    sandbox: bool
    country: str
    time_zone: str
    currency: str
    created_at: datetime
    default_seller_id: UUID
    default_tax_rate: Decimal
    close_after_minutes: int
    usage_cutoff_days: int
    draft_review: bool
    mail_invoices: bool


def found(
    session: Session,
    provider_id: UUID,
    kit: Kit,
    *,
    name: str,
    sandbox: bool,
    country: str,
    currency: str,
    time_zone: str,
    actor: str = "cli",
) -> Founded:
    """Make a provider with a default seller, a first API key with every scope, and a sandbox's clock.

    Args:
        session: of `runtime.unit.founding(provider_id)`.
    """
    now = system_now()
    values = {"name": name, "sandbox": sandbox, "country": country, "time_zone": time_zone, "currency": currency}
    session.execute(insert(ProviderRow).values(id=provider_id, created_at=now, **values))
    if sandbox:
        session.execute(insert(TestClock).values(provider_id=provider_id, now=now))
    backend().make_room(session, provider_id, now)
    session.execute(
        insert(Seller).values(
            provider_id=provider_id,
            id=new_id(),
            name=name,
            legal_name=name,
            country=country,
            is_default=True,
            created_at=now,
        )
    )
    provider = Provider(provider_id, name, sandbox, country, time_zone, currency, ProviderSettings())
    ctx = Context(session, provider, actor, None, now, kit)
    _, secret = credentials.create_key(ctx, name="first key", scopes=credentials.SCOPES)
    return Founded(ctx, secret)


def own(ctx: Context) -> Own:
    """The caller's provider."""
    row = ctx.session.execute(select(ProviderRow).where(ProviderRow.id == ctx.provider.id)).scalar_one()
    return _own(ctx, row)


def change(ctx: Context, changes: Mapping[str, Any]) -> Own:
    """Change the caller's provider: `name`, the settings, and the default seller's tax rate (`default_tax_rate`)."""
    statement = select(ProviderRow).where(ProviderRow.id == ctx.provider.id).with_for_update()
    row = ctx.session.execute(statement).scalar_one()
    before = _own(ctx, row)
    row.name = changes.get("name", row.name)
    row.settings = {**row.settings, **{name: value for name, value in changes.items() if name in SETTINGS}}
    if "default_tax_rate" in changes:
        sellers.change(ctx, before.default_seller_id, {"tax_rate": changes["default_tax_rate"]})
    if "close_after_minutes" in changes:
        bill_dates.close_after(ctx, changes["close_after_minutes"])
    ctx.session.flush()
    after = _own(ctx, row)
    audit.record(ctx, "provider", row.id, "changed", _differing(before, after), _differing(after, before))
    return after


def _own(ctx: Context, row: ProviderRow) -> Own:
    seller = sellers.default(ctx)
    settings = ProviderSettings.read(row.settings)
    return Own(
        id=row.id,
        name=row.name,
        sandbox=row.sandbox,
        country=row.country,
        time_zone=row.time_zone,
        currency=row.currency,
        created_at=row.created_at,
        default_seller_id=seller.id,
        default_tax_rate=seller.tax_rate,
        close_after_minutes=settings.close_after_minutes,
        usage_cutoff_days=settings.usage_cutoff_days,
        draft_review=settings.draft_review,
        mail_invoices=settings.mail_invoices,
    )


def _differing(one: Own, other: Own) -> dict[str, str]:
    theirs = asdict(other)
    return {name: str(value) for name, value in asdict(one).items() if value != theirs[name]}
