"""Certificates that exempt accounts from tax. An expired one exempts nobody: the bill date of a document decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from billing.periods import local_date
from core.errors import Invalid
from core.ids import new_id
from models.accounts import Account
from models.taxes import TaxCertificate
from services import lookups
from services.context import Context, visible
from services.paging import Slice, Window, newest_first

KIND = "tax_certificate"


def register(ctx: Context, account_id: UUID, values: Mapping[str, Any]) -> TaxCertificate:
    """Register a certificate of an account that pays.

    Args:
        values: `number`, `country`, `valid_from`; optional `region`, `tax_class`, `reason`, `note`, `document`,
            `valid_to`, `external_id`, `meta`.

    Raises:
        NotFound: there is no such account. Invalid: `account_does_not_pay`, `dates_reversed`,
            `certificate_expired`.
    """
    account = lookups.by_id(ctx, Account, "account", account_id, account=Account.id)
    if account.payer_id != account.id:
        raise Invalid("account_does_not_pay", "This account does not pay: its payer's documents are taxed.")
    _check_dates(values["valid_from"], values.get("valid_to"))
    if values.get("valid_to") is not None and values["valid_to"] < local_date(ctx.now, account.time_zone):
        raise Invalid("certificate_expired", "This certificate has expired; ask for a new one.", "/valid_to")
    given = {name: value for name, value in values.items() if value is not None}
    region = str(given.get("region", "")).strip().removeprefix(f"{given['country']}-")
    row = TaxCertificate(
        provider_id=ctx.provider.id,
        id=new_id(),
        account_id=account.id,
        created_at=ctx.now,
        **given | {"region": region},
    )
    ctx.session.add(row)
    ctx.session.flush()
    return row


def _check_dates(first: Any, last: Any) -> None:
    if last is not None and last < first:
        raise Invalid("dates_reversed", "The last day is before the first.", "/valid_to")


def get(ctx: Context, certificate_id: UUID) -> TaxCertificate:
    """One certificate of an account that the caller may see."""
    return lookups.by_id(ctx, TaxCertificate, KIND, certificate_id, account=TaxCertificate.account_id)


def list_certificates(
    ctx: Context, window: Window, *, account_id: UUID | None = None, external_id: str | None = None
) -> Slice[TaxCertificate]:
    """Certificates that the caller may see, newest first.

    Raises:
        NotFound: there is no such account.
    """
    statement = select(TaxCertificate).where(
        TaxCertificate.provider_id == ctx.provider.id, visible(ctx, TaxCertificate.account_id)
    )
    if account_id is not None:
        lookups.by_id(ctx, Account, "account", account_id, account=Account.id)
        statement = statement.where(TaxCertificate.account_id == account_id)
    if external_id is not None:
        statement = statement.where(TaxCertificate.external_id == external_id)
    return newest_first(ctx, statement, TaxCertificate.id, window)


def change(ctx: Context, certificate_id: UUID, changes: Mapping[str, Any]) -> TaxCertificate:
    """Change a certificate's `valid_to` (ending it, or as it was prolonged), `document`, `external_id` or `meta`.

    Raises:
        NotFound, Invalid: `dates_reversed`.
    """
    row = lookups.by_id(ctx, TaxCertificate, KIND, certificate_id, account=TaxCertificate.account_id, lock=True)
    _check_dates(row.valid_from, changes.get("valid_to"))
    for name, value in changes.items():
        setattr(row, name, value)
    ctx.session.flush()
    return row
