"""Finding what is due, over all tenants, as the dispatching role that may read nothing else."""

# ruff: noqa: S608 (statements are put together from the table of kinds, which is code; values are parameters)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.kinds import Kind
from services.clock import system_now

# A live provider's business time is the machine's. A sandbox's stands still between advances: what is due at it is
# done as for anybody else; while it advances, its driver alone does it, in order.
_TIME = "CASE WHEN p.sandbox THEN c.now ELSE :system END"
_IDLE = "(NOT p.sandbox OR c.status = 'ready')"
_CLOCKS = "JOIN provider p ON p.id = w.provider_id LEFT JOIN test_clock c ON c.provider_id = p.id"


@dataclass(frozen=True)
class Due:
    """A thing that is due. Seen again with the same `due_at`, it made no progress."""

    id: UUID
    due_at: datetime


def _source(kind: Kind) -> str:
    """All that is due of a kind now, of every provider."""
    if kind.business:
        return f"({kind.due}) w {_CLOCKS} WHERE {_IDLE} AND w.due_at <= {_TIME}"
    return f"({kind.due}) w WHERE w.due_at <= :system"


def providers_with_work(session: Session, kinds: Sequence[Kind]) -> list[tuple[str, UUID]]:
    """Which kinds of which providers are due now: `(kind name, provider id)`."""
    parts = [f"SELECT DISTINCT '{kind.name}' AS kind, w.provider_id FROM {_source(kind)}" for kind in kinds]
    rows = session.execute(text(" UNION ALL ".join(parts)), {"system": system_now()})
    return [(row.kind, row.provider_id) for row in rows]


def due_now(session: Session, kind: Kind, provider_id: UUID, limit: int) -> list[Due]:
    """What of a kind is due for a provider, the oldest first."""
    statement = (
        f"SELECT w.id, w.due_at FROM {_source(kind)} AND w.provider_id = :provider ORDER BY w.due_at, w.id LIMIT :n"
    )
    rows = session.execute(text(statement), {"system": system_now(), "provider": provider_id, "n": limit})
    return [Due(row.id, row.due_at) for row in rows]


def first_due(session: Session, kinds: Sequence[Kind], provider_id: UUID) -> dict[str, datetime]:
    """When the first of each kind fell due for a provider, or will; kinds with nothing at all are left out.

    One small question for all kinds: hours in which nothing falls due, most of them, cost no other.
    """
    parts = [
        f"(SELECT '{kind.name}' AS kind, w.due_at FROM ({kind.due}) w"
        " WHERE w.provider_id = :provider AND w.due_at IS NOT NULL ORDER BY w.due_at LIMIT 1)"
        for kind in kinds
    ]
    rows = session.execute(text(" UNION ALL ".join(parts)), {"provider": provider_id})
    return {row.kind: row.due_at for row in rows}


def due_by_kind(
    session: Session, kinds: Sequence[tuple[Kind, datetime]], provider_id: UUID, limit: int
) -> dict[str, list[Due]]:
    """What of each kind is due for a provider up to an instant, the oldest first; kinds with nothing are left out.

    Args:
        kinds: each with the instant, which is of the kind's own time.
        limit: of each kind.
    """
    if not kinds:
        return {}
    parts = [
        f"(SELECT '{kind.name}' AS kind, w.id, w.due_at FROM ({kind.due}) w"
        f" WHERE w.provider_id = :provider AND w.due_at <= :until_{number} ORDER BY w.due_at, w.id LIMIT :n)"
        for number, (kind, _) in enumerate(kinds)
    ]
    instants = {f"until_{number}": instant for number, (_, instant) in enumerate(kinds)}
    rows = session.execute(text(" UNION ALL ".join(parts)), {**instants, "provider": provider_id, "n": limit})
    found: dict[str, list[Due]] = {}
    for row in rows:
        found.setdefault(row.kind, []).append(Due(row.id, row.due_at))
    return found


def least_due_after(session: Session, kinds: Sequence[Kind], provider_id: UUID, now: datetime) -> datetime | None:
    """The next instant after `now` at which any of the kinds falls due for a provider."""
    if not kinds:
        return None
    parts = [
        f"SELECT min(w.due_at) AS at FROM ({kind.due}) w WHERE w.provider_id = :provider AND w.due_at > :now"
        for kind in kinds
    ]
    statement = f"SELECT min(at) FROM ({' UNION ALL '.join(parts)}) least"
    found: datetime | None = session.execute(text(statement), {"provider": provider_id, "now": now}).scalar()
    return found
