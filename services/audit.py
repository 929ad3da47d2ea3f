"""The audit trail. State changes write themselves (a trigger); this is for what no column shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from models.outbox import Audit
from services.context import Context


def record(
    ctx: Context,
    kind: str,
    object_id: UUID,
    action: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Write down who did what to which object, when, and what it was before and after."""
    ctx.session.execute(
        insert(Audit).values(
            provider_id=ctx.provider.id,
            at=ctx.now,
            actor=ctx.actor,
            request_id=ctx.request_id,
            object_kind=kind,
            object_id=object_id,
            action=action,
            before=dict(before) if before is not None else None,
            after=dict(after) if after is not None else None,
        )
    )
