"""Changes on items in memory are what rows in a timeline would say: so a preview and the billing after it agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.changes import Cancel, Change, Contract, apply, period_end, read_effective
from billing.items import Item
from billing.periods import Interval
from core.errors import FieldError
from tests.billing.lives import PER_UNIT, Life, at, price

MARCH = at("2026-03-01T00:00+01:00")


def changed(life: Life, change: Change, when: datetime) -> Item:
    return apply(Contract((life.item(),)), change, when).items[0]


@given(hours=st.lists(st.integers(0, 2000), min_size=1, max_size=4, unique=True), what=st.sampled_from(["7.5", ""]))
def test_a_change_in_memory_is_a_row_in_the_timeline(hours: list[int], what: str) -> None:
    life = Life(MARCH)
    rack = price()
    life.agree(MARCH, rack, "3")
    *before, last = sorted(hours)
    for hour in before:
        life.agree(MARCH + timedelta(hours=hour), rack, str(hour))
    when = MARCH + timedelta(hours=last)
    change = Change(quantities={"code": Decimal(what)}) if what else Change(cancel=Cancel())
    in_memory = changed(life, change, when)
    if what:
        life.agree(when, rack, what)
    else:
        life.end(when)
    assert [t for t in in_memory.terms if t.start != t.end] == list(life.item().terms)


def test_another_plan_ends_what_it_does_not_have_and_begins_what_is_new() -> None:
    life = Life(MARCH)
    life.agree(MARCH, price(), "3")
    dearer = price(spec=PER_UNIT, version=2)
    noon = MARCH + timedelta(hours=12)
    kept = changed(life, Change(prices={"code": dearer}), noon)
    assert [(t.price.version, t.quantity) for t in kept.terms] == [(1, 3), (2, 3)]
    gone = changed(life, Change(prices={"other": dearer}, ends=["code"]), noon)
    assert [(t.start, t.end) for t in gone.terms] == [(MARCH, noon)]
    fresh = changed(Life(MARCH), Change(prices={"code": dearer}), noon)
    assert [(t.start, t.end, t.quantity) for t in fresh.terms] == [(noon, None, 1)]


def test_what_has_ended_does_not_come_back_by_a_quantity() -> None:
    life = Life(MARCH)
    life.agree(MARCH, price(), "3")
    life.end(MARCH + timedelta(days=2))
    assert changed(life, Change(quantities={"code": Decimal(5)}), MARCH + timedelta(days=3)) == life.item()


def test_the_period_ends_with_the_longest_of_what_is_changed() -> None:
    now = datetime(2026, 2, 10, tzinfo=UTC)
    items = []
    for code, unit in (("rack", "month"), ("port", "quarter")):
        life = Life(MARCH - timedelta(days=40), time_zone="UTC")
        life.agree(life.start, price(interval=Interval(unit)))
        items.append(replace(life.item(), charge_code=code))
    assert period_end(items, now) == datetime(2026, 4, 1, tzinfo=UTC)
    assert period_end(items, now, {"rack"}) == datetime(2026, 3, 1, tzinfo=UTC)
    assert period_end([], now) is None


@pytest.mark.parametrize("value", ["soon", None, 3, [], {}, {"at": "tomorrow"}, {"at": "2026-03-01T00:00:00Z", "x": 1}])
def test_an_effect_at_no_known_time_is_refused(value: object) -> None:
    errors: list[FieldError] = []
    read_effective(value, "/effective", errors)
    assert errors
