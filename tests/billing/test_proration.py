"""Parts of spans: the cases of `proration_cases.toml`, and what holds for all of them."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.periods import Interval, cadence, day_start
from billing.proration import METHODS, share
from core.period import Period

CASES = tomllib.loads((Path(__file__).parent / "proration_cases.toml").read_text())["case"]


def instant(text: str, time_zone: str) -> datetime:
    return datetime.fromisoformat(text) if "T" in text else day_start(date.fromisoformat(text), time_zone)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['method']}: {c['why']}")
def test_a_part_of_a_span_is_what_the_table_says(case: dict[str, Any]) -> None:
    full, used = (Period(*(instant(t, case["zone"]) for t in case[name])) for name in ("span", "part"))
    part = share(case["method"], full, used, case["zone"])
    expected = Fraction(case["used"], case["of"])
    assert Fraction(part.numerator, part.denominator) == expected
    if case["method"] != "second":  # seconds are counted in millionths
        assert (part.numerator, part.denominator) == (case["used"], case["of"])


def test_a_share_divides_once_and_late() -> None:
    # 0.045 * 7 / 21 is 0.015 exactly; dividing first would leave 0.0149999…
    period = Period(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 22, tzinfo=UTC))
    used = Period(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 8, tzinfo=UTC))
    assert share("day", period, used, "UTC").of(Decimal("0.045")) == Decimal("0.015")


INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2032, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))  # noqa: DTZ001
CUTS = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=4, unique=True)


@given(
    method=st.sampled_from([m for m in METHODS if m != "none"]),
    unit=st.sampled_from(["day", "week", "month", "quarter", "year"]),
    start=INSTANTS,
    cuts=CUTS,
    time_zone=st.sampled_from(["UTC", "Europe/Amsterdam", "America/Los_Angeles", "Pacific/Auckland"]),
)
def test_the_parts_of_a_span_add_up_to_it(
    method: str, unit: str, start: datetime, cuts: list[float], time_zone: str
) -> None:
    full = cadence(Interval(unit), "anniversary", start, time_zone).span_at(start)
    edges = [full.start, *sorted({full.start + (full.end - full.start) * c for c in cuts}), full.end]
    parts = [share(method, full, Period(a, b), time_zone) for a, b in pairwise(edges) if a < b]
    assert sum(Fraction(p.numerator, p.denominator) for p in parts) == 1
    assert all(p.numerator >= 0 for p in parts)
