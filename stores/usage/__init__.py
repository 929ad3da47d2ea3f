"""Usage: readings, events, and what was made of them, behind one port.

Owns: how bulk rows enter and how slots of usage come out, one file per backend.
Does not own: what a step between two readings means (`billing.metering`), who may send or see usage (`services`).
Nothing else in the house reads the usage tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.slots import SlotRequest, Usage
from core.registry import plugins
from stores.usage.port import UsageStore


def backend(name: str = "postgresql") -> UsageStore:
    """The store of that name."""
    found: UsageStore = plugins("stores.usage")[name]
    return found


def slots_many(
    session: Session, provider_id: UUID, requests: Iterable[SlotRequest], *, now: datetime, evidence: bool = True
) -> dict[SlotRequest, Usage]:
    """The usage of many items at once, in a fixed number of queries. Every request has an answer.

    Args:
        now: of requests that end before, what no reading tells is estimated; of those that run on, only what is known
            counts.
        evidence: also gather what an explanation shows (points, breaks, outermost readings).
    """
    return backend().slots_many(session, provider_id, requests, now=now, evidence=evidence)


def arrived(session: Session, provider_id: UUID, looked: Mapping[SlotRequest, datetime]) -> set[SlotRequest]:
    """Of some requests, each with when it was last answered (system time), those whose answer may be another now.

    What arrives while an answer is being worked out may be missing in it: say a time before that.
    """
    return backend().arrived(session, provider_id, looked)
