"""Gateway accounts: a seller's account at a gateway, its credentials, and the secrets its webhooks are signed with."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from core.errors import Invalid
from core.ids import encode, new_id
from models.payments import GatewayAccount
from models.providers import Seller
from payments.port import Access, ChargingGateway, charging, gateway
from services import audit, lookups, sellers
from services.context import Context
from services.paging import Slice, Window, newest_first

# The sandbox gateway delivers webhooks for this host to wherever the server listens just then.
SANDBOX_URL = "http://busbar.sandbox"
SECRETS_KEPT = 2


@dataclass(frozen=True)
class NewGatewayAccount:
    """A gateway account to make. `seller` is a reference; None is the default seller."""

    gateway: str
    name: str
    credentials: Mapping[str, Any] = field(default_factory=dict)
    seller: str | None = None
    webhook_secret: str | None = None
    is_default: bool = False
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def create(ctx: Context, new: NewGatewayAccount) -> GatewayAccount:
    """Make a gateway account. Where its gateway can, and no webhook secret is given, it is told our inbound address.

    Raises:
        Invalid: `gateway_unknown`, wrong credentials, `live_credentials_in_sandbox`, `test_credentials_in_live`,
            `credentials_refused` by the gateway itself.
        Unavailable: the gateway does not answer.
    """
    plugin = gateway(new.gateway)
    credentials = plugin.credentials_from(new.credentials)
    seller = sellers.default(ctx) if new.seller is None else _seller(ctx, new.seller)
    row = GatewayAccount(
        provider_id=ctx.provider.id,
        id=new_id(),
        seller_id=seller.id,
        gateway=new.gateway,
        name=new.name,
        credentials=b"",
        is_default=new.is_default or _first(ctx, seller.id),
        external_id=new.external_id,
        meta=dict(new.meta),
        created_at=ctx.now,
    )
    known = [new.webhook_secret] if new.webhook_secret else []
    if plugin.automatic:
        able = charging(new.gateway)
        _check_mode(ctx, able, credentials)
        known = known or _registered(ctx, able, row, credentials)
    _seal(ctx, row, credentials, known)
    if row.is_default:
        _no_other_default(ctx, seller.id)
    ctx.session.add(row)
    ctx.session.flush()
    return row


def create_first_accounts(ctx: Context) -> None:
    """What a new provider's default seller begins with: an account for cheques and transfers and, in a sandbox, one
    for cards at the sandbox gateway.
    """
    if ctx.provider.sandbox and ctx.kit.sandbox_gateway_url is not None:
        key = f"sk_test_{secrets.token_hex(16)}"
        create(ctx, NewGatewayAccount("stripe", "Cards", {"secret_key": key}, is_default=True))
    create(ctx, NewGatewayAccount("manual", "Cheques and transfers"))


def change(ctx: Context, account_id: UUID, changes: Mapping[str, Any]) -> GatewayAccount:
    """Change a gateway account: `name`, `is_default`, `external_id`, `meta`, `credentials`, `webhook_secret`.

    A new webhook secret is taken beside the last one, so that a rotation at the gateway loses nothing.

    Raises:
        NotFound, Invalid: as `create`.
    """
    row = lookups.by_id(ctx, GatewayAccount, "gateway_account", account_id, lock=True)
    if changes.get("is_default") and not row.is_default:
        _no_other_default(ctx, row.seller_id)
    for name in ("name", "external_id", "meta"):
        if name in changes:
            setattr(row, name, changes[name])
    row.is_default = bool(changes.get("is_default", row.is_default))
    _replace_secrets(ctx, row, changes)
    ctx.session.flush()
    return row


def _replace_secrets(ctx: Context, row: GatewayAccount, changes: Mapping[str, Any]) -> None:
    kept = _open(ctx, row)
    credentials, known = kept["credentials"], kept["webhook_secrets"]
    fresh = [changes["webhook_secret"]] if changes.get("webhook_secret") else []
    if "credentials" in changes:
        credentials = gateway(row.gateway).credentials_from(changes["credentials"])
        audit.record(ctx, "gateway_account", row.id, "credentials_replaced", None, None)
        if gateway(row.gateway).automatic:
            plugin = charging(row.gateway)
            _check_mode(ctx, plugin, credentials)
            fresh = fresh or _registered(ctx, plugin, row, credentials)
    if fresh:
        audit.record(ctx, "gateway_account", row.id, "webhook_secret_added", None, None)
    _seal(ctx, row, credentials, [*fresh, *known][:SECRETS_KEPT])


def get(ctx: Context, account_id: UUID) -> GatewayAccount:
    """One gateway account."""
    return lookups.by_id(ctx, GatewayAccount, "gateway_account", account_id)


def list_accounts(ctx: Context, window: Window, *, external_id: str | None = None) -> Slice[GatewayAccount]:
    """Gateway accounts, newest first."""
    statement = select(GatewayAccount).where(GatewayAccount.provider_id == ctx.provider.id)
    if external_id is not None:
        statement = statement.where(GatewayAccount.external_id == external_id)
    return newest_first(ctx, statement, GatewayAccount.id, window)


def resolve(ctx: Context, reference: str | None, seller_id: UUID, *, automatic: bool) -> GatewayAccount:
    """The gateway account that a body names, or the seller's own for that purpose.

    Args:
        reference: an id or external id; None for the seller's default one, if that fits, else its first that does.
        automatic: one that charges by itself, else one for money that somebody records.

    Raises:
        Invalid: `gateway_account_unknown`, `gateway_account_of_other_seller`, `gateway_account_missing`,
            `gateway_cannot_charge`, `gateway_charges_itself`.
    """
    pointer = "/gateway_account"
    if reference is None:
        return _own(ctx, seller_id, automatic)
    row = lookups.by_reference(ctx, GatewayAccount, "gateway_account", reference, pointer=pointer)
    if row.seller_id != seller_id:
        raise Invalid("gateway_account_of_other_seller", "This gateway account is another seller's.", pointer)
    if automatic:
        charging(row.gateway, pointer)
    elif gateway(row.gateway).automatic:
        raise Invalid("gateway_charges_itself", "What this gateway takes, it tells by itself.", pointer)
    return row


def _own(ctx: Context, seller_id: UUID, automatic: bool) -> GatewayAccount:
    rows = ctx.session.scalars(
        select(GatewayAccount)
        .where(GatewayAccount.provider_id == ctx.provider.id, GatewayAccount.seller_id == seller_id)
        .order_by(GatewayAccount.is_default.desc(), GatewayAccount.id)
    )
    for row in rows:
        if gateway(row.gateway).automatic == automatic:
            return row
    kind = "that charges cards" if automatic else "for payments that are recorded"
    raise Invalid("gateway_account_missing", f"The seller has no gateway account {kind}.", "/gateway_account")


def access(ctx: Context, row: GatewayAccount) -> Access:
    """How to reach the account. A sandbox reaches the sandbox gateway wherever there is one."""
    kept = _open(ctx, row)
    return Access(kept["credentials"], tuple(kept["webhook_secrets"]), _base_url(ctx))


def inbound_url(ctx: Context, row: GatewayAccount) -> str | None:
    """Where this account's gateway should tell us what happened; None while nobody knows our address."""
    root = SANDBOX_URL if _base_url(ctx) else ctx.kit.public_url
    ident = encode("gateway_account", row.id)
    return None if root is None else f"{root.rstrip('/')}/v1/inbound/{row.gateway}/{ident}"


