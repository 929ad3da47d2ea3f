"""Readings that follow every rule and still cannot be believed: another unit, a meter that stands still under load."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from billing.metering.readings import Head, Limits, Rate, Reading
from billing.metering.steps import Step, decide
from core.decimals import EXACT, ROUNDING

FACTORS = (Decimal(10), Decimal(100), Decimal(1000))
LEAST = Decimal(100)
"""Below, a hundredth is less than a step of the register, and any value would look like another unit's."""
COARSEST = {"Wh": Decimal(1000)}
"""The step of a register of unknown resolution, by unit: no PDU counts in more than kWh."""
LONGEST_S = Decimal(30 * 24 * 3600)


def other_unit(head: Head, reading: Reading, limits: Limits) -> Decimal | None:
    """What a reading would have to be multiplied by to go on where the register was, within a hundredth; None where
    it does not look like that, or where a rule explains the step.

    A new firmware that tells kWh where it told Wh shows as a fall, with the restart that it took or without a reason;
    the other way round as a spike.
    """
    step, before = decide(head, reading, limits), head.reading.value
    if step not in (Step.NEGATIVE, Step.REBOOT, Step.SPIKE) or min(before, reading.value) < LEAST:
        return None
    if step is Step.REBOOT and _counted_since(head, reading):
        return None
    for factor in FACTORS:
        scale = EXACT.divide(Decimal(1), factor) if step is Step.SPIKE else factor
        if abs(EXACT.subtract(EXACT.multiply(reading.value, scale), before)) * 100 <= before:
            return scale
    return None


def _counted_since(head: Head, reading: Reading) -> bool:
    """Whether the register can have counted its value from zero, if the load was at most ten times what it was."""
    return head.rate is not None and reading.value <= head.rate.over(reading.at - head.reading.at) * 10


def should_have_moved(resolution: Decimal, unit: str) -> Decimal | None:
    """How much must flow before a register that stands still is stuck: two of its steps. None for a unit in which
    nobody knows how coarse registers are."""
    step = resolution or COARSEST.get(unit)
    return None if step is None else EXACT.multiply(step, Decimal(2))


def look_back(quantity: Decimal, rate: Rate) -> timedelta | None:
    """How far back to look for a register that moved: a little longer than the quantity takes at the rate now. None
    where that is longer than anybody would call standing still.
    """
    if rate.quantity <= 0:
        return None
    took = ROUNDING.divide(EXACT.multiply(EXACT.multiply(quantity, rate.seconds), Decimal("1.1")), rate.quantity)
    return timedelta(seconds=int(took) + 1) if took < LONGEST_S else None
