"""Emptying the spool into the server: batches, at least once, forgotten only after the acknowledgement.

A server that is down, slow, or fails after its commit costs waiting, nothing else: the same batch is sent again, and
the server knows each reading by point, register and instant.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from collections.abc import Awaitable, Callable

from agents.server import Receipt, Server, ServerError
from agents.spool import Spool, Spooled

log = logging.getLogger("busbar-agent.delivery")

BATCH_MAX = 1000
BACKOFF_BASE_S = 0.5
BACKOFF_MAX_S = 300.0
# Statuses that blame the content: repeating the same batch cannot help.
BLAMES_CONTENT = frozenset({400, 413, 415, 422})


def backoff_s(failures: int, retry_after_s: float | None = None, longest_s: float = BACKOFF_MAX_S) -> float:
    """How long to wait after so many failures in a row: exponential with full jitter, so that a thousand agents do
    not come back together; at least what the server asked for."""
    ceiling = min(longest_s, BACKOFF_BASE_S * 2 ** min(failures, 20))
    return (retry_after_s or 0.0) + random.uniform(0, ceiling)  # noqa: S311  jitter, not a secret


class Delivery:
    """Sends what the spool holds, one batch at a time: `run` or `flush` is called by one task only."""

    def __init__(self, spool: Spool, server: Server, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._spool = spool
        self._server = server
        self._sleep = sleep
        self._filled = asyncio.Event()

    def wake(self) -> None:
        """There is something to send."""
        self._filled.set()

    async def run(self) -> None:
        """Send whatever comes, for ever."""
        while True:
            self._filled.clear()
            await self.flush()
            await self._filled.wait()

    async def flush(self, longest_pause_s: float = BACKOFF_MAX_S) -> None:
        """Return when everything that the spool holds has been acknowledged, however long that takes."""
        limit, failures = BATCH_MAX, 0
        while batch := self._spool.batch(limit):
            try:
                self._settle(batch, await self._deliver(batch))
                limit, failures = min(BATCH_MAX, limit * 2), 0
            except (ServerError, sqlite3.Error) as error:
                status, retry_after_s = getattr(error, "status", None), getattr(error, "retry_after_s", None)
                if status in BLAMES_CONTENT and len(batch) > 1:
                    limit = len(batch) // 2
                    continue
                failures += 1
                pause_s = backoff_s(failures, retry_after_s, longest_pause_s)
                log.warning("delivery failed (%s), %d waiting, next try in %.1f s", error, len(batch), pause_s)
                await self._sleep(pause_s)

    async def _deliver(self, batch: list[Spooled]) -> Receipt:
        """Hand over a batch; a single reading that the server cannot take at all counts as refused."""
        try:
            return await self._server.deliver([item.body for item in batch])
        except ServerError as error:
            if error.status not in BLAMES_CONTENT or len(batch) > 1:
                raise
            return Receipt(0, 0, [(0, f"status_{error.status}", str(error))])

    def _settle(self, batch: list[Spooled], receipt: Receipt) -> None:
        refused = [(batch[index], code, detail) for index, code, detail in receipt.refused if index < len(batch)]
        for item, code, detail in refused:
            log.warning("reading refused: %s %s at %s: %s", code, item.body["point"], item.body["at"], detail)
        self._spool.settle(batch, refused)
