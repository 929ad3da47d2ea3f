"""Accounts: who holds subscriptions, in a tree whose payers receive the invoices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from billing.bill_dates import bill_at, next_bill_at
from billing.document_grouping import PER_PAYER
from billing.periods import local_date
from billing.statements import next_statement_at
from core.errors import Invalid, UnknownReference
from core.ids import encode, new_id
from core.period import rfc3339
from models.accounts import Account
from models.providers import Seller
from services import lookups, outbox
from services.context import Context, visible
from services.paging import Slice, Window, newest_first
from services.tax_ids import check_tax_id

# What is known of a tax id from its register.
LOOKED_UP = ("tax_id_checked_on", "tax_id_check")
# What a change may touch; the tree, the currency and the seller are fixed when an account is made.
CHANGEABLE = frozenset(
    {
        "name",
        "legal_name",
        "email",
        "country",
        "time_zone",
        "locale",
        "tax_id",
        "tax_status",
        "tax_id_checked_on",
        "tax_id_check",
        "purchase_order",
        "cost_centre",
        "address",
        "invoice_grouping",
        "statement_schedule",
        "external_id",
        "meta",
    }
)


@dataclass(frozen=True)
class NewAccount:
    """An account to make. `parent` and `seller` are references; what is None follows the parent or the provider."""

    name: str
    currency: str
    country: str
    payer: str = "self"
    mode: str = "postpaid"
    parent: str | None = None
    seller: str | None = None
    time_zone: str | None = None
    legal_name: str | None = None
    email: str | None = None
    locale: str | None = None
    tax_id: str | None = None
    tax_status: str | None = None
    tax_id_checked_on: date | None = None
    tax_id_check: str | None = None
    purchase_order: str | None = None
    cost_centre: str | None = None
    address: Mapping[str, Any] = field(default_factory=dict)
    invoice_grouping: str | None = None
    statement_schedule: Mapping[str, Any] | None = None
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def create(ctx: Context, new: NewAccount) -> Account:
    """Make an account.

    Raises:
        UnknownReference: `account_unknown` for the parent, `seller_unknown`.
        Invalid: `parent_required`, `payer_without_parent`, `tax_id_malformed`, `provider_only`,
            `account_does_not_pay`.
        Conflict: `external_id_taken`, from the database.
    """
    _check_looked_up(ctx, [name for name in LOOKED_UP if getattr(new, name) is not None])
    parent = _parent(ctx, new)
    zone = new.time_zone or (parent.time_zone if parent else ctx.provider.time_zone)
    account_id = new_id()
    pays = new.payer == "self"
    account = Account(
        provider_id=ctx.provider.id,
        id=account_id,
        seller_id=_seller_id(ctx, new.seller, parent),
        parent_id=parent.id if parent else None,
        payer_id=account_id if pays or parent is None else parent.payer_id,
        path=[*(parent.path if parent else ()), account_id],
        name=new.name,
        legal_name=new.legal_name,
        email=new.email,
        currency=new.currency,
        country=new.country,
        time_zone=zone,
        locale=new.locale,
        mode=new.mode,
        tax_id=check_tax_id(new.tax_id),
        tax_status=new.tax_status,
        tax_id_checked_on=new.tax_id_checked_on,
        tax_id_check=new.tax_id_check,
        purchase_order=new.purchase_order,
        cost_centre=new.cost_centre,
        address=dict(new.address),
        invoice_grouping=new.invoice_grouping or PER_PAYER,
        external_id=new.external_id,
        meta=dict(new.meta),
        created_at=ctx.now,
    )
    _check_pays(account, new.invoice_grouping, new.statement_schedule)
    _schedule_statements(ctx, account, new.statement_schedule)
    if pays:
        account.next_bill_at = next_bill_at(ctx.now, zone, ctx.provider.settings.close_after_minutes)
        account.next_bill_on = local_date(account.next_bill_at, zone)
    ctx.session.add(account)
    ctx.session.flush()
    outbox.emit(ctx, "account.created", "account", account.id, facts(account), account_id=account.id)
    return account


def _parent(ctx: Context, new: NewAccount) -> Account | None:
    if new.parent is not None:
        return lookups.by_reference(ctx, Account, "account", new.parent, pointer="/parent", account=Account.id)
    if ctx.scope is not None:
        raise Invalid("parent_required", "Name a parent: your credential sees its own accounts only.", "/parent")
    if new.payer == "parent":
        raise Invalid("payer_without_parent", "Without a parent, an account pays for itself.", "/payer")
    return None


def _seller_id(ctx: Context, reference: str | None, parent: Account | None) -> UUID:
    if reference is not None:
        return lookups.by_reference(ctx, Seller, "seller", reference, pointer="/seller").id
    if parent is not None:
        return parent.seller_id
    default = select(Seller.id).where(Seller.provider_id == ctx.provider.id, Seller.is_default)
    found = ctx.session.execute(default).scalar_one_or_none()
    if found is None:
        raise UnknownReference("seller", "(the default one)", "/seller")
    return found


def get(ctx: Context, account_id: UUID) -> Account:
    """One account that the caller may see."""
    return lookups.by_id(ctx, Account, "account", account_id, account=Account.id)


def list_accounts(
    ctx: Context,
    window: Window,
    *,
    external_id: str | None = None,
    parent: str | None = None,
    payer: str | None = None,
    email: str | None = None,
) -> Slice[Account]:
    """Accounts that the caller may see, newest first."""
    statement = select(Account).where(Account.provider_id == ctx.provider.id, visible(ctx, Account.id))
    for column, value in ((Account.external_id, external_id), (Account.email, email)):
        if value is not None:
            statement = statement.where(column == value)
    for link, reference, member in ((Account.parent_id, parent, "?parent"), (Account.payer_id, payer, "?payer")):
        if reference is not None:
            found = lookups.by_reference(ctx, Account, "account", reference, pointer=member, account=Account.id)
            statement = statement.where(link == found.id)
    return newest_first(ctx, statement, Account.id, window)


def change(ctx: Context, account_id: UUID, changes: Mapping[str, Any]) -> Account:
    """Change what may change.

    Args:
        changes: members of `CHANGEABLE` with their new values.

    Raises:
        NotFound, Invalid: `tax_id_malformed`, `provider_only`, `account_does_not_pay`.
        Conflict: `external_id_taken`, from the database.
    """
    account = lookups.by_id(ctx, Account, "account", account_id, account=Account.id, lock=True)
    _check_pays(account, changes.get("invoice_grouping"), changes.get("statement_schedule"))
    _check_looked_up(ctx, [name for name in LOOKED_UP if name in changes])
    changes = _tax_id_anew(account, changes)
    for name, value in changes.items():
        if name not in CHANGEABLE:
            raise ValueError(f"{name} of an account never changes")
        setattr(account, name, value)
    if "time_zone" in changes and account.next_bill_on is not None:
        # The bill date stays, and begins where its zone says.
        minutes = ctx.provider.settings.close_after_minutes
        account.next_bill_at = bill_at(account.next_bill_on, account.time_zone, minutes)
    if "statement_schedule" in changes or ("time_zone" in changes and account.statement_schedule):
        _schedule_statements(ctx, account, account.statement_schedule)
    ctx.session.flush()
    outbox.emit(ctx, "account.updated", "account", account.id, facts(account), account_id=account.id)
    return account


def _check_pays(account: Account, grouping: str | None, schedule: Mapping[str, Any] | None) -> None:
    """Documents and statements are the payer's."""
    for member, value in (("invoice_grouping", grouping), ("statement_schedule", schedule)):
        if value is not None and account.payer_id != account.id:
            raise Invalid("account_does_not_pay", "Another account pays for this one: set it there.", f"/{member}")


