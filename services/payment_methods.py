"""Payment methods: what an account may be charged by, attached at the gateway, shown by its last digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from core.errors import Conflict, Invalid
from core.ids import encode, new_id
from core.period import rfc3339
from models.accounts import Account
from models.payments import GatewayAccount, GatewayCustomer, PaymentMethod
from payments.port import Access, Card, ChargingGateway, Customer, charging
from services import gateway_accounts, lookups, outbox
from services.context import Context, visible
from services.paging import Slice, Window, newest_first


@dataclass(frozen=True)
class NewPaymentMethod:
    """A payment method to attach. `account` and `gateway_account` are references; None is the seller's own."""

    account: str
    token: str
    gateway_account: str | None = None
    is_default: bool = False
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def attach(ctx: Context, new: NewPaymentMethod) -> PaymentMethod:
    """Attach what a token stands for to an account. Its first method is its default.

    Raises:
        Invalid: `account_unknown`, `account_is_no_payer`, what `gateway_accounts.resolve` refuses, `gateway_refused`
            for the token.
        Conflict: `payment_method_taken`, where another account has it.
        Unavailable: the gateway does not answer.
    """
    account = lookups.by_reference(ctx, Account, "account", new.account, pointer="/account", account=Account.id)
    home = gateway_accounts.resolve(ctx, new.gateway_account, account.seller_id, automatic=True)
    if account.payer_id != account.id:
        payer = encode("account", account.payer_id)
        raise Invalid("account_is_no_payer", f"Invoices of this account go to its payer, {payer}.", "/account")
    access, plugin = gateway_accounts.access(ctx, home), charging(home.gateway)
    customer = _customer(ctx, plugin, access, home, account)
    card = plugin.attach(access, new.token, customer)
    row = _known(ctx, home, card.reference) or _row(ctx, account, home, new)
    if row.account_id != account.id:
        raise Conflict("payment_method_taken", "This payment method belongs to another account.")
    _fill(row, card)
    if new.is_default or _default_of(ctx, account.id) is None:
        _no_other_default(ctx, account.id)
        row.is_default = True
    ctx.session.add(row)
    ctx.session.flush()
    _tell(ctx, "payment_method.attached", row)
    return row


def get(ctx: Context, method_id: UUID) -> PaymentMethod:
    """One payment method."""
    return lookups.by_id(ctx, PaymentMethod, "payment_method", method_id, account=PaymentMethod.account_id)


def list_methods(
    ctx: Context, window: Window, *, account: str | None = None, external_id: str | None = None
) -> Slice[PaymentMethod]:
    """Payment methods that the caller may see, newest first."""
    statement = select(PaymentMethod).where(
        PaymentMethod.provider_id == ctx.provider.id, visible(ctx, PaymentMethod.account_id)
    )
    if account is not None:
        owner = lookups.by_reference(ctx, Account, "account", account, pointer="?account", account=Account.id)
        statement = statement.where(PaymentMethod.account_id == owner.id)
    if external_id is not None:
        statement = statement.where(PaymentMethod.external_id == external_id)
    return newest_first(ctx, statement, PaymentMethod.id, window)


def make_default(ctx: Context, method_id: UUID) -> PaymentMethod:
    """From now on this one is charged.

    Raises:
        NotFound. Conflict: `payment_method_detached`.
    """
    row = _locked(ctx, method_id)
    if row.status != "active":
        raise Conflict("payment_method_detached", "It was detached; attach it anew.")
    if not row.is_default:
        _no_other_default(ctx, row.account_id)
        row.is_default = True
        ctx.session.flush()
        _tell(ctx, "payment_method.updated", row)
    return row


def detach(ctx: Context, method_id: UUID) -> PaymentMethod:
    """Forget a payment method here and at the gateway. The newest one that is left becomes the default."""
    row = _locked(ctx, method_id)
    if row.status == "active":
        home = gateway_accounts.get(ctx, row.gateway_account_id)
        charging(home.gateway).detach(gateway_accounts.access(ctx, home), row.reference)
        was_default, row.is_default, row.status = row.is_default, False, "detached"
        ctx.session.flush()
        heir = _newest(ctx, row.account_id) if was_default else None
        if heir is not None:
            heir.is_default = True
            ctx.session.flush()
            _tell(ctx, "payment_method.updated", heir)
        _tell(ctx, "payment_method.detached", row)
    return row


