"""What a kind of work is: how it is found, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from runtime.unit import unit
from services.context import Context

Queue = Literal["clock", "money", "billing", "delivery"]
Run = Callable[[UUID, Sequence[UUID]], None]
QUEUES: tuple[Queue, ...] = ("clock", "money", "billing", "delivery")


@dataclass(frozen=True)
class Kind:
    """A kind of work.

    Attributes:
        due: a SELECT of `provider_id, id, due_at` over what is not done yet, readable by the dispatching role.
        run: does it, for these ids of a provider; opens its own transactions; raises what it cannot do.
        business: `due_at` is the provider's time (a sandbox's clock), else the machine's.
        drained: a sandbox's clock waits for it at each instant.
        driven: (of business time) a sandbox's clock stops for it; else it is done once the clock stands.
        batch: how many ids `run` takes at once.
        slots: how many workers may be at it for one provider.
    """

    name: str
    queue: Queue
    due: str
    run: Run
    business: bool = False
    drained: bool = False
    driven: bool = True
    batch: int = 1
    slots: int = 1


def one(kind: str, service: Callable[[Context, UUID], object]) -> Run:
    """A service function of one id, in a transaction of its own."""

    def run(provider_id: UUID, ids: Sequence[UUID]) -> None:
        for each in ids:
            with unit(provider_id, actor=f"job:{kind}") as ctx:
                service(ctx, each)

    return run


def whole(kind: str, service: Callable[[Context], object]) -> Run:
    """A service function that finds by itself all that is due, in one transaction."""

    def run(provider_id: UUID, _: Sequence[UUID]) -> None:
        with unit(provider_id, actor=f"job:{kind}", bulk=True) as ctx:
            service(ctx)

    return run
