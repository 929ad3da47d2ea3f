"""What the step from one reading to the next means: asked in this order, the first rule that holds decides.

1. A sentinel (-1, "notsupported") is no reading at all; it never gets here (`readings.readable`).
2. Another serial number, or a person says so: the device was swapped, even when the step is small and positive.
3. The time of the last reset moved: the register was zeroed by a person.
4. The value fell, and it was about to reach its modulus: it began anew at zero (`ROLLOVER`). The modulus comes from the
   device's profile; unknown, nothing is unwrapped. A register that could begin anew more than once between two readings
   tells nothing at all (`AMBIGUOUS`): a 32-bit count of octets wraps in 34 seconds at 1 Gbit/s.
5. The value fell and the device has started anew: the counter lives in memory that does not outlive a restart.
6. The value fell for no reason known: nobody bills that, somebody must look.
7. The value rose faster than the circuit allows: refused as well. Otherwise it is consumption.

The order matters: a rule further down would explain away what a rule further up knows for certain. In particular no
rule ever bills a difference across two devices, and none repeats an earlier difference without saying so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from billing.metering.readings import Entered, Head, Limits, Reading, seconds
from core.decimals import EXACT

UPTIME_WRAP_S = Decimal("42949672.96")
"""sysUpTime counts hundredths of a second in 32 bits: it starts anew every 497.1 days (RFC 3418)."""
UPTIME_SLACK_S = Decimal(120)
"""How far two clocks may drift apart before an uptime that is too short means a restart."""
RESET_SLACK = timedelta(seconds=2)
"""A device that works out its last reset from its uptime may be off by a second from poll to poll."""
NEARLY = Decimal("0.9")
"""A register that wraps was beyond this part of its modulus before."""


class Step(StrEnum):
    """The outcome of the rules."""

    NORMAL = "normal"
    SWAP = "swap"
    RESET = "reset"
    AMBIGUOUS = "ambiguous"
    ROLLOVER = "rollover"
    REBOOT = "reboot"
    NEGATIVE = "negative_step"
    SPIKE = "spike"


def decide(head: Head, reading: Reading, limits: Limits) -> Step:
    """What the step from `head` to `reading` means. `reading` is later than the head's.

    Args:
        limits: of the point; where nobody has said, what the device says of itself holds.
    """
    limits = limits.else_of(reading.limits)
    for step, holds in _RULES:
        if holds(head, reading, limits):
            return step
    return Step.NORMAL


def restarted(head: Head, reading: Reading) -> bool:
    """Whether the device has started anew between the two readings: more boots, or an uptime that is too short."""
    before, after = head.reading, reading
    if before.boots is not None and after.boots is not None and after.boots > before.boots:
        return True
    if after.uptime_s is None:
        return False
    passed = seconds(after.at - before.at)
    if before.uptime_s is None:
        return after.uptime_s < passed
    expected = before.uptime_s + passed
    wrapped = expected - UPTIME_WRAP_S
    if wrapped >= 0 and abs(after.uptime_s - wrapped) <= UPTIME_SLACK_S:
        return False
    return after.uptime_s < before.uptime_s or after.uptime_s < expected - UPTIME_SLACK_S


def unwrapped(head: Head, reading: Reading) -> Decimal:
    """What a register counted that began anew once between the two readings."""
    return EXACT.add(EXACT.subtract(reading.modulus or Decimal(0), head.reading.value), reading.value)


def _swapped(head: Head, reading: Reading, limits: Limits) -> bool:
    if reading.entered is Entered.OPENING:
        return True
    return head.serial is not None and reading.serial is not None and head.serial != reading.serial


def _reset_moved(head: Head, reading: Reading, limits: Limits) -> bool:
    if head.reset_at is None or reading.reset_at is None:
        return False
    return abs(reading.reset_at - head.reset_at) > RESET_SLACK


def _may_wrap_twice(head: Head, reading: Reading, limits: Limits) -> bool:
    if reading.modulus is None or limits.rate is None:
        return False
    return limits.rate.over(reading.at - head.reading.at) >= reading.modulus


def _wrapped(head: Head, reading: Reading, limits: Limits) -> bool:
    modulus, before = reading.modulus, head.reading.value
    if modulus is None or not EXACT.multiply(modulus, NEARLY) < before < modulus or not reading.value < before:
        return False
    if restarted(head, reading):
        return False
    if limits.rate is None:
        return reading.value < EXACT.multiply(modulus, 1 - NEARLY)
    return limits.allows(unwrapped(head, reading), reading.at - head.reading.at)


def _fell(head: Head, reading: Reading, limits: Limits) -> bool:
    return reading.value < head.reading.value


def _fell_after_a_restart(head: Head, reading: Reading, limits: Limits) -> bool:
    return _fell(head, reading, limits) and restarted(head, reading)


def _too_fast(head: Head, reading: Reading, limits: Limits) -> bool:
    return not limits.allows(reading.value - head.reading.value, reading.at - head.reading.at)


_RULES: tuple[tuple[Step, Callable[[Head, Reading, Limits], bool]], ...] = (
    (Step.SWAP, _swapped),
    (Step.RESET, _reset_moved),
    (Step.AMBIGUOUS, _may_wrap_twice),
    (Step.ROLLOVER, _wrapped),
    (Step.REBOOT, _fell_after_a_restart),
    (Step.NEGATIVE, _fell),
    (Step.SPIKE, _too_fast),
)
