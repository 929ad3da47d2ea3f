"""The worked examples of metering as data: what a step means, and what is billed for it.

Values are in watt-hours, as registers of energy are kept; the examples' kWh times 1000.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.metering.intervals import Replay, replay
from billing.metering.quality import Quality
from billing.metering.readings import NO_LIMITS, Entered, Limits, Rate, Reading, known_serial, readable
from billing.metering.steps import Step

DAY = datetime(2026, 3, 10, tzinfo=UTC)
HOUR_S = Decimal(3600)


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


def read(clock: str, wh: str | int, serial: str | None = None, **evidence: Any) -> Reading:
    power = evidence.pop("power_w", None)
    rate = Rate(Decimal(power), HOUR_S) if power else None
    return Reading(at(clock), Decimal(wh), known_serial(serial), rate=rate, **evidence)


@dataclass(frozen=True)
class Case:
    number: str
    readings: list[Reading]
    expected: list[tuple[str, str, Quality]]  # (from - to, Wh billed, quality)
    breaks: list[Step] = field(default_factory=list)
    limits: Limits = NO_LIMITS


M, E, X, S = Quality.MEASURED, Quality.ESTIMATED, Quality.INVALID, Quality.SUBSTITUTED
SIXTEEN_AMPERES = Limits(Rate(Decimal(16 * 230), HOUR_S), resolution=Decimal(100))
GIGABIT = Limits.rated("octets", {"speed_bps": "1000000000"})
WRAPS_32 = {"modulus": Decimal(2**32)}
RESET_AT = {"reset_at": at("10:02")}
EARLIER = {"reset_at": DAY - timedelta(days=90)}

CASES = [
    Case("1 normal", [read("10:00", 120_000), read("10:05", 145_300)], [("10:00-10:05", "25300", M)]),
    Case(
        "2 a 32-bit register of Wh begins anew",
        [read("10:00", 4_294_960_000, **WRAPS_32), read("10:05", 5000, **WRAPS_32)],
        [("10:00-10:05", "12296", M)],
    ),
    Case(
        "2 a register that began anew goes on being counted",
        [read("10:00", 4_294_960_000, **WRAPS_32), read("10:05", 5000, **WRAPS_32), read("10:10", 5100, **WRAPS_32)],
        [("10:00-10:05", "12296", M), ("10:05-10:10", "100", M)],
        limits=Limits(Rate(Decimal(200_000), HOUR_S)),
    ),
    Case(
        "3 a 24-bit register of kWh begins anew",
        [
            read("10:00", 16_777_210_000, modulus=Decimal(16_777_216_000)),
            read("11:00", 4000, modulus=Decimal(16_777_216_000)),
        ],
        [("10:00-11:00", "10000", M)],
    ),
    Case(
        "4 a fall of a register whose modulus nobody knows is not unwrapped",
        [read("09:55", 9_998_400), read("10:00", 9_998_500), read("10:05", 1200)],
        [("09:55-10:00", "100", M), ("10:00-10:05", "100", X)],
        [Step.NEGATIVE],
    ),
    Case(
        "4 nor is one from the middle of its range",
        [read("10:00", 2_000_000_000, **WRAPS_32), read("10:05", 1200, **WRAPS_32)],
        [("10:00-10:05", "0", X)],
        [Step.NEGATIVE],
    ),
    Case(
        "4 nor is one that would have counted more than the breaker lets pass",
        [read("10:00", 4_294_000_000, **WRAPS_32), read("10:05", 5000, **WRAPS_32)],
        [("10:00-10:05", "0", X)],
        [Step.NEGATIVE],
        SIXTEEN_AMPERES,
    ),
    Case(
        "5 a 32-bit register of octets begins anew",
        [read("10:00", 4_294_900_000, **WRAPS_32), read("10:05", 150_000, **WRAPS_32)],
        [("10:00-10:05", "217296", M)],
    ),
    Case(
        "6 a register that may begin anew more than once between two polls tells nothing, even where it rose",
        [read("10:00", 1000, **WRAPS_32), read("10:05", 2000, **WRAPS_32), read("10:10", 1500, **WRAPS_32)],
        [("10:00-10:05", "0", X), ("10:05-10:10", "0", X)],
        [Step.AMBIGUOUS, Step.AMBIGUOUS],
        GIGABIT,
    ),
    Case(
        "7 a 64-bit counter that fell with a restart is a reset, though its modulus is known",
        [
            read("10:00", 9 * 10**12, boots=1, modulus=Decimal(2**64)),
            read("10:05", 4 * 10**6, boots=2, modulus=Decimal(2**64)),
        ],
        [("10:00-10:05", "0", E)],
        [Step.REBOOT],
    ),
    Case(
        "7 nor does a restart near the end of the range unwrap it",
        [read("10:00", 4_294_960_000, boots=1, **WRAPS_32), read("10:05", 5000, boots=2, **WRAPS_32)],
        [("10:00-10:05", "0", E)],
        [Step.REBOOT],
    ),
    Case(
        "6 a fall without any reason is refused and estimated; later steps are measured",
        [read("08:00", 1000), read("09:00", 3000), read("10:00", 100), read("11:00", 600)],
        [("08:00-09:00", "2000", M), ("09:00-10:00", "2000", X), ("10:00-11:00", "500", M)],
        [Step.NEGATIVE],
    ),
    Case(
        "7 a 64-bit counter that fell with a restart is a reset, never a wrap",
        [read("10:00", 9 * 10**12, boots=1), read("10:05", 4 * 10**6, boots=2)],
        [("10:00-10:05", "0", E)],
        [Step.REBOOT],
    ),
    Case(
        "8 restart that lost the counter, up for less than the time since the last poll",
        [read("10:00", 1_000_000, power_w=4800), read("10:05", 200, uptime_s=Decimal(180))],
        [("10:00-10:02", "160", E), ("10:02-10:05", "200", M)],
        [Step.REBOOT],
    ),
    Case(
        "8 restart that lost the counter, seen by its uptime",
        [
            read("10:00", 1_000_000, power_w=4800, uptime_s=Decimal(99_999)),
            read("10:05", 200, uptime_s=Decimal(180)),
        ],
        [("10:00-10:02", "160", E), ("10:02-10:05", "200", M)],
        [Step.REBOOT],
    ),
    Case(
        "9 restart that kept the counter",
        [read("10:00", 1_000_000, boots=1), read("10:05", 1_000_400, boots=2)],
        [("10:00-10:05", "400", M)],
    ),
    Case(
        "10 reset by a person",
        [read("10:00", 3_512_800, power_w=1200, **EARLIER), read("10:05", 300, **RESET_AT)],
        [("10:00-10:02", "40", E), ("10:02-10:05", "300", M)],
        [Step.RESET],
    ),
    Case(
        "10 reset by a person, the register is above the old value again",
        [read("10:00", 200, power_w=1200, **EARLIER), read("10:05", 300, **RESET_AT)],
        [("10:00-10:02", "40", E), ("10:02-10:05", "300", M)],
        [Step.RESET],
    ),
    Case(
        "11 swap, lower new counter: 116.06 kWh",
        [
            read("00:00", 3_400_000, "A1"),
            read("09:00", 3_512_800, "A1", power_w=1140),
            read("09:40", 12_000, "B1"),
            read("23:59", 14_500, "B1"),
        ],
        [("00:00-09:00", "112800", M), ("09:00-09:40", "760", E), ("09:40-23:59", "2500", M)],
        [Step.SWAP],
    ),
    Case(
        "12 swap, higher new counter, at the rate of the last measured step",
        [read("09:00", 499_000, "A1"), read("10:00", 500_000, "A1"), read("10:30", 5_000_000, "B1")],
        [("09:00-10:00", "1000", M), ("10:00-10:30", "500", E)],
        [Step.SWAP],
    ),
    Case(
        "13 a swap with a plausible step is still a swap",
        [read("10:00", 500_000, "A1", power_w=600), read("10:05", 500_300, "B1")],
        [("10:00-10:05", "50", E)],
        [Step.SWAP],
    ),
    Case(
        "14 a swap with both registers written down is not estimated",
        [
            read("10:00", 512_800, "A1", power_w=1140),
            read("10:20", 513_200, entered=Entered.CLOSING),
            read("10:21", 3_000, entered=Entered.OPENING),
            read("10:40", 3_100, "B1"),
            read("10:45", 3_200, "B1"),
        ],
        [("10:00-10:20", "400", S), ("10:20-10:21", "0", S), ("10:21-10:40", "100", S), ("10:40-10:45", "100", M)],
        [Step.SWAP],
    ),
    Case(
        "14 also where neither device has a serial number",
        [
            read("10:00", 500_000),
            read("10:20", 500_300, entered=Entered.CLOSING),
            read("10:21", 800_000, entered=Entered.OPENING),
            read("10:40", 800_100),
        ],
        [("10:00-10:20", "300", S), ("10:20-10:21", "0", S), ("10:21-10:40", "100", S)],
        [Step.SWAP],
    ),
    Case(
        "15 a placeholder instead of a serial number is no swap",
        [read("10:00", 1000, "FFFFFFFFFFFF"), read("10:05", 1100, "ZA20"), read("10:10", 1200, "FFFFFFFFFFFF")],
        [("10:00-10:05", "100", M), ("10:05-10:10", "100", M)],
    ),
    Case(
        "15 a placeholder between two serial numbers does not hide the swap",
        [read("10:00", 1000, "ZA20", power_w=1200), read("10:05", 1100, "<private>"), read("10:10", 1200, "ZB30")],
        [("10:00-10:05", "100", M), ("10:05-10:10", "100", E)],
        [Step.SWAP],
    ),
    Case(
        "16 a gap within an epoch is measured in total",
        [read("00:00", 1_000_000), read("06:00", 1_012_000)],
        [("00:00-06:00", "12000", M)],
    ),
    Case(
        "21 out of order, once sorted",
        [read("10:00", 100), read("10:05", 102), read("10:10", 104)],
        [("10:00-10:05", "2", M), ("10:05-10:10", "2", M)],
    ),
    Case(
        "28 a step that fits the breaker",
        [read("10:00", 100_000), read("10:05", 100_400)],
        [("10:00-10:05", "400", M)],
        limits=SIXTEEN_AMPERES,
    ),
    Case(
        "28 a step that no breaker would let pass is refused, and the epoch goes on",
        [read("09:55", 99_900), read("10:00", 100_000), read("10:05", 105_000), read("10:10", 105_200)],
        [("09:55-10:00", "100", M), ("10:00-10:05", "100", X), ("10:05-10:10", "200", M)],
        [Step.SPIKE],
        SIXTEEN_AMPERES,
    ),
    Case(
        "28 where nobody rated the point, what the device says of itself holds",
        [
            read("09:55", 99_900, limits=SIXTEEN_AMPERES),
            read("10:00", 100_000, limits=SIXTEEN_AMPERES),
            read("10:05", 105_000, limits=SIXTEEN_AMPERES),
        ],
        [("09:55-10:00", "100", M), ("10:00-10:05", "100", X)],
        [Step.SPIKE],
    ),
    Case(
        "28 the point's own rating goes before the device's",
        [read("10:00", 100_000, limits=SIXTEEN_AMPERES), read("10:05", 105_000, limits=SIXTEEN_AMPERES)],
        [("10:00-10:05", "5000", M)],
        limits=Limits(Rate(Decimal(90_000), HOUR_S)),
    ),
    Case(
        "54 a port carries no more than its speed and a twentieth",
        [read("10:00", 0), read("10:05", 39 * 10**9), read("10:10", 79 * 10**9)],
        [("10:00-10:05", "39000000000", M), ("10:05-10:10", "39000000000", X)],
        [Step.SPIKE],
        GIGABIT,
    ),
    Case(
        "a restart that set the counter back to an older copy does not bill the device's whole life",
        [
            read("09:00", 999_000, uptime_s=Decimal(50_000)),
            read("10:00", 1_000_000, uptime_s=Decimal(53_600)),
            read("10:05", 999_900, uptime_s=Decimal(60)),
        ],
        [("09:00-10:00", "1000", M), ("10:00-10:05", "83.333333", E)],
        [Step.REBOOT],
    ),
    Case(
        "an uptime that wraps after 497 days is no restart, so the fall has no reason",
        [read("10:00", 1000, uptime_s=Decimal("42949572")), read("10:05", 900, uptime_s=Decimal("199"))],
        [("10:00-10:05", "0", X)],
        [Step.NEGATIVE],
    ),
    Case(
        "two swaps in a row are estimated at the load before the first",
        [
            read("09:00", 1000, "A1"),
            read("10:00", 2000, "A1"),
            read("11:00", 7, "B1"),
            read("12:00", 9_000_000, "C1"),
        ],
        [("09:00-10:00", "1000", M), ("10:00-11:00", "1000", E), ("11:00-12:00", "1000", E)],
        [Step.SWAP, Step.SWAP],
    ),
    Case(
        "the new device's own reset time is no reset",
        [read("10:00", 1000, "A1", power_w=600, **EARLIER), read("10:05", 7, "B1"), read("10:10", 9, "B1", **RESET_AT)],
        [("10:00-10:05", "50", E), ("10:05-10:10", "2", M)],
        [Step.SWAP],
    ),
]


def told(result: Replay) -> list[tuple[str, str, Quality]]:
    return [(f"{i.start:%H:%M}-{i.end:%H:%M}", f"{i.quantity.normalize():f}", i.quality) for i in result.intervals]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.number)
def test_a_step_means_what_the_worked_example_says(case: Case) -> None:
    result = replay(None, case.readings, case.limits)
    assert [b.step for b in result.breaks] == case.breaks
    assert told(result) == case.expected


def test_an_exchange_tells_what_a_naive_difference_would_have_billed() -> None:
    case = next(c for c in CASES if c.number.startswith("11"))
    (swap,) = replay(None, case.readings).breaks
    assert (swap.old_serial, swap.new_serial) == ("A1", "B1")
    assert swap.difference == Decimal(12_000 - 3_512_800)
    assert swap.estimated == Decimal(760)


def test_a_refused_step_keeps_both_amounts() -> None:
    case = next(c for c in CASES if c.number.startswith("6 a fall"))
    refused = replay(None, case.readings).intervals[1]
    assert (refused.quantity, refused.metered) == (Decimal(2000), Decimal(-2900))


def test_a_first_reading_bills_nothing_and_begins_an_epoch() -> None:
    result = replay(None, [read("10:00", 123_456, "ZA20")])
    assert result.intervals == []
    assert [(e.cause, e.value, e.serial) for e in result.epochs] == [("first", 123_456, "ZA20")]


def test_an_identity_learned_later_belongs_to_the_epoch_that_is_running() -> None:
    result = replay(None, [read("10:00", 1), read("10:05", 2, "ZA20"), read("10:10", 3, "ZA20")])
    (epoch,) = result.epochs
    assert (epoch.start, epoch.serial, epoch.serial_at) == (at("10:00"), "ZA20", at("10:05"))


@pytest.mark.parametrize("text", ["", "FFFFFFFFFFFF", "<private>", "000000", None, "  ", "notsupported", "N/A", "---"])
def test_a_placeholder_is_no_serial_number(text: str | None) -> None:
    assert known_serial(text) is None


@pytest.mark.parametrize(("value", "is_one"), [("-1", False), ("-0.1", False), ("0", True), ("1", True)])
def test_a_sentinel_is_no_reading(value: str, is_one: bool) -> None:
    assert readable(Decimal(value)) is is_one


def test_a_device_tells_its_limits_and_its_modulus_beside_the_register() -> None:
    told = Reading.told(
        at("10:00"), Decimal(5), "Wh", {"modulus": "100", "resolution": "10", "rated_power_w": "3680", "power_w": "-4"}
    )
    assert (told.modulus, told.limits, told.rate) == (100, Limits(Rate(Decimal(3680), HOUR_S), Decimal(10)), None)
    port = Reading.told(at("10:00"), Decimal(5), "octets", {"speed_bps": "8000", "modulus": "-1"})
    assert (port.modulus, port.limits.allows(Decimal(1050), timedelta(seconds=1))) == (None, True)
    assert not port.limits.allows(Decimal(1051), timedelta(seconds=1))


def test_three_phases_carry_three_times_as_much() -> None:
    limits = Limits.rated("Wh", {"current_a": "32", "voltage_v": "230", "phases": 3})
    assert limits.rate is not None
    assert limits.rate.over(timedelta(minutes=5)) == 1840  # 29: 22.08 kW
