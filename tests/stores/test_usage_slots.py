"""The store answers what the engine's own arithmetic answers, however slots are cut and whatever is asked of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from billing.metering.cuts import part
from billing.metering.intervals import Interval
from billing.metering.quality import NONE, Quality
from billing.metering.reported import usage_of_events
from billing.metering.slots import Event, Part, Slot, SlotRequest, Usage
from billing.metering.steps import Step
from models.places import Register
from models.usage import Interval as StoredInterval
from services.context import Context
from stores.usage import slots_many
from stores.usage._filled import direction_of
from tests.builders.metering import Metered, a_metered_point, an_event, hourly, read, send, take
from tests.conftest import Open

DAY = datetime(2026, 1, 10, 5, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
KWH_PER_WH = Decimal("0.001")  # the house keeps energy registers in Wh
PARTS = frozenset(Part) - {Part.COVERAGE}

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["ams", "fra", "AMS", "é", "1", "true", ""]),
    st.sampled_from([0.5, 1.0, 1e21, 1e-7]),
)  # fmt: skip
properties = st.none() | st.dictionaries(st.sampled_from(["region", "direction", 'o\'dd "name"']), scalars)
quantities = st.integers(-(10**9), 10**9).map(lambda millionths: Decimal(millionths).scaleb(-6))
events = st.lists(st.tuples(st.integers(-400 * 60, 800 * 60), quantities, properties), max_size=25)
cuts = st.one_of(
    st.integers(1, 60).map(lambda n: [DAY + i * 5 * MINUTE for i in range(n + 1)]),
    st.integers(1, 9).map(lambda n: [DAY + i * HOUR for i in range(n + 1)]),
    st.integers(1, 20).map(lambda n: [DAY + 7 * MINUTE + i * 20 * MINUTE for i in range(n + 1)]),
    st.lists(st.integers(0, 600), min_size=2, max_size=6, unique=True).map(
        lambda minutes: [DAY + m * MINUTE for m in sorted(minutes)]
    ),
).map(tuple)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> SlotRequest:
    """Everything that may be asked of events; ids are put in later."""
    return SlotRequest(
        *[UUID_NONE] * 3,
        unit="kWh",
        edges=draw(cuts),
        parts=draw(st.sets(st.sampled_from(sorted(PARTS)), min_size=1).map(frozenset)),
        dimensions=draw(st.sampled_from([(), ("region",), ("direction", "region"), ('o\'dd "name"',)])),
        distinct=draw(st.sampled_from([None, "region", "nothing"])),
        carried=draw(st.booleans()),
        events=draw(st.booleans()),
    )


UUID_NONE: Any = None
patient = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def told(request: SlotRequest, slot: Slot) -> dict[str, Any]:
    """What of a slot was asked for, as it may be compared."""
    seen: dict[str, Any] = {"period": slot.period, "sum": slot.sum, "count": slot.count, "quality": slot.quality}
    for name in (Part.MIN, Part.MAX, Part.FIRST, Part.LAST, Part.INTEGRAL, Part.DISTINCT):
        if name in request.parts:
            seen[name] = getattr(slot, name)
    if Part.INTEGRAL in request.parts:
        seen["first_at"] = slot.first_at
    if request.carried and request.parts & {Part.FIRST, Part.LAST, Part.INTEGRAL}:
        seen["level"] = slot.level
    return seen | {"cells": {cell: told(request, inner) for cell, inner in slot.cells.items() if worth(request, inner)}}


def worth(request: SlotRequest, slot: Slot) -> bool:
    return bool(slot.count) or bool(request.parts & {Part.FIRST, Part.LAST, Part.INTEGRAL})


def ask(ctx: Context, metered: Metered, request: SlotRequest) -> tuple[SlotRequest, Usage]:
    ids = (metered.item, metered.subscription.id, metered.plan.meter_id)
    named = replace(request, item_id=ids[0], subscription_id=ids[1], meter_id=ids[2])
    return named, slots_many(ctx.session, ctx.provider.id, [named], now=DAY)[named]


@patient
@given(events, requests())
def test_stored_events_come_to_what_the_same_events_come_to_in_memory(
    open_unit: Open, given_events: list[tuple[int, Decimal, Any]], request_: SlotRequest
) -> None:
    with open_unit() as ctx:
        metered = a_metered_point(ctx)
        taken = [(f"{metered.item}-{i}", DAY + timedelta(seconds=s), q, p) for i, (s, q, p) in enumerate(given_events)]
        receipt = send(ctx, [an_event(metered, i, at, f"{q:f}", properties=p) for i, at, q, p in taken])
        assert receipt.rejected == []
        request, stored = ask(ctx, metered, request_)
    wanted = usage_of_events(request, [Event(at, q, i, p) for i, at, q, p in taken])
    assert [told(request, s) for s in stored.slots] == [told(request, s) for s in wanted.slots]
    assert stored.events == wanted.events
    assert (stored.evidence.event_count, stored.evidence.event_quantity) == (
        wanted.evidence.event_count,
        wanted.evidence.event_quantity,
    )


@pytest.mark.parametrize(
    ("register", "way"),
    [
        ("in_octets", "in"),
        ("if_out_octets", "out"),
        ("ifHCInOctets", "in"),
        ("ifHCOutOctets", "out"),
        ("eth0-rx", "in"),
        ("tx_bytes", "out"),
        ("egress", "out"),
        ("active_energy", None),
        ("inlet_octets", None),
        ("routing", None),
    ],
)
def test_a_register_s_name_tells_which_way_it_counts(register: str, way: str | None) -> None:
    assert direction_of(register) == way


lives = st.lists(
    st.tuples(
        st.integers(1, 50 * 60),
        st.integers(0, 40 * 10**6).map(lambda millionths: Decimal(millionths).scaleb(-6)),
        st.booleans(),
    ),
    min_size=1,
    max_size=14,
)


def stored_intervals(ctx: Context, metered: Metered) -> list[Interval]:
    rows = ctx.session.scalars(
        select(StoredInterval)
        .join(Register, (Register.id == StoredInterval.register_id) & (Register.point_id == metered.point.id))
        .order_by(StoredInterval.start_at)
    )
    return [
        Interval(r.start_at, r.end_at, r.start_value, r.quantity, Quality(r.quality), Step(r.step), r.metered)
        for r in rows
    ]


@patient
@given(lives, cuts)
def test_registers_are_cut_in_the_database_as_the_engine_cuts_them(
    open_unit: Open, life: list[tuple[int, Decimal, bool]], edges: tuple[datetime, ...]
) -> None:
    with open_unit() as ctx:
        metered = a_metered_point(ctx, rating={"breaker_a": "32", "voltage_v": "230", "phases": 1})
        at, value, serial = DAY - 13 * MINUTE, Decimal(1000), "A1"
        take(ctx, read(metered.point, at, str(value), serial=serial))
        for seconds, step, swapped in life:
            at, serial = at + timedelta(seconds=seconds), serial + "x" * (swapped and step > 30)
            value = value + step if serial == "A1" or step < 30 else Decimal(5)
            take(ctx, read(metered.point, at, f"{value:f}", serial=serial))
        intervals = stored_intervals(ctx, metered)
        request, usage = ask(
            ctx, metered, SlotRequest(*[UUID_NONE] * 3, "kWh", edges, frozenset({Part.SUM, Part.COVERAGE}))
        )
        whole = slots_many(ctx.session, ctx.provider.id, [replace(request, edges=(edges[0], edges[-1]))], now=DAY)
    trusted = [i for i in intervals if i.quality not in (Quality.ESTIMATED, Quality.INVALID)]
    for slot in usage.slots:
        start, end = slot.period.start, slot.period.end
        assert slot.quality == sum((part(i, start, end) for i in intervals), NONE).scaled(KWH_PER_WH)
        known = sum(
            (min(end, i.end) - max(start, i.start) for i in trusted if i.start < end and start < i.end), 0 * HOUR
        )
        assert (slot.registers, slot.unknown) == (1, int(known < end - start))
    (one,) = whole.values()
    assert usage.quality.total == one.quality.total


@patient
@given(lives, st.sampled_from([15, 60]), st.integers(0, 300))
def test_a_run_of_slots_is_what_its_slots_are_one_by_one(
    open_unit: Open, life: list[tuple[int, Decimal, bool]], minutes: int, shift: int
) -> None:
    """Also after the last reading, where the rest is estimated; and from where the assignment begins."""
    with open_unit() as ctx:
        metered = a_metered_point(ctx)
        at, value = DAY - 13 * MINUTE, Decimal(1000)
        take(ctx, read(metered.point, at, str(value)))
        for seconds, step, _ in life:
            at, value = at + timedelta(seconds=seconds), value + step
            take(ctx, read(metered.point, at, f"{value:f}"))
        send(ctx, [an_event(metered, f"{metered.item}", DAY + 40 * MINUTE, "2")])
        start = DAY + shift * MINUTE * (minutes == 15)
        edges = tuple(start + i * minutes * MINUTE for i in range(13))
        run, _ = ask(ctx, metered, SlotRequest(*[UUID_NONE] * 3, "kWh", edges))
        singly = [replace(run, edges=pair) for pair in pairwise(edges)]
        found = slots_many(ctx.session, ctx.provider.id, [run, *singly], now=DAY + 18 * HOUR)
    assert [slot.quality for slot in found[run].slots] == [found[one].slots[0].quality for one in singly]
    assert [slot.sum for slot in found[run].slots] == [found[one].slots[0].sum for one in singly]
    together = {p.register: p.estimate.quantity if p.estimate else 0 for p in found[run].evidence.points}
    for point in found[run].evidence.points:
        assert together[point.register] == sum(
            p.estimate.quantity for one in singly for p in found[one].evidence.points if p.estimate
        )


@pytest.mark.parametrize("parts", [{Part.SUM}, {Part.MIN}, {Part.MAX}, {Part.SUM, Part.MIN, Part.MAX}])
def test_many_items_over_one_span_are_read_together_and_come_to_what_each_comes_to_alone(
    open_unit: Open, monkeypatch: pytest.MonkeyPatch, parts: set[Part]
) -> None:
    answers = []
    with open_unit() as ctx:
        wanted = []
        for n in range(4):
            metered = a_metered_point(ctx, path=f"rack-{n}")
            take(ctx, *hourly(metered.point, DAY, [str(1000 + n * hour * 7) for hour in range(6)]))
            if n:  # one has no events
                send(ctx, [an_event(metered, f"{n}-{i}", DAY + i * 40 * MINUTE, f"{n}.{i}") for i in range(6)])
            ids = (metered.item, metered.subscription.id, metered.plan.meter_id)
            wanted.append(SlotRequest(*ids, "kWh", (DAY, DAY + 5 * HOUR), frozenset(parts)))
        for least in (1, 100):
            monkeypatch.setattr("stores.usage._windows.LEAST", least)
            answers.append(slots_many(ctx.session, ctx.provider.id, wanted, now=DAY + 6 * HOUR))
    for request in wanted:
        together, alone = (answer[request] for answer in answers)
        assert [told(request, slot) for slot in together.slots] == [told(request, slot) for slot in alone.slots]
        assert replace(together, slots=()) == replace(alone, slots=())
    assert [answers[0][request].slots[0].count for request in wanted] == [0, 6, 6, 6]
