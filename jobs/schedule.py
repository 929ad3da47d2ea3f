"""The schedule: once a second, say to the queue what is due. One at a time, however many are started."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from jobs.finding import providers_with_work
from jobs.hints import Hints
from jobs.kinds import Kind
from runtime.unit import dispatch

log = logging.getLogger(__name__)

LOCK = 0x6275_7362_6173  # one schedule per database
TICK_SECONDS = 1.0
STAND_BY_SECONDS = 2.0


class Schedule:
    """Sends hints for whatever is due, as long as it leads."""

    def __init__(self, engine: Engine, hints: Hints, kinds: Mapping[str, Kind]) -> None:
        self._engine = engine
        self._hints = hints
        self._kinds = kinds

    def run(self, stop: threading.Event) -> None:
        """Lead, or stand by until whoever leads is gone."""
        while not stop.is_set():
            try:
                with leading(self._engine) as leader:
                    while leader is not None and not stop.is_set():
                        self._tick(leader, stop)
            except SQLAlchemyError as error:
                log.warning("the schedule begins anew", extra={"error": str(getattr(error, "orig", error))[:300]})
            stop.wait(STAND_BY_SECONDS)

    def _tick(self, leader: Connection, stop: threading.Event) -> None:
        began = time.monotonic()
        leader.execute(text("SELECT 1"))  # a lost connection is a lost lead
        self.look()
        stop.wait(max(0.0, TICK_SECONDS - (time.monotonic() - began)))

    def look(self) -> int:
        """Send a hint for each kind and provider with work; returns how many there were."""
        with dispatch() as session:
            found = providers_with_work(session, list(self._kinds.values()))
        for kind, provider_id in found:
            for slot in range(self._kinds[kind].slots):
                self._hints.send(kind, provider_id, slot)
        return len(found)


@contextmanager
def leading(engine: Engine) -> Iterator[Connection | None]:
    """The connection of whoever leads, or None when another does.

    The lead is an advisory lock of an open transaction, so that a pooler in front of the database keeps it where it is.
    """
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        leads = connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": LOCK}).scalar()
        yield connection if leads else None
