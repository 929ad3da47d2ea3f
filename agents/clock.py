"""The agent's time: a monotonic clock, set by the server's heartbeat answers.

A machine at a customer's site may have any time, and may be set in the middle of a month. Once the server has
answered, time runs on the monotonic clock from what the server said, so a step of the machine's clock moves no
reading. Before that, the machine's time is all there is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

# Differences below this are the network's, not the clock's.
TOLERANCE = timedelta(seconds=2)
# The longest sleep at a stretch: a clock that was corrected meanwhile is noticed after it.
NAP_S = 20.0


class AgentClock:
    """Business time of a live provider, as well as the agent can know it."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._base: datetime | None = None
        self._base_monotonic = 0.0

    def now(self) -> datetime:
        """The time in UTC."""
        if self._base is None:
            return datetime.fromtimestamp(self._wall(), UTC)
        return self._base + timedelta(seconds=self._monotonic() - self._base_monotonic)

    def correct(self, server_now: datetime, round_trip_s: float) -> timedelta:
        """Take the server's time, as of the middle of a round trip that has just ended.

        Returns:
            How far the agent's time was ahead of the server's (negative: behind).
        """
        true_now = server_now + timedelta(seconds=round_trip_s / 2)
        ahead = self.now() - true_now
        if self._base is None or abs(ahead) > TOLERANCE:
            # Small differences keep the machine's time: it is as good as the network's.
            self._base = true_now if abs(ahead) > TOLERANCE else self.now()
            self._base_monotonic = self._monotonic()
        return ahead

    async def sleep_until(self, instant: datetime) -> None:
        """Return at the instant, never before it."""
        while (rest := (instant - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(rest, NAP_S))
