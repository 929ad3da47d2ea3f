"""Intervals and epochs: readings, in order of time, become consumption with its quality.

An epoch is a stretch in which differences of one register mean consumption. Within it the intervals' quantities (the
metered ones, where an interval is invalid) add up to the last register less the first, whatever lies between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from billing.metering.quality import ZERO, Quality
from billing.metering.readings import NO_LIMITS, QUANTITY_MAX, Entered, Head, Limits, Rate, Reading, seconds
from billing.metering.steps import Step, decide, unwrapped
from core.decimals import EXACT, exact_sum

FIRST = "first"


@dataclass(frozen=True)
class Interval:
    """Consumption between two instants.

    Args:
        quantity: what is billed, in the register's unit.
        start_value: the register at `start`; 0 for an estimate, which has no register.
        step: the rule that made it.
        metered: for an invalid interval what the registers' difference says; None otherwise.
    """

    start: datetime
    end: datetime
    start_value: Decimal
    quantity: Decimal
    quality: Quality
    step: Step
    metered: Decimal | None = None


@dataclass(frozen=True)
class Epoch:
    """A stretch in which differences mean consumption: from `start` until the next epoch of the register.

    Args:
        value: the register at `start`.
        cause: `first`, or the step that began it.
        serial, reset_at: what its readings said; None until one told.
        serial_at, reset_seen_at: the reading that told first.
    """

    start: datetime
    value: Decimal
    cause: str
    serial: str | None = None
    serial_at: datetime | None = None
    reset_at: datetime | None = None
    reset_seen_at: datetime | None = None


@dataclass(frozen=True)
class Break:
    """A step that is not consumption, with what is billed instead.

    `estimated` is in the register's unit; `epoch_start` is that of the epoch it began, if it began one.
    """

    step: Step
    before: Reading
    after: Reading
    estimated: Decimal
    epoch_start: datetime | None
    old_serial: str | None
    new_serial: str | None

    @property
    def difference(self) -> Decimal:
        """What a naive difference of the two registers would have billed."""
        return EXACT.subtract(self.after.value, self.before.value)


@dataclass
class Replay:
    """The outcome of going through readings in order of time: rows to store, and the head that is left."""

    head: Head | None
    intervals: list[Interval] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)


def replay(
    head: Head | None, readings: Iterable[Reading], limits: Limits = NO_LIMITS, epoch: Epoch | None = None
) -> Replay:
    """Go through a register's readings.

    Args:
        head: what is known before the first of them; None at the very first.
        readings: in order of time, all later than the head, no instant twice.
        epoch: the epoch that the head lies in. It comes first in the result if a reading adds to what it knows.
    """
    out = Replay(head)
    current = epoch
    for reading in readings:
        if out.head is None:
            out.head = Head.first(reading)
            current = _follow(out, None, Epoch(reading.at, reading.value, FIRST))
            continue
        step = decide(out.head, reading, limits)
        made, begun = _MEANING[step](out.head, reading)
        if step not in (Step.NORMAL, Step.ROLLOVER):
            out.breaks.append(_break(step, out.head, reading, made, begun))
        out.intervals += made
        after = out.head.swapped if step is Step.SWAP else out.head.then
        out.head = after(reading, _measured_rate(made))
        current = _follow(out, current, begun)
    return out


def _follow(out: Replay, current: Epoch | None, begun: Epoch | None) -> Epoch | None:
    """Note a new epoch, or what the latest reading adds to the current one's identity."""
    epoch = begun or current
    if epoch is None or out.head is None:
        return epoch
    known = _identified(epoch, out.head)
    if begun is None and known is epoch:
        return epoch
    if begun is None and out.epochs and out.epochs[-1].start == known.start:
        out.epochs.pop()
    out.epochs.append(known)
    return known


def _identified(epoch: Epoch, head: Head) -> Epoch:
    """The epoch with what is known of the device at `head`; the same object when that adds nothing."""
    serial, reset_at = epoch.serial or head.serial, epoch.reset_at or head.reset_at
    if (serial, reset_at) == (epoch.serial, epoch.reset_at):
        return epoch
    return replace(
        epoch,
        serial=serial,
        serial_at=epoch.serial_at or (head.reading.at if serial else None),
        reset_at=reset_at,
        reset_seen_at=epoch.reset_seen_at or (head.reading.at if reset_at else None),
    )


def _break(step: Step, head: Head, reading: Reading, made: list[Interval], begun: Epoch | None) -> Break:
    doubtful = (Quality.ESTIMATED, Quality.INVALID)
    estimated = exact_sum(interval.quantity for interval in made if interval.quality in doubtful)
    start = begun.start if begun else None
    return Break(step, head.reading, reading, estimated, start, head.serial, reading.serial or head.serial)


def _measured_rate(made: list[Interval]) -> Rate | None:
    last = made[-1]
    if last.quality is not Quality.MEASURED:
        return None
    return Rate(last.quantity, seconds(last.end - last.start))


