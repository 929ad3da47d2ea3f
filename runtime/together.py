"""Small work of several requests in one transaction: a commit waits for the disk, and many can wait for it at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar
from uuid import UUID

import structlog

from runtime.house import House
from runtime.unit import unit
from services.context import Context

Piece = TypeVar("Piece")
Outcome = TypeVar("Outcome")
PIECES_MAX = 64
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Who:
    """For whom work is done: only work of one caller shares a transaction."""

    provider_id: UUID
    actor: str
    scope: frozenset[UUID] | None


class _Ticket(Generic[Piece, Outcome]):
    """A request's piece of work. It is called when its `outcomes` are there (one, or none if the transaction failed),
    or when it is its turn to do the work of `batch`, of which it is the first."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.call = Lock()  # held until the call; an event does the same for ten times the work
        self.call.acquire()
        self.batch: list[_Ticket[Piece, Outcome]] = []
        self.outcomes: list[Outcome] = []


class Together(Generic[Piece, Outcome]):
    """Does pieces of one kind of work: what comes while a transaction is under way is done in the next one, as one.

    Nobody waits for company: a piece that comes alone is done at once. When a transaction of several fails, each of
    its requests does its own piece alone, so that none fails for another's sake.
    """

    def __init__(self, home: House, work: Callable[[Context, Sequence[Piece]], Sequence[Outcome]]) -> None:
        """
        Args:
            work: does pieces in a transaction; returns an outcome for each, in their order.
        """
        self._home = home
        self._work = work
        self._lock = Lock()
        self._waiting: dict[Who, list[_Ticket[Piece, Outcome]]] = {}  # there while somebody works for them

    def do(self, who: Who, piece: Piece, *, request_id: str) -> Outcome:
        """What became of a piece, once that is committed; raises what its transaction raises."""
        ticket = _Ticket[Piece, Outcome](piece)
        with self._lock:
            waiting = self._waiting.get(who)
            if waiting is None:
                self._waiting[who] = []
                ticket.batch = [ticket]
            else:
                waiting.append(ticket)
        if not ticket.batch:
            ticket.call.acquire()
        if ticket.batch:
            self._lead(who, ticket.batch, request_id)
        return ticket.outcomes[0] if ticket.outcomes else self._in_one(who, [piece], request_id)[0]

    def _lead(self, who: Who, batch: Sequence[_Ticket[Piece, Outcome]], request_id: str) -> None:
        """Do the work of a batch, and call all who wait for it."""
        try:
            outcomes = self._in_one(who, [ticket.piece for ticket in batch], request_id)
            for ticket, outcome in zip(batch, outcomes, strict=True):
                ticket.outcomes.append(outcome)
        except Exception as error:
            if len(batch) == 1:
                raise
            # Whatever it is: each tries alone, and raises its own.
            log.warning("work_done_alone", pieces=len(batch), error=type(error).__name__)
        finally:
            self._hand_over(who)
            for ticket in batch[1:]:
                ticket.call.release()

    def _hand_over(self, who: Who) -> None:
        """Let the first who came meanwhile do the work of all who did."""
        with self._lock:
            waiting = self._waiting[who]
            if not waiting:
                del self._waiting[who]
                return
            batch, self._waiting[who] = waiting[:PIECES_MAX], waiting[PIECES_MAX:]
            batch[0].batch = batch
        batch[0].call.release()

    def _in_one(self, who: Who, pieces: Sequence[Piece], request_id: str) -> Sequence[Outcome]:
        """One transaction."""
        with unit(who.provider_id, actor=who.actor, scope=who.scope, request_id=request_id, within=self._home) as ctx:
            return self._work(ctx, pieces)
