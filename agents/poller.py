"""Polling devices without letting one hold up another: a budget of time for each, a cap on all, and a breaker.

A device that does not answer three times in a row is only probed from then on, with one short try at growing pauses.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from agents import profile as profiles
from agents.collecting import Collector, PollFailed, Stamp
from agents.readings import Reading
from agents.spool import Health
from agents.targets import Target
from core.errors import Misconfigured
from core.period import rfc3339
from core.registry import plugins

log = logging.getLogger("busbar-agent.poller")

BUDGET_S = 15.0
IN_FLIGHT_MAX = 50
FAILURES_TO_OPEN = 3
PROBE_FIRST = timedelta(minutes=5)
PROBE_LAST = timedelta(hours=1)


@dataclass
class _Device:
    """What the poller remembers of a device."""

    health: Health
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    last_at: datetime | None = None
    probe_at: datetime | None = None
    probe_pause: timedelta = PROBE_FIRST


class Poller:
    """Polls devices of all collectors on one event loop."""

    def __init__(self) -> None:
        self._collectors: dict[str, Collector] = {}
        self._devices: dict[str, _Device] = {}
        self._gate = asyncio.Semaphore(IN_FLIGHT_MAX)

    def close(self) -> None:
        """Close the collectors."""
        for collector in self._collectors.values():
            collector.close()

    def start_over(self) -> None:
        """Time begins anew, as when a sandbox is set back: forget when dead devices were to be probed."""
        for device in self._devices.values():
            device.probe_at = None

    def silent(self, targets: Iterable[Target]) -> list[Target]:
        """Of these, the devices that did not answer the last time and are not yet given up as dead."""
        return [target for target in targets if 0 < self._device(target).health.failures < FAILURES_TO_OPEN]

    def healths(self) -> list[Health]:
        """How each device does."""
        return [device.health for device in self._devices.values()]

    async def poll_all(self, targets: Sequence[Target], now: datetime, *, brief: bool = False) -> list[Reading]:
        """The readings of all these devices at one instant, side by side. An instant may be read again.

        Args:
            brief: give each one short try only.
        """
        for target in targets:
            self._device(target).last_at = None
        polled = await asyncio.gather(*(self.poll(target, lambda: now, brief=brief) for target in targets))
        return [reading for readings in polled for reading in readings]

    async def poll(self, target: Target, stamp: Stamp, *, brief: bool = False) -> list[Reading]:
        """The readings of one device; none if it does not answer or is not to be asked yet. Never raises.

        Args:
            stamp: business time. Readings never go back in it: those at or before the device's last are dropped.
        """
        device = self._device(target)
        async with device.one_at_a_time, self._gate:
            if device.probe_at is not None and stamp() < device.probe_at:
                return []
            started = time.monotonic()
            try:
                async with asyncio.timeout(BUDGET_S):
                    readings = await self._read(target, stamp, probe=brief or device.probe_at is not None)
            except TimeoutError:
                self._failed(device, f"no complete answer within {BUDGET_S:.0f} s", stamp())
                return []
            except (PollFailed, Misconfigured, OSError) as error:
                self._failed(device, str(error), stamp())
                return []
            except Exception as error:
                log.exception("%s: polling failed unexpectedly", target.name)
                self._failed(device, repr(error), stamp())
                return []
            self._answered(device, stamp(), time.monotonic() - started)
            return self._forward_in_time(device, readings)

    def _device(self, target: Target) -> _Device:
        return self._devices.setdefault(target.name, _Device(Health(target.name)))

    async def _read(self, target: Target, stamp: Stamp, *, probe: bool) -> list[Reading]:
        profile = profiles.load(target.profile)
        if profile.collector not in self._collectors:
            self._collectors[profile.collector] = cast(Collector, plugins("agents.collectors")[profile.collector]())
        return await self._collectors[profile.collector].read(target, profile, stamp, probe=probe)

    def _forward_in_time(self, device: _Device, readings: list[Reading]) -> list[Reading]:
        last = device.last_at
        kept = [reading for reading in readings if last is None or reading.at > last]
        device.last_at = max((reading.at for reading in kept), default=last)
        return kept

    def _answered(self, device: _Device, now: datetime, took_s: float) -> None:
        if device.health.failures >= FAILURES_TO_OPEN:
            log.info("%s answers again", device.health.name)
        device.probe_at, device.probe_pause = None, PROBE_FIRST
        device.health = Health(device.health.name, rfc3339(now.replace(microsecond=0)), None, 0, int(took_s * 1000))

    def _failed(self, device: _Device, reason: str, now: datetime) -> None:
        health = device.health
        health.last_error, health.failures = reason, health.failures + 1
        log.warning("%s: no reading (%s), %d in a row", health.name, reason, health.failures)
        if health.failures >= FAILURES_TO_OPEN:
            device.probe_at = now + device.probe_pause
            device.probe_pause = min(device.probe_pause * 2, PROBE_LAST)
