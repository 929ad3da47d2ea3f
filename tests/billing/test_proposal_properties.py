"""Random lives: however often one bills, every agreed instant is billed once and comes to the same money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.periods import ANCHORS, Interval
from billing.proposal import Proposal
from billing.terms import fold
from core.period import Period
from tests.billing.lives import PER_UNIT, TIERED, Life, price

ZONES = ["UTC", "Europe/Amsterdam", "America/Los_Angeles", "America/Sao_Paulo", "Pacific/Auckland"]
STARTS = st.datetimes(datetime(2023, 1, 1), datetime(2029, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))  # noqa: DTZ001
UNEVEN = {"model": "per_unit", "unit_price": "99.97"}


@st.composite
def agreements(draw: st.DrawFn, late: bool = False) -> list[tuple[timedelta, timedelta, str]]:
    """Changes after the start: (from, known how much later, what)."""
    count = draw(st.integers(0, 5))
    hours = sorted(draw(st.lists(st.integers(1, 24 * 120), min_size=count, max_size=count, unique=True)))
    what = st.sampled_from(["1", "3", "0", "2.5", "other price", "end"])
    lag = st.integers(0, 24 * 40) if late else st.just(0)
    return [(timedelta(hours=h), timedelta(hours=draw(lag)), draw(what)) for h in hours]


@st.composite
def lives(draw: st.DrawFn, late: bool = False, kinds: tuple[str, ...] = ("recurring", "usage")) -> Life:
    """A life of up to four months of changes; all methods, both timings, zones on both sides of UTC."""
    life = Life(draw(STARTS), draw(st.sampled_from(ANCHORS)), draw(st.sampled_from(ZONES)))
    kind = draw(st.sampled_from(kinds))
    unit = draw(st.sampled_from(["week", "month", "quarter"]))
    common = {"interval": Interval(unit), "proration": draw(st.sampled_from(["day", "second", "day_30_360"]))}
    if kind == "recurring":
        common["timing"] = draw(st.sampled_from(["advance", "arrears"]))
    one = price(kind, TIERED if kind == "usage" else UNEVEN, **common)
    other = price(kind, PER_UNIT, **common)
    life.agree(life.start, one, "2")
    for offset, lag, what in draw(agreements(late)):
        from_at = life.start + offset
        if what == "end":
            life.end(from_at, recorded_at=from_at + lag)
        elif what == "other price":
            life.agree(from_at, other, "1", recorded_at=from_at + lag)
        else:
            life.agree(from_at, one, what, recorded_at=from_at + lag)
    return life


def twin(life: Life) -> Life:
    return Life(life.start, life.anchor, life.time_zone, list(life.rows), dict(life.prices))


def known_life(life: Life, at: datetime) -> list[Period]:
    """The stretches agreed upon, open ends left out of the comparison beyond `at`."""
    return [Period(t.start, min(t.end or at, at)) for t in fold(life.rows) if t.start < at]


def merged(spans: list[Period]) -> list[Period]:
    joined: list[Period] = []
    for span in sorted(spans, key=lambda s: s.start):
        if joined and joined[-1].end == span.start:
            joined[-1] = Period(joined[-1].start, span.end)
        else:
            joined.append(span)
    return joined


DAYS = timedelta(days=200)


def end_of(life: Life) -> datetime:
    """Half a year on, everything ended there: so that all spans are closed."""
    return life.start + DAYS


def finish(life: Life) -> None:
    life.end(end_of(life), recorded_at=life.start + timedelta(days=1))


SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SLOW
@given(life=lives(), gaps=st.lists(st.integers(1, 24 * 20), min_size=0, max_size=25))
def test_billing_day_by_day_equals_billing_once(life: Life, gaps: list[int]) -> None:
    finish(life)
    once = twin(life)
    once.bill(end_of(life))
    now = life.start
    for gap in gaps:
        life.bill(now, known_at=now)
        now = min(now + timedelta(hours=gap), end_of(life))
    life.bill(end_of(life))
    assert life.total == once.total
    assert merged(life.billed) == merged(once.billed)


@SLOW
@given(life=lives(late=True), gaps=st.lists(st.integers(1, 24 * 20), min_size=1, max_size=25))
def test_every_agreed_instant_is_billed_once_however_late_changes_become_known(life: Life, gaps: list[int]) -> None:
    finish(life)
    now = life.start
    for gap in gaps:
        life.bill(now, known_at=now)
        now = min(now + timedelta(hours=gap), end_of(life))
    life.bill(end_of(life))
    assert merged(life.billed) == merged(known_life(life, end_of(life)))
    # What stays billed is what the claims say, to the cent.
    assert life.total == sum(claim.net_amount for claim in life.claims.values())


@SLOW
@given(life=lives(late=True), hours=st.lists(st.integers(0, 24 * 150), min_size=1, max_size=6))
def test_repeating_adds_nothing(life: Life, hours: list[int]) -> None:
    for hour in sorted(hours):
        now = life.start + timedelta(hours=hour)
        life.bill(now, known_at=now)
        assert life.bill(now, known_at=now) == Proposal()


@SLOW
@given(life=lives(), days=st.integers(0, 150))
def test_nothing_is_billed_before_it_is_due_and_nothing_due_is_left(life: Life, days: int) -> None:
    as_of = life.start + timedelta(days=days)
    proposal = life.bill(as_of)
    assert all(charge.due_at <= as_of for charge in proposal.charges)
    wanted = sum((s.end - s.start for s in known_life(life, as_of)), timedelta())
    billed = sum((min(s.end, as_of) - s.start for s in life.billed if s.start < as_of), timedelta())
    timing = next(iter(life.prices.values())).timing
    assert billed == wanted if timing == "advance" else billed <= wanted


@pytest.mark.parametrize("time_zone", ZONES)
def test_a_year_of_days_is_billed_day_by_day_in_every_zone(time_zone: str) -> None:
    life = Life(datetime(2025, 12, 31, 12, tzinfo=UTC), "calendar", time_zone)
    life.agree(life.start, price(interval=Interval("day"), spec={"model": "flat", "amount_price": "1"}))
    for day in range(366):
        life.bill(life.start + timedelta(days=day))
    assert len(life.charges) in (366, 367)
    assert len(merged(life.billed)) == 1
    assert Decimal(life.total) == 100 * len(life.charges)
