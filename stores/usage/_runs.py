"""Slots of one length that follow each other: which of them holds an instant is arithmetic, not a join.

A month of five-minute slots is one run of 8,928; a month, or a day in a list of days, is a run of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from billing.metering.cuts import HOUR, hour_of
from billing.metering.slots import Part, SlotRequest


@dataclass(frozen=True)
class Run:
    """`count` slots of one length, the first of which is the request's slot number `first`."""

    first: int
    count: int
    start: datetime
    step: timedelta

    @property
    def end(self) -> datetime:
        return self.start + self.count * self.step

    @property
    def of_hours(self) -> bool:
        """Whether its slots are whole hours, which the rollups know."""
        return self.step == HOUR and self.start == hour_of(self.start)


@lru_cache(maxsize=64)
def runs_of(edges: tuple[datetime, ...]) -> tuple[Run, ...]:
    """The fewest runs that make up all slots, in order."""
    found: list[Run] = []
    first, step = 0, edges[1] - edges[0]
    for i in range(1, len(edges) - 1):
        length = edges[i + 1] - edges[i]
        if length != step:
            found.append(Run(first, i - first, edges[first], step))
            first, step = i, length
    return (*found, Run(first, len(edges) - 1 - first, edges[first], step))


def is_fine(request: SlotRequest, run: Run) -> bool:
    """Whether a run is counted as one, not slot by slot: many short slots, or slots that tell what is known."""
    return Part.COVERAGE in request.parts or (run.count > 1 and run.step <= HOUR)


def coarse_slots(request: SlotRequest) -> Iterator[int]:
    """The numbers of the slots that are counted one by one."""
    for run in runs_of(request.edges):
        if not is_fine(request, run):
            yield from range(run.first, run.first + run.count)
