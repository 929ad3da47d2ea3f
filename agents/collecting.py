"""What every collector promises, whatever protocol it speaks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from agents.profile import Profile
from agents.readings import Reading
from agents.targets import Place, Target

Stamp = Callable[[], datetime]


class PollFailed(Exception):
    """The device did not answer, or not usably. A failed poll is no reading, never a zero."""


class Collector(Protocol):
    """Reads devices of one protocol. One instance serves all targets of an event loop."""

    name: str

    async def read(self, target: Target, profile: Profile, stamp: Stamp, *, probe: bool = False) -> list[Reading]:
        """All registers of a target's places, each with the identity of its own response.

        Args:
            stamp: tells the time; called as each response arrives.
            probe: the device was dead lately: one short try is enough.

        Raises:
            PollFailed: nothing usable came back in time.
        """

    async def discover(self, target: Target, profile: Profile) -> list[Place]:
        """The places that a device has, named after their position (`pdu-1`, `pdu-1/outlet-3`)."""

    async def facts(self, target: Target, profile: Profile) -> dict[str, str]:
        """What the device says about itself, for people."""

    def close(self) -> None:
        """Let go of sockets."""
