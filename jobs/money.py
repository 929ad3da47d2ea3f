"""Money at gateways: each step a transaction of its own, and none open while a gateway is spoken to.

A kill between any two of these lines costs nothing: the row says what was to be done, and a lease ends by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from runtime.unit import unit
from services import collection_steps, refunds
from services.clock import system_now

ACTOR = "job:collection"


def attempts(provider_id: UUID, attempt_ids: Sequence[UUID]) -> None:
    """Take attempts as far as they go now."""
    for attempt_id in attempt_ids:
        while _step(provider_id, attempt_id):
            continue


def _step(provider_id: UUID, attempt_id: UUID) -> bool:
    """One step of an attempt; whether another can follow at once."""
    with unit(provider_id, actor=ACTOR) as ctx:
        task = collection_steps.claim(ctx, attempt_id, system_now())
    if task is None:
        return False
    outcome = collection_steps.perform(task)
    with unit(provider_id, actor=ACTOR) as ctx:
        return collection_steps.record(ctx, attempt_id, outcome)


def give_back(provider_id: UUID, refund_ids: Sequence[UUID]) -> None:
    """Ask gateways for refunds."""
    for refund_id in refund_ids:
        with unit(provider_id, actor=ACTOR) as ctx:
            task = refunds.claim(ctx, refund_id, system_now())
        if task is None:
            continue
        outcome = refunds.perform(task)
        with unit(provider_id, actor=ACTOR) as ctx:
            refunds.record(ctx, refund_id, outcome)
