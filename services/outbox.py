"""Events are rows written in the transaction of the change they tell of; jobs react to them and deliver them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from core.ids import new_id
from models.outbox import OutboxEvent
from services.context import Context
from services.sets import add_rows, among

JOB = "events"


@dataclass(frozen=True)
class Emission:
    """One event to write: its type, what it is about, and the object as the API shows it."""

    type: str
    kind: str
    object_id: UUID
    data: Mapping[str, Any]
    account_id: UUID | None = None


def emit(
    ctx: Context,
    event_type: str,
    kind: str,
    object_id: UUID,
    data: Mapping[str, Any],
    *,
    account_id: UUID | None = None,
) -> UUID:
    """Write one event and return its id."""
    return emit_all(ctx, [Emission(event_type, kind, object_id, data, account_id)])[0]


def emit_all(ctx: Context, emissions: Sequence[Emission]) -> list[UUID]:
    """Write events in a set: two statements however many. `sequence` counts per object.

    The caller holds the lock of the objects' rows, so that two transactions do not count from the same number;
    if none does, the unique constraint refuses the second.
    """
    if not emissions:
        return []
    objects = {e.object_id for e in emissions}
    counted = ctx.session.execute(
        select(OutboxEvent.object_id, func.max(OutboxEvent.sequence))
        .where(OutboxEvent.provider_id == ctx.provider.id, among(OutboxEvent.object_id, objects))
        .group_by(OutboxEvent.object_id)
    )
    last: dict[UUID, int] = {row.object_id: row[1] for row in counted}
    ids = [new_id() for _ in emissions]
    rows: list[dict[str, Any]] = []
    for event_id, e in zip(ids, emissions, strict=True):
        last[e.object_id] = last.get(e.object_id, 0) + 1
        rows.append(
            {
                "provider_id": ctx.provider.id,
                "id": event_id,
                "type": e.type,
                "object_kind": e.kind,
                "object_id": e.object_id,
                "account_id": e.account_id,
                "sequence": last[e.object_id],
                "created_at": ctx.now,
                "data": e.data,
            }
        )
    add_rows(ctx, OutboxEvent, rows)
    ctx.wake(JOB)
    return ids
