"""What time it is for a PDU: the machine's time, a fixed instant, or a sandbox's test clock over HTTP."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol

import httpx

from core.period import parse_instant

TIMEOUT_S = 5
# An agent asks all its PDUs at once: waiting a moment lets them share one question.
GATHER_S = 0.004


class Clock(Protocol):
    """Tells the time, or None while it cannot be known."""

    async def now(self) -> datetime | None: ...


class SystemClock:
    """The machine's time."""

    async def now(self) -> datetime | None:
        return datetime.now(UTC)


class FixedClock:
    """One instant for ever, for looking at registers by hand."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    async def now(self) -> datetime | None:
        return self._instant


class SandboxClock:
    """A sandbox's test clock (`GET /v1/test-clock`).

    It is asked anew for each request, so that a PDU never answers with the register of an instant that has passed
    already; requests that come while one question is under way share the next.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._client = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S)
        self._asking: asyncio.Task[datetime | None] | None = None
        self._next: asyncio.Task[datetime | None] | None = None

    async def now(self) -> datetime | None:
        if self._next is None:
            self._next = asyncio.create_task(self._ask_after(self._asking))
        return await asyncio.shield(self._next)

    async def _ask_after(self, running: asyncio.Task[datetime | None] | None) -> datetime | None:
        """Ask once the question under way is answered. Whoever came until then shares this one, since it is put
        after they came."""
        if running is not None:
            await running
        await asyncio.sleep(GATHER_S)
        self._asking, self._next = self._next, None
        try:
            response = await self._client.get(self._url)
            return parse_instant(response.raise_for_status().json()["now"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None
