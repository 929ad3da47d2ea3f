"""Every stored secret of others, so that all can be written anew with another key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from models.agents import Agent
from models.outbox import WebhookEndpoint
from models.payments import GatewayAccount
from models.providers import Seller
from services import agents, audit, gateway_accounts, sellers, webhooks
from services.context import Context


@dataclass(frozen=True)
class Sealed:
    """A column of secrets, and what a row's secret is bound to."""

    model: Any
    column: str
    purpose: Callable[[Any], str]


SEALED = (
    Sealed(WebhookEndpoint, "secret", lambda _: webhooks.PURPOSE),
    Sealed(WebhookEndpoint, "previous_secret", lambda _: webhooks.PURPOSE),
    Sealed(Agent, "target_secrets", lambda _: agents.PURPOSE),
    Sealed(GatewayAccount, "credentials", gateway_accounts.purpose_of),
    Sealed(Seller, "tax_endpoint_secret", lambda _: sellers.TAX_ENDPOINT),
)


@dataclass(frozen=True)
class State:
    """How many of a provider's secrets were written with another key than the first, and with none that we have."""

    older: int
    lost: int


def inspect(ctx: Context) -> State:
    """Look at a provider's secrets without opening them."""
    older = lost = 0
    for stored in _stored(ctx):
        if not ctx.kit.cipher.knows(stored):
            lost += 1
        elif not ctx.kit.cipher.is_current(stored):
            older += 1
    return State(older, lost)


def _stored(ctx: Context) -> Iterator[bytes]:
    for sealed in SEALED:
        column = getattr(sealed.model, sealed.column)
        yield from ctx.session.scalars(
            select(column).where(sealed.model.provider_id == ctx.provider.id, column.is_not(None))
        )


def rotate(ctx: Context) -> int:
    """Write a provider's secrets anew with the first key, where they were written with another; returns how many."""
    changed = 0
    for sealed in SEALED:
        column = getattr(sealed.model, sealed.column)
        rows = ctx.session.scalars(
            select(sealed.model)
            .where(sealed.model.provider_id == ctx.provider.id, column.is_not(None))
            .with_for_update()
        )
        for row in rows:
            stored = getattr(row, sealed.column)
            if not ctx.kit.cipher.is_current(stored):
                setattr(row, sealed.column, _anew(ctx, stored, sealed.purpose(row)))
                changed += 1
    if changed:
        audit.record(ctx, "provider", ctx.provider.id, "secrets_rotated", None, {"changed": changed})
    return changed


def _anew(ctx: Context, stored: bytes, purpose: str) -> bytes:
    secret = ctx.kit.cipher.open(stored, provider_id=ctx.provider.id, purpose=purpose)
    return ctx.kit.cipher.seal(secret, provider_id=ctx.provider.id, purpose=purpose)
