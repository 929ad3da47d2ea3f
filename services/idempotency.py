"""Remembered answers: the same POST with the same key is done once, whatever the network does.

A key is claimed in a transaction of its own, so that a second request sees it at once. The answer is stored in the
transaction of the effects, so there is never one without the other. A claim is a lease: a process that dies leaves a
key that can be claimed again, and a process that comes back late finds that the claim is no longer its own and rolls
its effects back. All of it is system time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from core.errors import Conflict
from core.ids import new_id
from models.access import IdempotencyRecord as Record
from services.clock import system_now
from services.context import Context

LIFE = timedelta(hours=24)
# Longer than any request may take: statements end after 60 s, workers after 120 s.
LEASE = timedelta(seconds=150)


@dataclass(frozen=True)
class Name:
    """What a key belongs to, besides its provider."""

    credential: str
    method: str
    path: str
    key: str


@dataclass(frozen=True)
class Claim:
    """The right to do the work of a key."""

    name: Name
    token: UUID


@dataclass(frozen=True)
class Answer:
    """A stored 2xx answer, without its secrets."""

    status: int
    headers: Mapping[str, Any]
    body: bytes


def claim(ctx: Context, name: Name, body_hash: bytes) -> Claim | Answer:
    """Claim a key, or find what was answered.

    Raises:
        Conflict: `idempotency_key_reused` with another body, `request_in_progress` while the first still runs.
    """
    now = system_now()
    fresh = Claim(name, new_id())
    values = {
        "provider_id": ctx.provider.id,
        **_columns(name),
        "body_hash": body_hash,
        "claim": fresh.token,
        "claimed_until": now + LEASE,
        "expires_at": now + LIFE,
    }
    inserted = ctx.session.execute(
        insert(Record).values(values).on_conflict_do_nothing().returning(Record.claim)
    ).one_or_none()
    if inserted is not None:
        return fresh
    row = ctx.session.execute(select(Record).where(_named(ctx, name)).with_for_update()).scalar_one_or_none()
    if row is None:
        # Released between our two statements: the first request failed, and the caller may send again.
        raise Conflict("request_in_progress", "The first request with this key has just ended. Send it again.")
    return _existing(row, fresh, body_hash, now)


def _existing(row: Record, fresh: Claim, body_hash: bytes, now: datetime) -> Claim | Answer:
    if row.expires_at > now:
        if row.body_hash != body_hash:
            raise Conflict("idempotency_key_reused", "This key was used with another body. Choose a new one.")
        if row.status is not None:
            return Answer(row.status, row.headers, row.body or b"")
        if row.claimed_until > now:
            raise Conflict("request_in_progress", "The first request with this key is still running.")
    row.body_hash, row.claim, row.claimed_until = body_hash, fresh.token, now + LEASE
    row.expires_at = now + LIFE
    row.status, row.finished_at, row.body, row.headers = None, None, None, {}
    return fresh


def finish(ctx: Context, claimed: Claim, answer: Answer) -> None:
    """Store the answer beside its effects.

    Raises:
        Conflict: `request_in_progress`, when this request took so long that another one claimed the key.
    """
    stored = ctx.session.execute(
        update(Record)
        .where(_named(ctx, claimed.name), Record.claim == claimed.token)
        .values(status=answer.status, headers=dict(answer.headers), body=answer.body, finished_at=system_now())
        .returning(Record.claim)
    ).one_or_none()
    if stored is None:
        raise Conflict("request_in_progress", "Another request with this key took over.")


def release(ctx: Context, claimed: Claim) -> None:
    """Give a key back after a refusal: it may be tried again, with another body too."""
    ctx.session.execute(
        delete(Record).where(_named(ctx, claimed.name), Record.claim == claimed.token, Record.finished_at.is_(None))
    )


def forget_expired(ctx: Context) -> None:
    """Delete what is past its life."""
    ctx.session.execute(delete(Record).where(Record.provider_id == ctx.provider.id, Record.expires_at <= system_now()))


def _columns(name: Name) -> dict[str, str]:
    return {"credential": name.credential, "method": name.method, "path": name.path, "key": name.key}


def _named(ctx: Context, name: Name) -> ColumnElement[bool]:
    condition = Record.provider_id == ctx.provider.id
    for column, value in _columns(name).items():
        condition = condition & (getattr(Record, column) == value)
    return condition