def _schedule_statements(ctx: Context, account: Account, schedule: Mapping[str, Any] | None) -> None:
    account.statement_schedule = dict(schedule) if schedule else None
    minutes = ctx.provider.settings.close_after_minutes
    account.next_statement_at = next_statement_at(schedule, ctx.now, account.time_zone, minutes) if schedule else None


def _check_looked_up(ctx: Context, members: Sequence[str]) -> None:
    """That a register knows a number is said by the provider, not by who wants no tax on its bills."""
    if members and ctx.scope is not None:
        raise Invalid("provider_only", "Only the provider says that a tax id was looked up.", f"/{members[0]}")


def _tax_id_anew(account: Account, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was looked up was another number, once it changes."""
    if "tax_id" not in changes:
        return changes
    number = check_tax_id(changes["tax_id"])
    forgotten = {} if number == account.tax_id else dict.fromkeys(LOOKED_UP)
    return {**forgotten, **changes, "tax_id": number}


def facts(account: Account) -> dict[str, Any]:
    """What events tell of an account: what the API shows."""
    return {
        "id": encode("account", account.id),
        "external_id": account.external_id,
        "metadata": dict(account.meta),
        "created_at": rfc3339(account.created_at),
        "name": account.name,
        "legal_name": account.legal_name,
        "email": account.email,
        "currency": account.currency,
        "country": account.country,
        "time_zone": account.time_zone,
        "locale": account.locale,
        "mode": account.mode,
        "parent": encode("account", account.parent_id) if account.parent_id else None,
        "payer": encode("account", account.payer_id),
        "seller": encode("seller", account.seller_id),
        "tax_id": account.tax_id,
        "tax_status": account.tax_status,
        "tax_id_checked_on": account.tax_id_checked_on.isoformat() if account.tax_id_checked_on else None,
        "tax_id_check": account.tax_id_check,
        "purchase_order": account.purchase_order,
        "cost_centre": account.cost_centre,
        "address": dict(account.address),
        "invoice_grouping": account.invoice_grouping,
        "statement_schedule": account.statement_schedule,
        "next_statement_at": rfc3339(account.next_statement_at) if account.next_statement_at else None,
        "next_bill_on": account.next_bill_on.isoformat() if account.next_bill_on else None,
    }
