"""How many requests a caller may make in a minute: counted together over all processes, at the queue server.

A process takes requests from the shared count in small blocks, so that most requests cost no round trip. Without the
queue server each process counts alone: a limit must not be the reason for an outage.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import time

import structlog
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage
from redis.exceptions import RedisError

WINDOW_S = 60
BLOCKS = 200  # a window's requests are taken in about this many blocks
RETRY_STORAGE_S = 10.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Allowance:
    """What is left of a caller's minute. `reset_s` is the time until the next one."""

    limit: int
    remaining: int
    reset_s: int
    exceeded: bool

    def headers(self) -> dict[str, str]:
        shown = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }
        return shown | ({"Retry-After": str(self.reset_s)} if self.exceeded else {})


@dataclass
class _Share:
    """What this process has taken for one caller in one window, and the shared count when it last did."""

    window: int
    left: int = 0
    counted: int = 0


class Limiter:
    """Fixed windows of a minute per caller. Threads may take at once: a caller then gets a few more, never none."""

    def __init__(self, per_minute: int, storage: Storage) -> None:
        self._limit = per_minute
        self._block = max(1, per_minute // BLOCKS)
        self._storage = storage
        self._alone = MemoryStorage()
        self._alone_until = 0.0
        self._shares: dict[str, _Share] = {}

    def take(self, caller: str) -> Allowance:
        """Count one request of a caller."""
        now = time()
        window, reset = int(now) // WINDOW_S, WINDOW_S - int(now) % WINDOW_S
        share = self._shares.get(caller)
        if share is None or share.window != window:
            self._forget_old(window)
            share = self._shares[caller] = _Share(window)
        if share.left <= 0 and share.counted < self._limit:
            share.counted = self._count(f"rate:{caller}:{window}", now)
            share.left = max(0, self._block - max(0, share.counted - self._limit))
        if share.left <= 0:
            return Allowance(self._limit, 0, reset, exceeded=True)
        share.left -= 1
        return Allowance(self._limit, max(0, self._limit - share.counted) + share.left, reset, exceeded=False)

    def _count(self, key: str, now: float) -> int:
        if now >= self._alone_until:
            try:
                return self._storage.incr(key, 2 * WINDOW_S, amount=self._block)
            except (StorageError, RedisError, OSError) as error:
                log.warning("rate_limit_counts_alone", error=type(error).__name__)
                self._alone_until = now + RETRY_STORAGE_S
        return self._alone.incr(key, 2 * WINDOW_S, amount=self._block)

    def _forget_old(self, window: int) -> None:
        if len(self._shares) > 10_000:
            kept = [(caller, share) for caller, share in list(self._shares.items()) if share.window == window]
            self._shares = dict(kept)


def make_limiter(per_minute: int, queue_url: str | None) -> Limiter:
    """A limiter on the queue server; without one, of this process alone."""
    if queue_url is None:
        return Limiter(per_minute, MemoryStorage())
    url = queue_url.replace("unix://", "redis+unix://", 1)
    return Limiter(per_minute, RedisStorage(url, socket_timeout=0.5, socket_connect_timeout=0.5))
