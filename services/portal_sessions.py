"""How a customer comes in: a one-time link by mail or from an integrator, then a session in the browser.

Tokens are 32 random bytes and stored as SHA-256. Their life is system time: `now` here is the machine's clock.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from core.errors import NotFound
from core.ids import encode, new_id
from models.access import PortalLink, PortalSession
from models.accounts import Account
from models.providers import Membership, User
from services import mail
from services.clock import system_now
from services.context import Context
from services.lookups import by_id, by_reference

LINK_LIFE = timedelta(minutes=30)
SESSION_LIFE = timedelta(hours=12)
# So many mailed links an account may have waiting: asking again and again fills nobody's mailbox.
LINKS_WAITING_MAX = 5
# So many accounts one address may open by mail; whoever has more has an integrator.
ACCOUNTS_PER_ADDRESS_MAX = 10
ROLE = "customer"
# Where the pages are mounted; both doors write it into links.
PATH = "/portal"


@dataclass(frozen=True)
class Link:
    """A one-time link's secret, known only here and now, and until when it opens."""

    token: str
    expires_at: datetime


@dataclass(frozen=True)
class Visitor:
    """Who is signed in: whose pages, how that account reads figures, and the secret of this session's forms."""

    session_id: UUID
    account_id: UUID
    account_name: str
    locale: str | None
    time_zone: str
    currency: str
    user_id: UUID | None
    csrf: str


def make_link(ctx: Context, account: str, now: datetime) -> Link:
    """A one-time link to an account's pages, for an integrator to hand to its customer.

    Args:
        account: id or external id.

    Raises:
        UnknownReference: `account_unknown`, there is none, or not for this caller.
    """
    row = by_reference(ctx, Account, "account", account, pointer="/account", account=Account.id)
    return _link(ctx, row.id, None, now)


def link_url(ctx: Context, base_url: str, link: Link) -> str:
    """Where a link's page is, below the address that people reach Busbar under."""
    return f"{base_url.rstrip('/')}{PATH}/{encode('provider', ctx.provider.id)}/enter/{link.token}"


def ask(ctx: Context, email: str, now: datetime, base_url: str) -> None:
    """Mail sign-in links to an address, if it may sign in here; else do nothing. The caller never learns which.

    An address may sign in to the accounts that carry it and to those it is a customer member of.

    Args:
        base_url: the address that people reach Busbar under.
    """
    address = email.strip()
    for account in _accounts_of(ctx, address):
        if _waiting(ctx, account.id, now) >= LINKS_WAITING_MAX:
            continue
        link = _link(ctx, account.id, _member(ctx, address, account.id), now)
        mail.send(
            ctx,
            [address],
            f"Sign in to {ctx.provider.name}",
            _letter(ctx.provider.name, account.name, link_url(ctx, base_url, link)),
            kind="sign_in",
            account_id=account.id,
        )


def preview(ctx: Context, token: str, now: datetime) -> str:
    """The name of the account that a link opens. Looking uses nothing up: mail scanners look too.

    Raises:
        NotFound: the link is unknown, used or expired.
    """
    row = ctx.session.execute(
        select(Account.name)
        .join(PortalLink, (PortalLink.provider_id == Account.provider_id) & (PortalLink.account_id == Account.id))
        .where(
            PortalLink.provider_id == ctx.provider.id,
            PortalLink.token_hash == _hash(token),
            PortalLink.used_at.is_(None),
            PortalLink.expires_at > now,
        )
    ).scalar_one_or_none()
    if row is None:
        raise NotFound("sign-in link")
    return row


def redeem(ctx: Context, token: str, now: datetime) -> str:
    """Trade a link for a session, once, and return the session's token.

    Raises:
        NotFound: the link is unknown, used or expired.
    """
    link = ctx.session.execute(
        update(PortalLink)
        .where(
            PortalLink.provider_id == ctx.provider.id,
            PortalLink.token_hash == _hash(token),
            PortalLink.used_at.is_(None),
            PortalLink.expires_at > now,
        )
        .values(used_at=now)
        .returning(PortalLink.account_id, PortalLink.user_id)
    ).one_or_none()
    if link is None:
        raise NotFound("sign-in link")
    session_token = secrets.token_urlsafe(32)
    ctx.session.execute(
        insert(PortalSession).values(
            provider_id=ctx.provider.id,
            id=new_id(),
            account_id=link.account_id,
            user_id=link.user_id,
            token_hash=_hash(session_token),
            csrf=secrets.token_urlsafe(32),
            expires_at=now + SESSION_LIFE,
        )
    )
    return session_token


