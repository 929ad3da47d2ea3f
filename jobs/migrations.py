"""Moves of subscriptions to another version of their plan, in chunks that each are a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from runtime.unit import unit
from services import version_migration_steps

ACTOR = "job:version_migrations"


def work(provider_id: UUID, migration_ids: Sequence[UUID]) -> None:
    """Do what migrations are at, chunk by chunk; what is killed is done again."""
    for migration_id in migration_ids:
        more = True
        while more:
            with unit(provider_id, actor=ACTOR, bulk=True) as ctx:
                more = version_migration_steps.work(ctx, migration_id)
