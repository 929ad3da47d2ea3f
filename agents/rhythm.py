"""When to look for the next hour of a sandbox: early enough not to keep it waiting, seldom enough not to burden it.

The sandbox goes on some time after the agent has reported an hour as done. How long that takes is learned from the
looks: it lies between the last one that found the hour that was done and the first one that found another. Only the
moment at which a look is *sent* counts. How long its answer takes says how busy the server is, not how long its clock
stood still; waiting in proportion to that would make a slow server slower still.
"""

from __future__ import annotations

SOONEST_S, LATEST_S = 0.01, 0.25


class Rhythm:
    """All times are of one monotonic clock, in seconds."""

    def __init__(self, now: float) -> None:
        self._settled = self._in_vain = now
        self._expected_s = 0.0

    def settled(self, now: float) -> None:
        """An hour is done; the next look reports it."""
        self._settled = self._in_vain = now

    def came(self, sent: float) -> None:
        """A look that was sent then found another hour."""
        self._expected_s = min((self._in_vain + sent) / 2 - self._settled, LATEST_S)

    def pause_s(self, sent: float, now: float) -> float:
        """How long to wait after a look that was sent then and found the hour that is done already.

        While hours follow each other the next comes about as soon as the last did; a clock that stands still is asked
        less and less often.
        """
        since_s = now - self._settled
        self._in_vain = sent
        return min(max(self._expected_s - since_s, since_s / 10, SOONEST_S), LATEST_S)
