"""The running agent: heartbeat, configuration, polling, delivery, in live time or in a sandbox's.

Live, every device has its own rhythm, and polling never waits for sending. In a sandbox time stands still until the
agent has come along, so each hour is polled, delivered and only then reported as reached.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from datetime import datetime, timedelta

from agents.clock import TOLERANCE, AgentClock
from agents.delivery import Delivery, backoff_s
from agents.poller import Poller
from agents.readings import Reading
from agents.rhythm import LATEST_S, Rhythm
from agents.schedule import boundary_rank, next_hour, next_poll
from agents.server import Heartbeat, Server, ServerError
from agents.spool import Rank, Spool
from agents.state import StateDirectory
from agents.targets import UTC_ZONE, Configuration, Target
from core.errors import Misconfigured

log = logging.getLogger("busbar-agent")

SANDBOX = "sandbox"
HEARTBEAT_S = 30.0
FOLLOWING_PAUSE_MAX_S = 2.0
NOTE_HEALTH_S = 10.0
# The sandbox waits ten seconds for an agent. A poll that took less than half of that cannot have been overtaken.
SURE_S = 5.0


class Agent:
    """One agent on one event loop."""

    def __init__(self, state: StateDirectory, server: Server, spool: Spool) -> None:
        self._state = state
        self._server = server
        self._spool = spool
        self._clock = AgentClock()
        self._poller = Poller()
        self._delivery = Delivery(spool, server)
        self._configuration: Configuration | None = None
        self._live: dict[Target, asyncio.Task[None]] = {}
        self._delivering: asyncio.Task[None] | None = None
        self._tag: str | None = None
        self._reached: datetime | None = None
        self._sandbox_now: datetime | None = None
        self._noted_at = self._beat_at = time.monotonic()
        self._rhythm = Rhythm(self._beat_at)

    async def run(self) -> None:
        """Work until cancelled."""
        kept = self._state.configuration()
        if kept:
            self._configuration, self._tag = kept.configuration, kept.tag
            if kept.clock != SANDBOX:
                self._go_live()
        failures = 0
        try:
            while True:
                try:
                    pause_s = await self._step()
                    failures = 0
                except ServerError as error:
                    failures += 1
                    pause_s = backoff_s(failures, error.retry_after_s, self._patience_s())
                    log.warning("heartbeat failed (%s), next try in %.1f s", error, pause_s)
                self._note_health()
                await asyncio.sleep(pause_s)
        finally:
            await self._stop_live()
            self._note_health(at_once=True)
            self._poller.close()

    async def _step(self) -> float:
        """One heartbeat and what follows from it; returns the pause until the next."""
        beat = await self._beat()
        await self._configure(beat)
        if beat.clock == SANDBOX:
            await self._stop_live()
            return await self._follow(beat)
        self._sandbox_now = self._reached = None
        ahead = self._clock.correct(beat.now, beat.round_trip_s)
        if abs(ahead) > TOLERANCE:
            log.warning("the clock was %.0f s ahead of the server's and has been corrected", ahead.total_seconds())
        self._go_live()
        return HEARTBEAT_S

    async def _beat(self) -> Heartbeat:
        at = self._sandbox_now or self._clock.now()
        version = self._configuration.version if self._configuration else None
        self._beat_at = time.monotonic()
        return await self._server.heartbeat(at, self._spool.depth(), self._reached, version)

    def _patience_s(self) -> float:
        return FOLLOWING_PAUSE_MAX_S if self._sandbox_now else HEARTBEAT_S

    async def _configure(self, beat: Heartbeat) -> None:
        """Fetch the configuration if another one holds. One that cannot be used is not taken."""
        known = self._configuration.version if self._configuration else None
        if known is not None and beat.configuration == known:
            return
        fetched = await self._server.configuration(self._tag)
        if fetched is None:
            return
        document, self._tag = fetched
        try:
            self._configuration = self._state.keep_configuration(document, self._tag, beat.clock)
        except Misconfigured as problem:
            log.error("%s", problem)
            return
        log.info("configuration %d with %d targets", self._configuration.version, len(self._configuration.targets))

    # Live

    def _go_live(self) -> None:
        """Have exactly the configured targets polled, each by a task of its own."""
        wanted = set(self._configuration.targets) if self._configuration else set()
        for task in [*self._live.values(), *([self._delivering] if self._delivering else [])]:
            if task.done():
                task.result()  # these tasks never end by themselves: whatever stopped one stops the agent
        for target in set(self._live) - wanted:
            self._live.pop(target).cancel()
        for target in wanted - set(self._live):
            self._live[target] = asyncio.create_task(self._watch(target))
        if self._delivering is None:
            self._delivering = asyncio.create_task(self._delivery.run())

    async def _stop_live(self) -> None:
        tasks = [*self._live.values(), *([self._delivering] if self._delivering else [])]
        self._live, self._delivering = {}, None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, target: Target) -> None:
        """Poll one device at its times, for ever; the first time at once."""
        rank = Rank.DETAIL
        while True:
            self._keep(await self._poller.poll(target, self._clock.now), rank)
            self._delivery.wake()
            assert self._configuration is not None
            due = next_poll(self._clock.now(), target.name, target.interval_s, self._configuration.time_zone)
            rank = due.rank
            await self._clock.sleep_until(due.at)

    def _keep(self, readings: list[Reading], rank: Rank) -> bool:
        """Put readings into the spool; False when the disk does not take them."""
        if not readings:
            return True
        try:
            self._spool.put(readings, rank)
        except sqlite3.Error as error:
            log.error("%d readings could not be kept: %s", len(readings), error)
            return False
        return True

    # Following a sandbox

    async def _follow(self, beat: Heartbeat) -> float:
        """Poll and deliver the sandbox's hour, if it is a new one; returns how long to wait before looking again."""
        self._sandbox_now = beat.now
        if self._configuration is None:
            return LATEST_S
        if self._reached is not None and self._reached <= beat.now < self._next_hour_after(self._reached):
            return self._rhythm.pause_s(self._beat_at, time.monotonic())
        self._rhythm.came(self._beat_at)
        if self._reached is None or beat.now < self._reached:
            self._poller.start_over()
        readings = await self._read_at(beat.now)
        if readings is None:
            return 0.0
        rank = boundary_rank(beat.now, self._configuration.time_zone)
        if not self._keep(readings, rank) or not self._keep(await self._from_silent(beat.now), rank):
            return LATEST_S
        await self._delivery.flush(FOLLOWING_PAUSE_MAX_S)
        self._reached = beat.now
        self._rhythm.settled(time.monotonic())
        return 0.0

    def _next_hour_after(self, instant: datetime) -> datetime:
        """The sandbox halts at full hours of UTC; the site's own may lie between them."""
        assert self._configuration is not None
        return min(next_hour(instant, UTC_ZONE), next_hour(instant, self._configuration.time_zone))

    async def _read_at(self, now: datetime) -> list[Reading] | None:
        """All devices at an instant of the sandbox; None when time went on meanwhile, since what was read then
        belongs to no instant. In step with a sandbox that waits for the agent, that cannot be."""
        assert self._configuration is not None
        started = time.monotonic()
        readings = await self._poller.poll_all(self._configuration.targets, now)
        in_step = self._reached is not None and timedelta(0) < now - self._reached <= timedelta(hours=1)
        if in_step and time.monotonic() - started < SURE_S:
            return readings
        return readings if (await self._beat()).now == now else None

    async def _from_silent(self, now: datetime) -> list[Reading]:
        """Devices that did not answer get a second, short try: what stands in for a PDU in a sandbox is silent, too,
        while the server is away.

        Raises:
            ServerError: it is away. The hour is read again once it is back.
        """
        assert self._configuration is not None
        silent = self._poller.silent(self._configuration.targets)
        if not silent:
            return []
        if (await self._beat()).now != now:
            return []
        return await self._poller.poll_all(silent, now, brief=True)

    def _note_health(self, *, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._noted_at < NOTE_HEALTH_S:
            return
        self._noted_at = time.monotonic()
        try:
            self._spool.note_devices(self._poller.healths())
        except sqlite3.Error as error:
            log.error("the state of the devices could not be noted: %s", error)
