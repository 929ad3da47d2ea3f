"""Sums of simulations, portion by portion; each is a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from runtime.unit import unit
from services import simulations

ACTOR = "job:simulations"


def work(provider_id: UUID, simulation_ids: Sequence[UUID]) -> None:
    """Sum up what is still to be summed up; what is killed goes on where it was."""
    for simulation_id in simulation_ids:
        more = True
        while more:
            with unit(provider_id, actor=ACTOR, bulk=True) as ctx:
                more = simulations.work(ctx, simulation_id)