def default_for(ctx: Context, account_id: UUID, seller_id: UUID) -> PaymentMethod | None:
    """What an account's invoices of a seller are charged to: its default, where that is an account of the seller."""
    statement = (
        select(PaymentMethod)
        .join(
            GatewayAccount,
            (GatewayAccount.provider_id == PaymentMethod.provider_id)
            & (GatewayAccount.id == PaymentMethod.gateway_account_id),
        )
        .where(
            PaymentMethod.provider_id == ctx.provider.id,
            PaymentMethod.account_id == account_id,
            PaymentMethod.status == "active",
            PaymentMethod.is_default,
            GatewayAccount.seller_id == seller_id,
        )
    )
    return ctx.session.scalars(statement).one_or_none()


def facts(row: PaymentMethod) -> dict[str, Any]:
    """What events tell of a payment method."""
    return {
        "id": encode("payment_method", row.id),
        "account": encode("account", row.account_id),
        "gateway_account": encode("gateway_account", row.gateway_account_id),
        "gateway_reference": row.reference,
        "kind": row.kind,
        "card": row.summary or None,
        "status": row.status,
        "is_default": row.is_default,
        "external_id": row.external_id,
        "metadata": row.meta,
        "created_at": rfc3339(row.created_at),
    }


def _tell(ctx: Context, event_type: str, row: PaymentMethod) -> None:
    outbox.emit(ctx, event_type, "payment_method", row.id, facts(row), account_id=row.account_id)


def _row(ctx: Context, account: Account, home: GatewayAccount, new: NewPaymentMethod) -> PaymentMethod:
    return PaymentMethod(
        provider_id=ctx.provider.id,
        id=new_id(),
        account_id=account.id,
        gateway_account_id=home.id,
        is_default=False,
        external_id=new.external_id,
        meta=dict(new.meta),
        created_at=ctx.now,
    )


def _fill(row: PaymentMethod, card: Card) -> None:
    row.reference, row.customer_reference = card.reference, card.customer
    row.kind, row.status = card.kind, "active"
    row.summary = {
        "brand": card.brand,
        "last4": card.last4,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
    }


def _customer(ctx: Context, plugin: ChargingGateway, access: Access, home: GatewayAccount, account: Account) -> str:
    """The account's name at the gateway, made there when it is first needed."""
    statement = select(GatewayCustomer.reference).where(
        GatewayCustomer.provider_id == ctx.provider.id,
        GatewayCustomer.gateway_account_id == home.id,
        GatewayCustomer.account_id == account.id,
    )
    known = ctx.session.scalars(statement).one_or_none()
    if known is not None:
        return known
    made = plugin.create_customer(
        access, Customer(encode("account", account.id), account.legal_name or account.name, account.email)
    )
    # Of two at once one is kept; both may be used, they are customers of one account.
    ctx.session.execute(
        upsert(GatewayCustomer)
        .values(provider_id=ctx.provider.id, gateway_account_id=home.id, account_id=account.id, reference=made)
        .on_conflict_do_nothing()
    )
    return made


def _known(ctx: Context, home: GatewayAccount, reference: str) -> PaymentMethod | None:
    statement = select(PaymentMethod).where(
        PaymentMethod.provider_id == ctx.provider.id,
        PaymentMethod.gateway_account_id == home.id,
        PaymentMethod.reference == reference,
    )
    return ctx.session.scalars(statement.with_for_update()).one_or_none()


def _locked(ctx: Context, method_id: UUID) -> PaymentMethod:
    return lookups.by_id(ctx, PaymentMethod, "payment_method", method_id, account=PaymentMethod.account_id, lock=True)


def _default_of(ctx: Context, account_id: UUID) -> UUID | None:
    statement = select(PaymentMethod.id).where(
        PaymentMethod.provider_id == ctx.provider.id, PaymentMethod.account_id == account_id, PaymentMethod.is_default
    )
    return ctx.session.scalars(statement).one_or_none()


def _newest(ctx: Context, account_id: UUID) -> PaymentMethod | None:
    statement = select(PaymentMethod).where(
        PaymentMethod.provider_id == ctx.provider.id,
        PaymentMethod.account_id == account_id,
        PaymentMethod.status == "active",
    )
    return ctx.session.scalars(statement.order_by(PaymentMethod.id.desc()).limit(1)).first()


def _no_other_default(ctx: Context, account_id: UUID) -> None:
    ctx.session.execute(
        update(PaymentMethod)
        .where(
            PaymentMethod.provider_id == ctx.provider.id,
            PaymentMethod.account_id == account_id,
            PaymentMethod.is_default,
        )
        .values(is_default=False)
    )
