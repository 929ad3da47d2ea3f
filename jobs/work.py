"""The one job there is: do what is due of a kind, for a provider, now."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from jobs.finding import Due, due_now
from jobs.kinds import Kind
from runtime import logs
from runtime.unit import dispatch

log = logging.getLogger(__name__)

FOUND_MAX = 500
SLICE_SECONDS = 30
PAUSE_SECONDS_MAX = 300.0


@dataclass
class Failures:
    """What failed lately in this process, and until when it is left alone. Other processes have their own."""

    until: dict[tuple[str, UUID], tuple[int, float]] = field(default_factory=dict)

    def waits(self, kind: str, due: Due) -> bool:
        return self.until.get((kind, due.id), (0, 0.0))[1] > time.monotonic()

    def note(self, kind: str, ids: Sequence[UUID]) -> None:
        if len(self.until) > 10_000:
            self.until.clear()
        for each in ids:
            tries = self.until.get((kind, each), (0, 0.0))[0] + 1
            self.until[kind, each] = (tries, time.monotonic() + min(2.0**tries, PAUSE_SECONDS_MAX))

    def forget(self, kind: str, ids: Sequence[UUID]) -> None:
        for each in ids:
            self.until.pop((kind, each), None)


failures = Failures()


def work(kind_name: str, provider: str, slot: int = 0) -> None:
    """The entry that the queue calls."""
    from jobs import due  # the table imports the kinds' functions, which import their rooms
    from jobs.workers import hints

    kind, provider_id = due.KINDS[kind_name], UUID(provider)
    hints().forget(kind_name, provider_id, slot)
    logs.bind(job=kind_name, provider=provider)
    try:
        if not do(kind, provider_id):
            hints().send(kind_name, provider_id, slot)
    finally:
        logs.unbind()


def do(kind: Kind, provider_id: UUID, seconds: float = SLICE_SECONDS) -> bool:
    """Do what is due until nothing is, or time is up; says whether all was done.

    What made no progress (another worker has it, or it failed) is left for the next look.
    """
    deadline = time.monotonic() + seconds
    seen: set[Due] = set()
    while found := _fresh(kind, provider_id, seen):
        seen.update(found)
        for start in range(0, len(found), kind.batch):
            _attempt(kind, provider_id, [due.id for due in found[start : start + kind.batch]])
            if time.monotonic() > deadline:
                return False
    return True


def _fresh(kind: Kind, provider_id: UUID, seen: set[Due]) -> list[Due]:
    with dispatch() as session:
        found = due_now(session, kind, provider_id, FOUND_MAX + len(seen))
    return [due for due in found if due not in seen and not failures.waits(kind.name, due)]


def _attempt(kind: Kind, provider_id: UUID, ids: Sequence[UUID]) -> None:
    try:
        kind.run(provider_id, ids)
    except Exception:
        failures.note(kind.name, ids)
        log.exception("work failed and is tried again", extra={"kind": kind.name, "ids": [str(i) for i in ids[:20]]})
    else:
        failures.forget(kind.name, ids)
