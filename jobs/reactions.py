"""What we do ourselves when something happened: one table, event type -> service functions.

Fed from the outbox, at least once, in the order of an object's events. Each event's functions run in one transaction
with its tick, so a function whose work is not idempotent by itself is still done once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from runtime.unit import unit
from services import events
from services.clock import system_now
from services.context import Context
from services.events import Event

log = logging.getLogger(__name__)

Reaction = Callable[[Context, Event], object]

REACTIONS: Mapping[str, tuple[Reaction, ...]] = {}

ACTOR = "job:reactions"
BATCH = 200


def run(provider_id: UUID, _: Sequence[UUID]) -> None:
    """React to what happened at a provider, the oldest first."""
    react(provider_id, REACTIONS)


def react(provider_id: UUID, table: Mapping[str, tuple[Reaction, ...]]) -> None:
    """React by a table to up to a batch of events."""
    types = tuple(table)
    with unit(provider_id, actor=ACTOR) as ctx:
        now = system_now()
        events.settle_without_reaction(ctx, types, now)
        waiting = events.awaiting_reaction(ctx, types, now, BATCH)
    for event_id in waiting:
        try:
            _react_to(provider_id, event_id, table)
        except Exception as error:
            log.exception("a reaction failed", extra={"event_id": str(event_id)})
            with unit(provider_id, actor=ACTOR) as ctx:
                events.reaction_failed(ctx, event_id, f"{type(error).__name__}: {error}", system_now())


def _react_to(provider_id: UUID, event_id: UUID, table: Mapping[str, tuple[Reaction, ...]]) -> None:
    with unit(provider_id, actor=ACTOR) as ctx:
        event = events.claim_reaction(ctx, event_id)
        if event is None:
            return
        for reaction in table[event.type]:
            reaction(ctx, event)
        events.reacted(ctx, event_id, system_now())
