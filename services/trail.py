"""Reading the audit trail; what writes it is `services.audit` and the triggers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from models.outbox import Audit
from services.context import Context
from services.paging import Slice, Window, in_order


def list_entries(
    ctx: Context,
    window: Window,
    *,
    object_id: UUID | None = None,
    kind: str | None = None,
    action: str | None = None,
    actor: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Slice[Audit]:
    """Entries of the whole provider, newest first; `since` and `until` are business time, half-open."""
    statement = select(Audit).where(Audit.provider_id == ctx.provider.id)
    wanted = ((Audit.object_id, object_id), (Audit.object_kind, kind), (Audit.action, action), (Audit.actor, actor))
    for column, value in wanted:
        if value is not None:
            statement = statement.where(column == value)
    if since is not None:
        statement = statement.where(Audit.at >= since)
    if until is not None:
        statement = statement.where(Audit.at < until)
    return in_order(ctx, statement, (Audit.number,), window, descending=True)