def _base_url(ctx: Context) -> str | None:
    return ctx.kit.sandbox_gateway_url if ctx.provider.sandbox else None


def _seller(ctx: Context, reference: str) -> Seller:
    return lookups.by_reference(ctx, Seller, "seller", reference, pointer="/seller")


def _check_mode(ctx: Context, plugin: ChargingGateway, credentials: Mapping[str, str]) -> None:
    test = plugin.is_test(credentials)
    if ctx.provider.sandbox and not test:
        detail = "A sandbox never talks to a live gateway. Use test credentials."
        raise Invalid("live_credentials_in_sandbox", detail, "/credentials")
    if not ctx.provider.sandbox and test:
        detail = "Test credentials take no money. Use live ones, or a sandbox."
        raise Invalid("test_credentials_in_live", detail, "/credentials")


def _registered(
    ctx: Context, plugin: ChargingGateway, row: GatewayAccount, credentials: Mapping[str, str]
) -> list[str]:
    """The secret of a webhook endpoint that is made at the gateway. Without one we ask, which is slower, not wrong."""
    url = inbound_url(ctx, row)
    if url is None:
        return []
    return [plugin.register_webhook(Access(credentials, (), _base_url(ctx)), url).secret]


def _first(ctx: Context, seller_id: UUID) -> bool:
    statement = select(GatewayAccount.id).where(
        GatewayAccount.provider_id == ctx.provider.id, GatewayAccount.seller_id == seller_id
    )
    return ctx.session.execute(statement.limit(1)).first() is None


def _no_other_default(ctx: Context, seller_id: UUID) -> None:
    ctx.session.execute(
        update(GatewayAccount)
        .where(
            GatewayAccount.provider_id == ctx.provider.id,
            GatewayAccount.seller_id == seller_id,
            GatewayAccount.is_default,
        )
        .values(is_default=False)
    )


def purpose_of(row: GatewayAccount) -> str:
    """What an account's sealed credentials are bound to."""
    return f"gateway_account/{row.id}"


def _seal(ctx: Context, row: GatewayAccount, credentials: Mapping[str, str], known: list[str]) -> None:
    body = {"credentials": dict(credentials), "webhook_secrets": known}
    row.credentials = ctx.kit.cipher.seal(body, provider_id=ctx.provider.id, purpose=purpose_of(row))


def _open(ctx: Context, row: GatewayAccount) -> dict[str, Any]:
    opened = ctx.kit.cipher.open(row.credentials, provider_id=ctx.provider.id, purpose=purpose_of(row))
    return dict(opened)
