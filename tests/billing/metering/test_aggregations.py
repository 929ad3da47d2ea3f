"""Every aggregation, known or new, keeps the contract of its family."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.metering.aggregations.protocol import Aggregation, Example
from billing.metering.slots import Event, slots_of_events
from core.period import Period
from core.registry import plugins

FAMILY: dict[str, Aggregation] = plugins("billing.metering.aggregations")
START = datetime(2026, 3, 1, tzinfo=UTC)


def hours(count: int) -> list[Period]:
    return [Period(START + timedelta(hours=i), START + timedelta(hours=i + 1)) for i in range(count)]


def examples() -> Iterator[object]:
    for name, plugin in FAMILY.items():
        for example in plugin.examples:
            yield pytest.param(plugin, example, id=f"{name}: {example.name}")


def test_the_sum_is_an_aggregation() -> None:
    assert "sum" in FAMILY


@pytest.mark.parametrize(("plugin", "example"), list(examples()))
def test_an_aggregation_keeps_its_examples(plugin: Aggregation, example: Example) -> None:
    events = [
        Event(START + timedelta(hours=i, minutes=k), Decimal(quantity), f"{k:04}")
        for i, slot in enumerate(example.slots)
        for k, quantity in enumerate(slot)
    ]
    assert plugin.reduce(slots_of_events(events, hours(len(example.slots)))) == Decimal(example.quantity)


@pytest.mark.parametrize("plugin", list(FAMILY.values()), ids=list(FAMILY))
def test_an_aggregation_names_its_parts_and_has_examples(plugin: Aggregation) -> None:
    assert plugin.parts
    assert plugin.examples


@given(st.lists(st.tuples(st.integers(0, 5 * 60 - 1), st.decimals("-1e9", "1e9", places=6)), max_size=20))
def test_a_sum_does_not_depend_on_how_the_span_is_cut(events: list[tuple[int, Decimal]]) -> None:
    taken = [Event(START + timedelta(minutes=m), q, str(i)) for i, (m, q) in enumerate(events)]
    whole = slots_of_events(taken, [Period(START, START + timedelta(hours=5))])
    assert FAMILY["sum"].reduce(whole) == FAMILY["sum"].reduce(slots_of_events(taken, hours(5)))
    assert sum(s.count for s in slots_of_events(taken, hours(5))) == len(taken)


def test_first_and_last_are_by_time_and_an_event_at_the_end_of_a_slot_is_in_the_next() -> None:
    taken = [
        Event(START + timedelta(minutes=30), Decimal(3)),
        Event(START, Decimal(7)),
        Event(START + timedelta(hours=1), Decimal(9)),
    ]
    first, second = slots_of_events(taken, hours(2))
    assert (first.first, first.last, first.min, first.max, first.count) == (7, 3, 3, 7, 2)
    assert second.sum == 9
