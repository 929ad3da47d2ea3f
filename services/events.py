"""The outbox, read: by callers as a list, by our own reactions in the order in which things happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.orm import aliased

from core.ids import PREFIXES, encode
from core.period import rfc3339
from models.outbox import OutboxEvent
from services.context import Context, visible
from services.lookups import by_id
from services.paging import Slice, Window, newest_first

# Pauses after the first, second, … failed try of a reaction; the last goes on for ever, for nothing may be lost.
PAUSES_S = (0.2, 0.5, 1, 2, 5, 15, 60, 300)
ERROR_CHARS_MAX = 500


@dataclass(frozen=True)
class Event:
    """An event, as reactions get it."""

    id: UUID
    type: str
    object_kind: str
    object_id: UUID
    account_id: UUID | None
    sequence: int
    created_at: datetime
    data: dict[str, Any]


def list_events(
    ctx: Context,
    window: Window,
    *,
    event_type: str | None = None,
    object_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Slice[OutboxEvent]:
    """Events that the caller may see, newest first; `since` is included, `until` is not."""
    statement = select(OutboxEvent).where(OutboxEvent.provider_id == ctx.provider.id)
    if ctx.scope is not None:
        statement = statement.where(visible(ctx, OutboxEvent.account_id))
    if event_type is not None:
        statement = statement.where(OutboxEvent.type == event_type)
    if object_id is not None:
        statement = statement.where(OutboxEvent.object_id == object_id)
    if since is not None:
        statement = statement.where(OutboxEvent.created_at >= since)
    if until is not None:
        statement = statement.where(OutboxEvent.created_at < until)
    return newest_first(ctx, statement, OutboxEvent.id, window)


def get(ctx: Context, event_id: UUID) -> OutboxEvent:
    """One event. Raises NotFound."""
    return by_id(ctx, OutboxEvent, "event", event_id, account=OutboxEvent.account_id)


def settle_without_reaction(ctx: Context, types: Sequence[str], now: datetime) -> None:
    """Tick off, in a set, the events that nobody here reacts to.

    Args:
        types: the event types that have reactions.
        now: system time.
    """
    quiet = (
        select(OutboxEvent.id)
        .where(
            OutboxEvent.provider_id == ctx.provider.id,
            OutboxEvent.reacted_at.is_(None),
            OutboxEvent.type.not_in(types),
        )
        .limit(5000)
        .with_for_update(skip_locked=True)
    )
    ctx.session.execute(
        update(OutboxEvent)
        .where(OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.id.in_(quiet))
        .values(reacted_at=now)
        .execution_options(synchronize_session=False)
    )


def awaiting_reaction(ctx: Context, types: Sequence[str], now: datetime, limit: int) -> list[UUID]:
    """The events to react to, the oldest first; one that failed waits for its pause to end."""
    statement = (
        select(OutboxEvent.id)
        .where(
            OutboxEvent.provider_id == ctx.provider.id,
            OutboxEvent.reacted_at.is_(None),
            OutboxEvent.type.in_(types),
            OutboxEvent.react_after.is_(None) | (OutboxEvent.react_after <= now),
        )
        .order_by(OutboxEvent.id)
        .limit(limit)
    )
    return list(ctx.session.scalars(statement))


def claim_reaction(ctx: Context, event_id: UUID) -> Event | None:
    """Take an event for this transaction: nobody else reacts to it meanwhile, and none before one of the same object
    that happened earlier. None when it is done, taken, or not yet its turn.
    """
    earlier = aliased(OutboxEvent)
    turn = ~exists().where(
        earlier.provider_id == OutboxEvent.provider_id,
        earlier.object_id == OutboxEvent.object_id,
        earlier.sequence < OutboxEvent.sequence,
        earlier.reacted_at.is_(None),
    )
    row = ctx.session.scalars(
        select(OutboxEvent)
        .where(
            OutboxEvent.provider_id == ctx.provider.id,
            OutboxEvent.id == event_id,
            OutboxEvent.reacted_at.is_(None),
            turn,
        )
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    return Event(
        row.id, row.type, row.object_kind, row.object_id, row.account_id, row.sequence, row.created_at, row.data
    )


def reacted(ctx: Context, event_id: UUID, now: datetime) -> None:
    """Tick an event off, in the transaction of its reactions. `now` is system time."""
    ctx.session.execute(
        update(OutboxEvent)
        .where(OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.id == event_id)
        .values(reacted_at=now, react_error=None)
    )


def reaction_failed(ctx: Context, event_id: UUID, error: str, now: datetime) -> None:
    """Note why, and when to try again (system time)."""
    tries = ctx.session.scalar(
        select(OutboxEvent.react_tries).where(OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.id == event_id)
    )
    pause = PAUSES_S[min(tries or 0, len(PAUSES_S) - 1)]
    ctx.session.execute(
        update(OutboxEvent)
        .where(OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.id == event_id)
        .values(
            react_tries=OutboxEvent.react_tries + 1,
            react_after=now + timedelta(seconds=pause),
            react_error=error[:ERROR_CHARS_MAX],
        )
    )


def failing_reactions(ctx: Context, tries: int) -> list[tuple[str, str]]:
    """`(type, error)` of events whose reactions failed at least so often and are still to come."""
    rows = ctx.session.execute(
        select(OutboxEvent.type, OutboxEvent.react_error)
        .where(
            OutboxEvent.provider_id == ctx.provider.id,
            OutboxEvent.reacted_at.is_(None),
            OutboxEvent.react_tries >= tries,
        )
        .order_by(OutboxEvent.id)
        .limit(5)
    )
    return [(row.type, row.react_error or "") for row in rows]


def envelope(row: OutboxEvent) -> dict[str, Any]:
    """An event as receivers and callers see it."""
    known = row.object_kind in PREFIXES
    return {
        "id": encode("event", row.id),
        "type": row.type,
        "created_at": rfc3339(row.created_at),
        "sequence": row.sequence,
        "object": {
            "id": encode(row.object_kind, row.object_id) if known else str(row.object_id),
            "kind": row.object_kind,
        },
        "data": row.data,
    }
