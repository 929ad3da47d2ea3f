"""Two times: a provider's business time, and the machine's."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.providers import TestClock


def system_now() -> datetime:
    """The machine's clock: for leases, expiries, signatures, pauses. Never for what is billed."""
    return datetime.now(UTC)


def now(session: Session, provider_id: UUID, *, sandbox: bool) -> datetime:
    """Business time: the machine's for a live provider, the test clock's for a sandbox."""
    if not sandbox:
        return system_now()
    return session.execute(select(TestClock.now).where(TestClock.provider_id == provider_id)).scalar_one()
