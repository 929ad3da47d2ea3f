"""The driver of a sandbox's clock: a month passes as it would have passed live, only faster.

It finds the least instant at which anything falls due, sets the clock to it, and does everything due then, kind by
kind in the order of the table, by the functions that the queue runs for live providers; then what that set off
(reactions, payments); and again, until the target is reached. A kill at any point loses nothing: the clock stands at
the instant that was being worked on, and the next driver begins by doing what is still due at it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.exc import InterfaceError, OperationalError

from core.period import rfc3339
from jobs import ending
from jobs.finding import Due, due_by_kind, first_due, least_due_after
from jobs.kinds import Kind
from runtime.unit import dispatch, unit
from services import events, test_clock
from services.clock import system_now
from services.context import Context
from services.test_clock import LeaseLost

log = logging.getLogger(__name__)

ACTOR = "job:clock"
WAIT_SECONDS = 10.0
REACTION_TRIES = 4
RENEW_SECONDS = 3.0
PAUSE_SECONDS = 1.0
SLICE_SECONDS = 15.0
FOUND_MAX = 500
LOOK_SECONDS, LOOK_SECONDS_MAX = 0.005, 0.2
HOUR = timedelta(hours=1)
UNKNOWN = datetime(1, 1, 1, tzinfo=UTC)

Lagging = Callable[[Context, datetime], Sequence[str]]


class CannotGoOn(Exception):
    """The clock stops here; the message says why."""


def until_next_look(waited: float, lately: float) -> float:
    """How long to wait before looking again whether the agents have come along, in seconds.

    One hour is like the next: nobody looks before most of what the last one took has passed. From then on the looks
    follow closely, for the whole sandbox stands still meanwhile.

    Args:
        waited: at this hour so far.
        lately: at the hour before, until all had come.
    """
    closely = LOOK_SECONDS + min(waited / 10, 4 * LOOK_SECONDS)
    return max(closely, min(lately * 3 / 4, LOOK_SECONDS_MAX) - waited)


@dataclass
class Drive:
    """One driver's way from where the clock stands to its target.

    Attributes:
        kinds: the whole table; those of business time in their order, and those that the clock waits for.
        lagging: the names of the agents that follow the clock and have not come as far as an instant.
        passed_over: called with an instant when agents were waited for in vain.
    """

    provider_id: UUID
    kinds: Sequence[Kind]
    lagging: Lagging
    passed_over: Callable[[Context, datetime], object]
    token: UUID = field(default_factory=uuid4)
    now: datetime = field(default=UNKNOWN, init=False)
    target: datetime = field(default=UNKNOWN, init=False)
    next_due: datetime | None = field(default=None, init=False)
    followed: bool = field(default=False, init=False)
    agents_took: float = field(default=0.0, init=False)

    def run(self, slice_seconds: float = SLICE_SECONDS) -> bool:
        """Drive; False when the time slice ended before the target was reached, and somebody should go on."""
        with self._unit() as ctx:
            clock = test_clock.take(ctx, self.token, system_now())
            if clock is None or clock.target is None:
                return True
            self.now, self.target = clock.now, clock.target
            self.followed = bool(self.lagging(ctx, self._next_hour()))
        try:
            with self._lease_kept():
                return self._to_target(time.monotonic() + slice_seconds)
        except LeaseLost:
            log.info("another driver took over", extra={"provider": str(self.provider_id)})
        except (OperationalError, InterfaceError) as error:
            # The database was away, or a lock was: no reason to stop, somebody goes on from here.
            log.warning("the clock pauses", exc_info=error, extra={"provider": str(self.provider_id)})
            return self._pause(f"At {rfc3339(self.now)}, and trying again: {type(error.orig).__name__}.")
        except Exception as error:
            log.exception("the clock stops", extra={"provider": str(self.provider_id), "at": rfc3339(self.now)})
            self._stop(f"At {rfc3339(self.now)}: {error}")
        return True

    def _to_target(self, deadline: float) -> bool:
        while self._wait_for_agents():
            self._do_all_due()
            if self.now >= self.target:
                with self._unit() as ctx:
                    test_clock.finish(ctx, self.token)
                return True
            if time.monotonic() > deadline or ending.TOLD.is_set():
                break
            self._move(self._next_instant())
        with self._unit() as ctx:
            test_clock.give_back(ctx, self.token)
        return False

    def _next_instant(self) -> datetime:
        """The least of: what falls due next, the next full hour if agents follow this clock, the target."""
        candidates = [self.target]
        if self.next_due is not None:
            candidates.append(self.next_due)
        if self.followed:
            candidates.append(self._next_hour())
        return min(candidates)

    def _next_hour(self) -> datetime:
        return self.now.replace(minute=0, second=0, microsecond=0) + HOUR

    def _move(self, instant: datetime) -> None:
        """Set the clock. In the same transaction, look whether agents follow it: they stop at each full hour."""
        self.now = instant
        with self._unit() as ctx:
            test_clock.move(ctx, self.token, instant, system_now())
            self.followed = bool(self.lagging(ctx, self._next_hour()))

    def _wait_for_agents(self) -> bool:
        """Wait at a full hour for the agents that follow; False when this process is to end and another should wait:
        the agents may not reach the server then, and that is no fault of theirs."""
        if not self.followed or self.now.minute or self.now.second or self.now.microsecond:
            return True
        started = time.monotonic()
        # One transaction for all looks: each statement sees what has been committed by then, and costs least so.
        with self._unit() as ctx:
            while late := list(self.lagging(ctx, self.now)):
                waited = time.monotonic() - started
                if ending.TOLD.is_set():
                    return False
                if waited > WAIT_SECONDS:
                    break
                time.sleep(until_next_look(waited, self.agents_took))
        self.agents_took = time.monotonic() - started
        if late:
            self._pass_over(late)
        return True

    def _pass_over(self, late: Sequence[str]) -> None:
        with self._unit() as ctx:
            self.passed_over(ctx, self.now)
            who = ", ".join(late[:5])
            test_clock.remark(
                ctx, self.token, f"Went on at {rfc3339(self.now)} without waiting longer for agents: {who}."
            )

    def _do_all_due(self) -> None:
        """Do everything due at the instant, kind by kind, then what it sets off, until there is nothing more to do.

        What is seen again with the same due instant made no progress and is not tried twice at one instant.
        """
        seen: set[tuple[str, Due]] = set()
        give_up = time.monotonic() + WAIT_SECONDS
        while True:
            business, set_off = self._look()
            fresh = {kind: [due for due in found if (kind, due) not in seen] for kind, found in business.items()}
            seen.update((kind, due) for kind, found in fresh.items() for due in found)
            if any(fresh.values()):
                self._work(fresh)
                give_up = time.monotonic() + WAIT_SECONDS
            elif not set_off:
                return
            elif time.monotonic() > give_up:
                self._remark(f"Went on at {rfc3339(self.now)} without waiting longer for: {', '.join(set_off)}.")
                return
            else:
                time.sleep(0.005)
            self._work(set_off)
            self._refuse_failing_reactions(set_off)

    def _look(self) -> tuple[dict[str, list[Due]], dict[str, list[Due]]]:
        """What is due now in business time, and what was set off and runs in the machine's time, by kind.

        The latter includes what somebody else has in hand, and what pauses for a moment: the clock waits for both.
        """
        soon = system_now() + timedelta(seconds=WAIT_SECONDS)
        until = {kind: self.now if kind.business else soon for kind in self.kinds if kind.business or kind.drained}
        with dispatch() as session:
            first = first_due(session, list(until), self.provider_id)
            begun = [kind for kind in until if kind.name in first and first[kind.name] <= until[kind]]
            found = due_by_kind(session, [(kind, until[kind]) for kind in begun], self.provider_id, FOUND_MAX)
            # What is due already does not say what comes after it, and may stay where it is.
            later = least_due_after(session, [kind for kind in begun if kind.business], self.provider_id, self.now)
        names = {kind.name for kind in self.kinds if kind.business}
        coming = [at for name, at in first.items() if name in names and at > self.now]
        self.next_due = min([*coming, *([later] if later else [])], default=None)
        return (
            {name: due for name, due in found.items() if name in names},
            {name: due for name, due in found.items() if name not in names},
        )

    def _work(self, found: Mapping[str, Sequence[Due]]) -> None:
        for kind in self.kinds:
            ids = [due.id for due in found.get(kind.name, ())]
            for start in range(0, len(ids), kind.batch):
                kind.run(self.provider_id, ids[start : start + kind.batch])

    def _refuse_failing_reactions(self, set_off: Mapping[str, Sequence[Due]]) -> None:
        if not set_off:
            return
        with self._unit() as ctx:
            failing = events.failing_reactions(ctx, REACTION_TRIES)
        if failing:
            raise CannotGoOn("; ".join(f"the reaction to {kind} failed: {error}" for kind, error in failing))

    def _remark(self, detail: str) -> None:
        with self._unit() as ctx:
            test_clock.remark(ctx, self.token, detail)

    def _pause(self, detail: str) -> bool:
        """Leave it to another driver: at once if the database is back, else when the lease has run out."""
        time.sleep(PAUSE_SECONDS)
        with suppress(OperationalError, InterfaceError, LeaseLost), self._unit() as ctx:
            test_clock.remark(ctx, self.token, detail)
            test_clock.give_back(ctx, self.token)
        return False

    def _stop(self, detail: str) -> None:
        try:
            with self._unit() as ctx:
                test_clock.fail(ctx, self.token, detail)
        except LeaseLost:
            log.info("the lease was lost before the failure could be noted")

    @contextmanager
    def _lease_kept(self) -> Iterator[None]:
        """Renew the lease beside the work, however long one step takes."""
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(RENEW_SECONDS):
                try:
                    with self._unit() as ctx:
                        test_clock.renew(ctx, self.token, system_now())
                except Exception:
                    log.warning("the lease of a clock was not renewed", exc_info=True)

        keeper = threading.Thread(target=renew, name="lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()

    def _unit(self) -> AbstractContextManager[Context]:
        return unit(self.provider_id, actor=ACTOR)
