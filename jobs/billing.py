"""Billing runs, in chunks that each are a transaction: as many workers at one run as there are."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from runtime.unit import unit
from services import runs

ACTOR = "job:billing_runs"


def work_runs(provider_id: UUID, run_ids: Sequence[UUID]) -> None:
    """Bill the payers of runs, chunk by chunk, and make their documents final as soon as their numbers are certain."""
    for run_id in run_ids:
        _bill(provider_id, run_id)
        more = True
        while more:
            with unit(provider_id, actor=ACTOR, bulk=True) as ctx:
                more = runs.finish(ctx, run_id)


def _bill(provider_id: UUID, run_id: UUID) -> None:
    while True:
        with unit(provider_id, actor=ACTOR) as ctx:
            payers = runs.claim(ctx, run_id)
        if not payers:
            return
        with unit(provider_id, actor=ACTOR) as ctx:
            runs.prepare(ctx, run_id, payers)
        with unit(provider_id, actor=ACTOR, bulk=True) as ctx:
            runs.bill(ctx, run_id, payers)
        with unit(provider_id, actor=ACTOR, bulk=True) as ctx:
            runs.finish_early(ctx, run_id)
