"""What the agent reports: a register of a point at an instant, and what identifies the device that showed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.period import rfc3339


@dataclass(frozen=True)
class Evidence:
    """What tells a swap, a reset or a restart from consumption; read in the same request as the register.

    Args:
        serial: of the device, None when unknown or a placeholder.
        boots: how often its SNMP engine was started.
        uptime_s: decimal string, seconds since its last start (wraps at 497 days on most devices).
        reset_at: since when the register counts, if the device tells.
        power_w: decimal string, what flowed at that moment: what an interval that cannot be measured is estimated by.
        modulus, resolution: of a counter, decimal strings in the reading's unit: where it begins anew at zero, and its
            smallest step.
        rated_power_w: decimal string, the most that the device says it carries.
    """

    serial: str | None = None
    boots: int | None = None
    uptime_s: str | None = None
    reset_at: datetime | None = None
    power_w: str | None = None
    modulus: str | None = None
    resolution: str | None = None
    rated_power_w: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The members that are known."""
        members = {
            "serial": self.serial,
            "boots": self.boots,
            "uptime_s": self.uptime_s,
            "reset_at": self.reset_at and rfc3339(self.reset_at),
            "power_w": self.power_w,
            "modulus": self.modulus,
            "resolution": self.resolution,
            "rated_power_w": self.rated_power_w,
        }
        return {name: value for name, value in members.items() if value is not None}

    def identity(self) -> tuple[str | None, int | None, datetime | None]:
        """The part that stays the same from poll to poll unless something happened to the device."""
        return self.serial, self.boots, self.reset_at


@dataclass(frozen=True)
class Reading:
    """A register as it stood. Its identity is (point, register, at), `at` being cut to the second.

    Args:
        point: the place's path, or its `pt_…` id.
        register: `active_energy`, `active_power`.
        value: decimal string in `unit`, absolute, never a difference.
    """

    point: str
    register: str
    unit: str
    at: datetime
    value: str
    evidence: Evidence = Evidence()

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", self.at.replace(microsecond=0))

    def as_json(self) -> dict[str, Any]:
        """As `POST /v1/usage/readings` takes it."""
        return {
            "point": self.point,
            "register": self.register,
            "unit": self.unit,
            "at": rfc3339(self.at),
            "value": self.value,
            "evidence": self.evidence.as_json(),
        }
