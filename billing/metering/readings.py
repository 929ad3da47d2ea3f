"""Readings of a register as the rules see them, and what is known of a register after one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from core.decimals import EXACT, ROUNDING
from core.period import parse_instant
from core.quantity import quantize_quantity

_LIMITING = frozenset({"resolution", "rated_power_w", "speed_bps"})
_PLACEHOLDER = re.compile(r"[Ff]+|0+|<.*>|-+|n/?a|none|null|unknown|not ?supported|not ?available", re.IGNORECASE)


def known_serial(text: str | None) -> str | None:
    """A serial number that identifies a device, or None for what devices say when they have none.

    Source: recordings of real devices: `FFFFFFFFFFFF`, `<private>`, all zeros, empty.
    """
    stripped = (text or "").strip()
    return None if not stripped or _PLACEHOLDER.fullmatch(stripped) else stripped


def readable(value: Decimal) -> bool:
    """Whether a register's value is a reading at all: -1 and its like mean "not available", never zero or less."""
    return value >= 0


def seconds(span: timedelta) -> Decimal:
    """The length of a span in seconds, exact to the microsecond."""
    return Decimal(span // timedelta(microseconds=1)).scaleb(-6, context=EXACT)


@dataclass(frozen=True)
class Rate:
    """Consumption over time, kept as the two numbers it was read from, so that storing it loses nothing.

    4.8 kW in a register of Wh is `Rate(Decimal(4800), Decimal(3600))`.
    """

    quantity: Decimal
    seconds: Decimal

    def over(self, span: timedelta) -> Decimal:
        """What flows in `span` at this rate, quantised."""
        product = EXACT.multiply(self.quantity, seconds(span))
        return quantize_quantity(ROUNDING.divide(product, self.seconds))


HOUR_S = Decimal(3600)
POWER_MAX_W = Decimal(10**12)
UPTIME_MAX_S = Decimal(10**10)
QUANTITY_MAX = Decimal(10**20)
"""No register shows as much, in the smallest unit of its dimension; an estimate above it is none."""


@dataclass(frozen=True)
class Limits:
    """What a register can plausibly count.

    Args:
        rate: the most it can count: breaker or rating (amperes x volts x phases), or a port's speed; None when nobody
            knows.
        resolution: its smallest step; 0 when nobody knows.
        tolerance: how far it may go beyond the rate: a tenth for energy, a twentieth for traffic.
    """

    rate: Rate | None = None
    resolution: Decimal = Decimal(0)
    tolerance: Decimal = Decimal("1.1")

    def allows(self, quantity: Decimal, span: timedelta) -> bool:
        """Whether `quantity` fits into `span`, with the tolerance and one step of the register."""
        if self.rate is None:
            return True
        most = EXACT.add(EXACT.multiply(self.rate.over(span), self.tolerance), self.resolution)
        return quantity <= most

    def else_of(self, device: Limits) -> Limits:
        """These, and where nobody has said, what the device says of itself."""
        if self.rate is not None and self.resolution:
            return self
        return replace(self if self.rate else device, resolution=self.resolution or device.resolution)

    @classmethod
    def rated(cls, unit: str, rating: Mapping[str, Any]) -> Limits:
        """The limits of a register at a point with a rating, as JSON values.

        Of watt-hours: `power_w`, or `current_a` of the breaker with `voltage_v` and `phases` (1), and `resolution_wh`
        of the register. Of octets: `speed_bps` of the port.
        """
        if unit == "octets":
            return cls._port(rating.get("speed_bps"), Decimal(0))
        if unit != "Wh":
            return NO_LIMITS
        power = rating.get("power_w")
        if power is None and "current_a" in rating and "voltage_v" in rating:
            line = EXACT.multiply(Decimal(rating["current_a"]), Decimal(rating["voltage_v"]))
            power = EXACT.multiply(line, Decimal(rating.get("phases", 1)))
        rate = None if power is None else Rate(Decimal(power), HOUR_S)
        return cls(rate, Decimal(rating.get("resolution_wh", 0)))

    @classmethod
    def told(cls, unit: str, evidence: Mapping[str, Any]) -> Limits:
        """What a device says of itself beside a register: `rated_power_w`, `speed_bps`; `resolution` in its unit."""
        resolution = _within(evidence.get("resolution"), QUANTITY_MAX) or Decimal(0)
        if unit == "octets":
            return cls._port(_within(evidence.get("speed_bps"), QUANTITY_MAX), resolution)
        power = _within(evidence.get("rated_power_w"), POWER_MAX_W) if unit == "Wh" else None
        return cls(Rate(power, HOUR_S) if power else None, resolution)

    @classmethod
    def _port(cls, speed_bps: str | Decimal | None, resolution: Decimal) -> Limits:
        rate = Rate(Decimal(speed_bps), Decimal(8)) if speed_bps else None
        return cls(rate, resolution, Decimal("1.05"))


def _within(text: str | None, most: Decimal) -> Decimal | None:
    """A number that a device said, unless it cannot be: below zero (its way to say "not available") or absurd."""
    number = None if text is None else Decimal(text)
    return number if number is not None and 0 <= number <= most else None


NO_LIMITS = Limits()


class Entered(StrEnum):
    """What a person wrote down when a device was exchanged: the old register's last value, the new one's first."""

    CLOSING = "closing"
    OPENING = "opening"


@dataclass(frozen=True)
class Reading:
    """A register's value at an instant, with the evidence that came in the same answer.

    Args:
        at: the device's clock, cut to the second.
        value: in the register's unit, zero or more, unwrapped.
        serial: as `known_serial` gives it. It is evidence of an exchange, never identity.
        reset_at: when the register says it was last zeroed; None when the device does not tell.
        boots: how often the device has started; uptime_s: seconds since then.
        rate: the momentary rate (power), when it was read together with the register.
        modulus: the register begins anew at zero when it reaches this; None when nobody knows.
        limits: what the device says it can carry.
        entered: what it is, if a person entered it.
    """

    at: datetime
    value: Decimal
    serial: str | None = None
    reset_at: datetime | None = None
    boots: int | None = None
    uptime_s: Decimal | None = None
    rate: Rate | None = None
    modulus: Decimal | None = None
    limits: Limits = NO_LIMITS
    entered: Entered | None = None

    @classmethod
    def told(cls, at: datetime, value: Decimal, unit: str, evidence: Mapping[str, Any] | None) -> Reading:
        """A reading with its evidence as JSON values: `serial`, `boots`, `uptime_s`, `reset_at`, `power_w`, `modulus`
        and `resolution` in the register's unit, `rated_power_w`, `speed_bps`, `entered`.

        Power in watts is the rate of a register of watt-hours; beside any other register it says nothing.
        """
        if not evidence:
            return cls(at, value)
        told = evidence
        reset = told.get("reset_at")
        power = _within(told.get("power_w"), POWER_MAX_W) if unit == "Wh" else None
        return cls(
            at,
            value,
            known_serial(told.get("serial")),
            parse_instant(reset) if reset else None,
            told.get("boots"),
            _within(told.get("uptime_s"), UPTIME_MAX_S),
            None if power is None else Rate(power, HOUR_S),
            _within(told.get("modulus"), QUANTITY_MAX) or None,
            Limits.told(unit, told) if _LIMITING & told.keys() else NO_LIMITS,
            Entered(told["entered"]) if told.get("entered") else None,
        )


@dataclass(frozen=True)
class Head:
    """All that must be known of a register to understand its next reading.

    Args:
        reading: the latest.
        serial, reset_at: the latest known ones; they outlive readings that lack them.
        rate: at which a gap after `reading` is estimated: the power read with it, else that of the last measured step.
    """

    reading: Reading
    serial: str | None = None
    reset_at: datetime | None = None
    rate: Rate | None = None

    @classmethod
    def first(cls, reading: Reading) -> Head:
        return cls(reading, reading.serial, reading.reset_at, reading.rate)

    def then(self, reading: Reading, measured: Rate | None = None) -> Head:
        """The head after `reading`, `measured` being what the step to it measured, if anything."""
        return Head(
            reading,
            reading.serial or self.serial,
            reading.reset_at or self.reset_at,
            reading.rate or measured or self.rate,
        )

    def swapped(self, reading: Reading, measured: Rate | None = None) -> Head:
        """The head after the first reading of another device: of the old one only the load at the place remains."""
        return Head(reading, reading.serial, reading.reset_at, reading.rate or measured or self.rate)
