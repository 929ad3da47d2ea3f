"""Remembered answers: the same POST with the same key is done once, whatever the network does.

A key is claimed by a lock of the request's own transaction, and the answer is stored in that transaction too. So there
is never an answer without its effects or effects without their answer, a second request sees the first while it runs,
and a process that dies leaves nothing behind: its lock ends with its connection. Lives are system time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from core.errors import Conflict
from models.access import IdempotencyRecord as Record
from services.clock import system_now
from services.context import Context

LIFE = timedelta(hours=24)
LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 1))")


@dataclass(frozen=True)
class Claim:
    """The right to do the work of a key: what the key belongs to besides its provider, and the body it came with."""

    credential: str
    method: str
    path: str
    key: str
    body_hash: bytes


@dataclass(frozen=True)
class Answer:
    """A stored 2xx answer, without its secrets."""

    status: int
    headers: Mapping[str, Any]
    body: bytes


def claim(ctx: Context, claimed: Claim) -> Answer | None:
    """Take a key for the rest of this transaction; what was answered, if it was used before.

    Raises:
        Conflict: `request_in_progress` while another transaction has it, `idempotency_key_reused` with another body.
    """
    name = "\n".join((str(ctx.provider.id), claimed.credential, claimed.method, claimed.path, claimed.key))
    if not ctx.session.execute(LOCK, {"name": name}).scalar_one():
        raise Conflict("request_in_progress", "The first request with this key is still running.")
    # A statement of its own, so that it sees what the holder before us committed.
    row = ctx.session.execute(
        select(Record.body_hash, Record.status, Record.headers, Record.body).where(
            _of(ctx, claimed), Record.expires_at > system_now()
        )
    ).one_or_none()
    if row is None:
        return None
    if row.body_hash != claimed.body_hash:
        raise Conflict("idempotency_key_reused", "This key was used with another body. Choose a new one.")
    return Answer(row.status, row.headers, row.body)


def remember(ctx: Context, claimed: Claim, answer: Answer) -> None:
    """Store the answer beside its effects, over one that is past its life."""
    kept = {
        "body_hash": claimed.body_hash,
        "expires_at": system_now() + LIFE,
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": answer.body,
    }
    statement = insert(Record).values(provider_id=ctx.provider.id, **_names(claimed), **kept)
    ctx.session.execute(statement.on_conflict_do_update(constraint="pk_idempotency_record", set_=kept))


def forget_expired(ctx: Context) -> None:
    """Delete what is past its life."""
    ctx.session.execute(delete(Record).where(Record.provider_id == ctx.provider.id, Record.expires_at <= system_now()))


def _names(claimed: Claim) -> dict[str, str]:
    return {
        "credential": claimed.credential,
        "method": claimed.method,
        "path": claimed.path,
        "key": claimed.key,
    }


def _of(ctx: Context, claimed: Claim) -> ColumnElement[bool]:
    condition = Record.provider_id == ctx.provider.id
    for column, value in _names(claimed).items():
        condition = condition & (getattr(Record, column) == value)
    return condition
