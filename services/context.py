"""The one context: what a use case knows of who asks, for whom, and what time it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from models.accounts import Account
from services.cipher import Cipher


@dataclass(frozen=True)
class ProviderSettings:
    """What a provider may set for itself; stored as JSON, missing members take these defaults.

    `spending_limits` is set with the first limit: usage is noted for those who have any, and costs nothing else.
    """

    close_after_minutes: int = 30
    usage_cutoff_days: int = 400
    draft_review: bool = False
    mail_invoices: bool = False
    dunning_policy: Mapping[str, Any] | None = None
    spending_limits: bool = False

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> ProviderSettings:
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})


@dataclass(frozen=True)
class Provider:
    """The tenant, as a value."""

    id: UUID
    name: str
    sandbox: bool
    country: str
    time_zone: str
    currency: str
    settings: ProviderSettings


@dataclass(frozen=True)
class Kit:
    """What the process lends to use cases: keys and addresses from its settings."""

    cipher: Cipher
    public_url: str | None = None
    sandbox_gateway_url: str | None = None
    webhooks_may_be_private: bool = False


@dataclass(frozen=True)
class Context:
    """The first argument of every service function.

    `scope` is None for everything of the provider, else the roots of the account subtrees that the caller may see.
    `now` is business time. `hints` are jobs to wake after the commit; losing them loses nothing.
    """

    session: Session
    provider: Provider
    actor: str
    scope: frozenset[UUID] | None
    now: datetime
    kit: Kit
    request_id: str | None = None
    hints: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def wake(self, job: str, *ids: UUID | str) -> None:
        """Ask that a job looks now, once this transaction is committed."""
        hint = (job, tuple(str(i) for i in ids))
        if hint not in self.hints:
            self.hints.append(hint)


Waker = Callable[[str, UUID, tuple[str, ...]], None]


def visible(ctx: Context, account_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """The condition that a row's account lies in what the caller may see."""
    if ctx.scope is None:
        return true()
    inside = select(Account.id).where(Account.provider_id == ctx.provider.id, Account.path.overlap(list(ctx.scope)))
    return account_id.in_(inside)
