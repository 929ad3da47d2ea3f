"""Working late readings in: replay a window of a register, and put its rows in the place of the old ones.

Metering is a function of the sorted readings of a register, whatever order they came in. A reading that comes late
changes the steps beside it, and what depends on those: gaps estimated at their rate, identities learned from them. The
window therefore runs from the reading before the earliest late one to the *horizon*: the start of the first normal
step after the latest late one, if the head there is `settled`, else to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from billing.metering.intervals import Epoch, Replay, replay
from billing.metering.readings import NO_LIMITS, Head, Limits, Rate, Reading


@dataclass(frozen=True)
class Window:
    """What is stored of a register around late readings.

    Args:
        before: the latest reading before the earliest late one; None when there is none.
        epoch: the epoch that `before` lies in; rate: that of the last measured interval ending at or before it.
        readings: all readings after `before` (the late ones among them) up to the horizon, included.
        horizon: the epoch that the horizon's reading lay in so far; None when the window runs to the end.
    """

    before: Reading | None
    epoch: Epoch | None
    rate: Rate | None
    readings: Sequence[Reading]
    horizon: Epoch | None = None


def rework(window: Window, limits: Limits = NO_LIMITS) -> Replay | None:
    """The rows that replace those of the window, or None when it must run to the end.

    The result's epochs replace all that start after `before`, up to the window's last reading; the first may be the
    one that `before` lies in, with another identity.
    """
    known, head = None, None
    if window.before is not None and window.epoch is not None:
        known = _known_at(window.epoch, window.before.at)
        head = _head(known, window.before, window.rate)
    result = replay(head, window.readings, limits, known)
    if known is not None and known != window.epoch and not any(e.start == known.start for e in result.epochs):
        result.epochs.insert(0, known)
    if window.horizon is not None:
        if result.head is None or not _settled(result.head, window.horizon):
            return None
        _inherit(result, known, window.horizon, result.head.reading.at)
    return result


def _settled(head: Head, former: Epoch) -> bool:
    """Whether what follows a *normal* step from the head is what it was: the identity known there did not change."""
    known = _known_at(former, head.reading.at)
    return (head.serial, head.reset_at) == (known.serial, known.reset_at)


def _head(epoch: Epoch, reading: Reading, rate: Rate | None) -> Head:
    return Head(reading, reading.serial or epoch.serial, reading.reset_at or epoch.reset_at, reading.rate or rate)


def _known_at(epoch: Epoch, at: datetime) -> Epoch:
    """The epoch as it was known at an instant: without what later readings taught it."""
    if epoch.serial_at is not None and epoch.serial_at > at:
        epoch = replace(epoch, serial=None, serial_at=None)
    if epoch.reset_seen_at is not None and epoch.reset_seen_at > at:
        epoch = replace(epoch, reset_at=None, reset_seen_at=None)
    return epoch


def _inherit(result: Replay, known: Epoch | None, former: Epoch, horizon: datetime) -> None:
    """Give the epoch that runs on past the horizon what readings after it had taught its former row."""
    running = result.epochs[-1] if result.epochs else known
    if running is None:
        return
    heir = running
    if running.serial is None and former.serial_at is not None and former.serial_at > horizon:
        heir = replace(heir, serial=former.serial, serial_at=former.serial_at)
    if running.reset_at is None and former.reset_seen_at is not None and former.reset_seen_at > horizon:
        heir = replace(heir, reset_at=former.reset_at, reset_seen_at=former.reset_seen_at)
    if result.epochs and heir is not running:
        result.epochs[-1] = heir
    elif heir is not running:
        result.epochs.append(heir)
