"""Every aggregation, known or new, keeps the contract of its family."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.members import Members
from billing.metering.aggregations.protocol import Aggregation, AggregationKind, BadExample, Example
from billing.metering.meters import kinds, parse_aggregation, read_aggregation
from billing.metering.reported import usage_of_events
from billing.metering.slots import Event, Part, Slot, SlotRequest
from core.errors import Refused
from core.period import Period

START = datetime(2026, 3, 2, tzinfo=UTC)
NOBODY = UUID(int=0)
ALL = frozenset(Part)


def slots_of(aggregation: Aggregation, events: list[Event], edges: tuple[datetime, ...]) -> tuple[Slot, ...]:
    request = SlotRequest(
        NOBODY,
        NOBODY,
        NOBODY,
        "",
        edges,
        parts=aggregation.parts,
        dimensions=aggregation.dimensions,
        distinct=aggregation.distinct,
        carried=aggregation.carried,
    )
    return usage_of_events(request, events).slots


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def events_of(example: Example) -> list[Event]:
    found = []
    for number, (minute, quantity, *properties) in enumerate(example.events):
        found.append(Event(at(minute), Decimal(quantity), f"{number:04}", *properties))  # type: ignore[arg-type]
    return found


def examples() -> Iterator[object]:
    for name, kind in kinds().items():
        for example in kind.examples:
            yield pytest.param(kind, example, id=f"{name}: {example.why}")


def refusals() -> Iterator[object]:
    for name, kind in kinds().items():
        for bad in kind.refusals:
            yield pytest.param(kind, bad, id=f"{name}: {bad.why}")


def test_all_aggregations_of_the_contract_are_there() -> None:
    contract = "sum count unique_count max latest average weighted_sum percentile demand"
    assert set(kinds()) >= set(contract.split())


@pytest.mark.parametrize(("kind", "example"), list(examples()))
def test_an_aggregation_keeps_its_examples(kind: AggregationKind, example: Example) -> None:
    aggregation = parse_aggregation(kind.name, example.members, kind.unit)
    edges = aggregation.grid(Period(START, at(example.minutes)), "UTC")
    slots = slots_of(aggregation, events_of(example), edges)
    if example.refused is not None:
        with pytest.raises(Refused) as refused:
            aggregation.reduce(slots)
        assert refused.value.code == example.refused
        return
    reduced = aggregation.reduce(slots)
    assert (reduced.quantity, reduced.flags) == (Decimal(example.quantity), example.flags)


@pytest.mark.parametrize(("kind", "bad"), list(refusals()))
def test_an_aggregation_refuses_members_that_make_no_sense(kind: AggregationKind, bad: BadExample) -> None:
    members = Members({"aggregation": kind.name, **bad.members})
    read_aggregation(members)
    members.close()
    assert next((e.code, e.pointer) for e in members.errors) == (bad.code, bad.pointer)


@pytest.mark.parametrize("kind", list(kinds().values()), ids=list(kinds()))
def test_an_aggregation_has_examples_and_reads_something(kind: AggregationKind) -> None:
    assert kind.examples
    assert kind.summary
    aggregation = parse_aggregation(kind.name, kind.examples[0].members, kind.unit)
    assert aggregation.parts
    assert not (aggregation.additive and aggregation.level)


quantities = st.integers(-(10**15), 10**15).map(lambda millionths: Decimal(millionths).scaleb(-6))
many = st.lists(st.tuples(st.integers(0, 5 * 60 - 1), quantities), max_size=20)


@given(many, st.sets(st.integers(1, 299), max_size=8))
def test_what_is_additive_does_not_depend_on_how_the_span_is_cut(
    events: list[tuple[int, Decimal]], cuts: set[int]
) -> None:
    taken = [Event(at(m), q, str(i)) for i, (m, q) in enumerate(events)]
    for kind in kinds().values():
        aggregation = parse_aggregation(kind.name, kind.examples[0].members, kind.unit)
        if aggregation.additive:
            whole = slots_of(aggregation, taken, (START, at(300)))
            parts = slots_of(aggregation, taken, (START, *(at(m) for m in sorted(cuts)), at(300)))
            assert aggregation.reduce(whole) == aggregation.reduce(parts)
            assert sum(aggregation.reduce([slot]).quantity for slot in parts) == aggregation.reduce(whole).quantity


def test_first_and_last_are_by_time_and_an_event_at_the_end_of_a_slot_is_in_the_next() -> None:
    taken = [Event(at(30), Decimal(3)), Event(START, Decimal(7)), Event(at(60), Decimal(9))]
    request = SlotRequest(NOBODY, NOBODY, NOBODY, "", (START, at(60), at(120)), ALL)
    first, second = usage_of_events(request, taken).slots
    assert (first.first, first.last, first.min, first.max, first.count) == (7, 3, 3, 7, 2)
    assert second.sum == 9
