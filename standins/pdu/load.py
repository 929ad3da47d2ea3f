"""The load of a rack: watts that follow the day, and their exact integral, as pure functions of time.

The power is constant within an hour of UTC, so energy is a sum of whole watts times whole seconds: exact, and the
same for everybody who computes it. `energy_ws` is the truth that tests and the demo compare bills with.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

HOUR_S = 3600
DAY_H = 24
WS_PER_KWH = 3_600_000
# Per cent of the base load added by `swing_percent` of 100, per hour of the day: quiet nights, a peak in the afternoon.
DAY_CURVE = (0, 0, 0, 0, 0, 5, 15, 35, 60, 80, 90, 95, 95, 95, 100, 100, 95, 85, 65, 45, 30, 20, 10, 5)
SATURDAY = 5


@dataclass(frozen=True)
class Load:
    """What hangs on a PDU.

    Args:
        base_w: watts at the quietest hour.
        swing_percent: how much the busiest hour adds to the base.
        weekend_percent: what is left of the swing on Saturday and Sunday.
        noise_percent: the most that one hour differs from the curve, up or down.
        seed: makes two racks of the same figures differ; the same seed gives the same load for ever.
    """

    base_w: int = 1000
    swing_percent: int = 40
    weekend_percent: int = 50
    noise_percent: int = 5
    seed: int = 0


def seconds(instant: datetime) -> int:
    """Whole seconds since 1970 of an instant; fractions are cut."""
    return int((instant - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() // 1)


@lru_cache(maxsize=200_000)
def watts(load: Load, hour: int) -> int:
    """Whole watts during an hour, counted in hours since 1970."""
    weekday, hour_of_day = (hour // 24 + 3) % 7, hour % 24  # 1 January 1970 was a Thursday
    swing = load.base_w * load.swing_percent * DAY_CURVE[hour_of_day] // 10_000
    if weekday >= SATURDAY:
        swing = swing * load.weekend_percent // 100
    level = load.base_w + swing
    digest = hashlib.blake2b(f"{load.seed}:{hour}".encode(), digest_size=4).digest()
    shift = int.from_bytes(digest, "big") % (2 * load.noise_percent + 1) - load.noise_percent
    return max(0, level + level * shift // 100)


def energy_ws(load: Load, start: datetime, end: datetime) -> int:
    """Watt-seconds used from one instant to another, exactly; zero when the span is empty."""
    first, last = seconds(start), seconds(end)
    if last <= first:
        return 0
    hour, past = divmod(first, HOUR_S)
    last_hour, rest = divmod(last, HOUR_S)
    total = watts(load, last_hour) * rest - watts(load, hour) * past
    while hour < last_hour:
        step = DAY_H if hour % DAY_H == 0 and hour + DAY_H <= last_hour else 1
        total += _day_ws(load, hour) if step == DAY_H else HOUR_S * watts(load, hour)
        hour += step
    return total


@lru_cache(maxsize=100_000)
def _day_ws(load: Load, hour: int) -> int:
    return HOUR_S * sum(watts(load, h) for h in range(hour, hour + DAY_H))