def visitor(ctx: Context, session_token: str, now: datetime) -> Visitor | None:
    """Who a session's token belongs to; None where it is unknown, ended or expired."""
    row = ctx.session.execute(
        select(PortalSession, Account)
        .join(Account, (Account.provider_id == PortalSession.provider_id) & (Account.id == PortalSession.account_id))
        .where(
            PortalSession.provider_id == ctx.provider.id,
            PortalSession.token_hash == _hash(session_token),
            PortalSession.ended_at.is_(None),
            PortalSession.expires_at > now,
        )
    ).one_or_none()
    if row is None:
        return None
    session, account = row
    return Visitor(
        session.id,
        account.id,
        account.name,
        account.locale,
        account.time_zone,
        account.currency,
        session.user_id,
        session.csrf,
    )


def end(ctx: Context, session_id: UUID, now: datetime) -> None:
    """Sign out: the session opens nothing any more."""
    session = by_id(ctx, PortalSession, "portal_session", session_id, account=PortalSession.account_id, lock=True)
    session.ended_at = session.ended_at or now


def forget_ended(ctx: Context) -> None:
    """Delete the links and sessions that open nothing any more."""
    for table in (PortalLink, PortalSession):
        ctx.session.execute(delete(table).where(table.provider_id == ctx.provider.id, table.expires_at <= system_now()))


def _accounts_of(ctx: Context, address: str) -> list[Account]:
    member_of = (
        select(Membership.account_id)
        .join(User, User.id == Membership.user_id)
        .where(
            Membership.provider_id == ctx.provider.id,
            Membership.role == ROLE,
            func.lower(User.email) == address.lower(),
        )
    )
    rows = ctx.session.scalars(
        select(Account)
        .where(
            Account.provider_id == ctx.provider.id,
            (func.lower(Account.email) == address.lower()) | Account.id.in_(member_of),
        )
        .order_by(func.cardinality(Account.path), Account.id)
        .limit(ACCOUNTS_PER_ADDRESS_MAX)
    )
    return list(rows)


def _member(ctx: Context, address: str, account_id: UUID) -> UUID:
    """The person of an address, as a customer of the account; made where there is none yet."""
    values = {"id": new_id(), "email": address, "created_at": ctx.now}
    ctx.session.execute(upsert(User).values(values).on_conflict_do_nothing())
    user_id = ctx.session.execute(select(User.id).where(func.lower(User.email) == address.lower())).scalar_one()
    membership = {"user_id": user_id, "account_id": account_id, "role": ROLE, "created_at": ctx.now}
    row = {"provider_id": ctx.provider.id, "id": new_id(), **membership}
    ctx.session.execute(upsert(Membership).values(row).on_conflict_do_nothing())
    return user_id


def _waiting(ctx: Context, account_id: UUID, now: datetime) -> int:
    """How many of the links mailed for an account are still good."""
    return ctx.session.execute(
        select(func.count())
        .select_from(PortalLink)
        .where(
            PortalLink.provider_id == ctx.provider.id,
            PortalLink.account_id == account_id,
            PortalLink.user_id.is_not(None),
            PortalLink.used_at.is_(None),
            PortalLink.expires_at > now,
        )
    ).scalar_one()


def _link(ctx: Context, account_id: UUID, user_id: UUID | None, now: datetime) -> Link:
    link = Link(secrets.token_urlsafe(32), now + LINK_LIFE)
    ctx.session.execute(
        insert(PortalLink).values(
            provider_id=ctx.provider.id,
            id=new_id(),
            account_id=account_id,
            user_id=user_id,
            token_hash=_hash(link.token),
            expires_at=link.expires_at,
        )
    )
    return link


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _letter(provider: str, account: str, url: str) -> str:
    minutes = int(LINK_LIFE.total_seconds() // 60)
    return (
        f"Hello,\n\n"
        f"here is your link to the customer pages of {account} at {provider}:\n\n"
        f"{url}\n\n"
        f"It works once, within {minutes} minutes. If you did not ask for it, you need to do nothing.\n"
    )
