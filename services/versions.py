"""Changes of one resource over HTTP take turns: what `If-Match` compared is still so when the change is made."""

from __future__ import annotations

from sqlalchemy import text

from services.context import Context

HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def hold(ctx: Context, name: str) -> None:
    """Wait for other changes of the resource of this name; held until the transaction ends."""
    ctx.session.execute(HOLD, {"name": f"{ctx.provider.id}{name}"})