Made = tuple[list[Interval], Epoch | None]


def _normal(head: Head, reading: Reading) -> Made:
    return [_counted(Step.NORMAL, head, reading, EXACT.subtract(reading.value, head.reading.value))], None


def _rollover(head: Head, reading: Reading) -> Made:
    return [_counted(Step.ROLLOVER, head, reading, unwrapped(head, reading))], None


def _counted(step: Step, head: Head, reading: Reading, quantity: Decimal) -> Interval:
    """The register counted this; where a person entered one of its ends, it is as good as what was written down."""
    before = head.reading
    quality = Quality.SUBSTITUTED if before.entered or reading.entered else Quality.MEASURED
    return Interval(before.at, reading.at, before.value, quantity, quality, step)


def _swap(head: Head, reading: Reading) -> Made:
    """The new device's register says nothing about the time before it was read: all of it is estimated, unless
    a person wrote down where the one ended and the other began: then nothing flowed between.
    """
    before = head.reading
    if before.entered is Entered.CLOSING and reading.entered is Entered.OPENING:
        gap = Interval(before.at, reading.at, before.value, ZERO, Quality.SUBSTITUTED, Step.SWAP)
        return [gap], Epoch(reading.at, reading.value, Step.SWAP)
    return _unknown_start(Step.SWAP, head, reading)


def _reset(head: Head, reading: Reading) -> Made:
    return _from_zero(Step.RESET, head, reading, reading.reset_at)


def _reboot(head: Head, reading: Reading) -> Made:
    started = None
    if reading.uptime_s is not None:
        started = reading.at - timedelta(seconds=int(reading.uptime_s))
    return _from_zero(Step.REBOOT, head, reading, started)


def _negative(head: Head, reading: Reading) -> Made:
    """Refused, and a provisional epoch begins at the lower value, so that later steps are measured again."""
    return _invalid(Step.NEGATIVE, head, reading), Epoch(reading.at, reading.value, Step.NEGATIVE)


def _spike(head: Head, reading: Reading) -> Made:
    return _invalid(Step.SPIKE, head, reading), None


def _ambiguous(head: Head, reading: Reading) -> Made:
    """Refused; a register that fell begins a provisional epoch, as after any fall."""
    fell = reading.value < head.reading.value
    return _invalid(Step.AMBIGUOUS, head, reading), Epoch(reading.at, reading.value, Step.AMBIGUOUS) if fell else None


def _invalid(step: Step, head: Head, reading: Reading) -> list[Interval]:
    before = head.reading
    metered = EXACT.subtract(reading.value, before.value)
    estimate = _estimate(head, reading.at)
    return [Interval(before.at, reading.at, ZERO, estimate, Quality.INVALID, step, metered)]


def _from_zero(step: Step, head: Head, reading: Reading, zeroed_at: datetime | None) -> Made:
    """The register counts from zero since `zeroed_at`: measured from there on, estimated before."""
    before = head.reading
    start = zeroed_at.replace(microsecond=0) if zeroed_at else None
    if start is None or not before.at < start < reading.at or _restored(head, reading, start):
        return _unknown_start(step, head, reading)
    gap = Interval(before.at, start, ZERO, _estimate(head, start), Quality.ESTIMATED, step)
    return [gap, Interval(start, reading.at, ZERO, reading.value, Quality.MEASURED, step)], Epoch(start, ZERO, step)


def _restored(head: Head, reading: Reading, start: datetime) -> bool:
    """Whether a register that fell was set back to an older value, not to zero (a copy kept in slow memory).

    Engineering judgement: it still shows more than half of what it showed, and counting that from zero would mean ten
    times the rate before. Billing it as consumption would bill the device's whole life once more.
    """
    if head.rate is None or reading.value * 2 <= head.reading.value:
        return False
    return reading.value > head.rate.over(reading.at - start) * 10


def _unknown_start(step: Step, head: Head, reading: Reading) -> Made:
    before = head.reading
    gap = Interval(before.at, reading.at, ZERO, _estimate(head, reading.at), Quality.ESTIMATED, step)
    return [gap], Epoch(reading.at, reading.value, step)


def _estimate(head: Head, until: datetime) -> Decimal:
    """At the head's rate. Without one, nothing is known of the consumption, and nothing is invented."""
    estimate = head.rate.over(until - head.reading.at) if head.rate else ZERO
    return estimate if estimate < QUANTITY_MAX else ZERO


_MEANING: dict[Step, Callable[[Head, Reading], Made]] = {
    Step.NORMAL: _normal,
    Step.SWAP: _swap,
    Step.RESET: _reset,
    Step.AMBIGUOUS: _ambiguous,
    Step.ROLLOVER: _rollover,
    Step.REBOOT: _reboot,
    Step.NEGATIVE: _negative,
    Step.SPIKE: _spike,
}
