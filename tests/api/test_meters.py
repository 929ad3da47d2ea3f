"""Meters over HTTP, and estimates that count events in each way: the examples of the aggregations from outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.metering.aggregations.protocol import AggregationKind, BadExample, Example
from billing.metering.meters import kinds
from tests.api.conftest import Caller

START = datetime(2026, 3, 2, tzinfo=UTC)
PER_UNIT = {"model": "per_unit", "unit_price": "1"}
TRAFFIC = {"aggregation": "percentile", "percentile": "95", "sample_minutes": 5, "direction": "percentile_of_sum"}


def meter(**more: Any) -> dict[str, Any]:
    return {"code": "m", "name": "M", "unit": "each", "aggregation": "sum", **more}


def wrong(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.get_data(as_text=True)
    return [(e["pointer"], e["code"]) for e in answer.json["errors"]]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"unit": "octets", **TRAFFIC}, TRAFFIC),
        (
            {"unit": "GB", "aggregation": "percentile"},
            {"percentile": "95", "sample_minutes": 5, "direction": "percentile_of_sum"},
        ),
        ({"unit": "kWh", "aggregation": "demand"}, {"window_minutes": 15}),
        (
            {"unit": "Wh", "aggregation": "demand", "window_minutes": 30, "sliding_by_minutes": 5},
            {"window_minutes": 30, "sliding_by_minutes": 5},
        ),
        ({"aggregation": "unique_count", "property": "user"}, {"property": "user"}),
        ({"aggregation": "unique_count"}, {}),
        *(({"aggregation": name}, {}) for name in ("sum", "count", "max", "latest", "average", "weighted_sum")),
    ],
)
def test_a_meter_comes_back_with_the_members_of_its_aggregation(
    client: Caller, body: dict[str, Any], shown: dict[str, Any]
) -> None:
    made = client.made("/v1/meters", meter(**body))
    ours = {name: made[name] for name in made if name not in ("id", "external_id", "metadata", "created_at")}
    assert ours == {**meter(), **{name: body[name] for name in ("unit", "aggregation") if name in body}, **shown}
    assert client.get(f"/v1/meters/{made['id']}").json == made
    assert made in client.get("/v1/meters").json["data"]


def refusals() -> Iterator[object]:
    for name, kind in kinds().items():
        for bad in kind.refusals:
            yield pytest.param(kind, bad, id=f"{name}: {bad.why}")


@pytest.mark.parametrize(("kind", "bad"), list(refusals()))
def test_a_meter_with_members_that_make_no_sense_is_refused_by_pointer(
    client: Caller, kind: AggregationKind, bad: BadExample
) -> None:
    body = meter(unit=kind.unit or "each", aggregation=kind.name) | dict(bad.members)
    assert wrong(client.post("/v1/meters", body))[0] == (bad.pointer, bad.code)
    assert client.get("/v1/meters").json["data"] == []
    line = {"price": PER_UNIT, "events": [], "meter": {"aggregation": kind.name, **bad.members}}
    answer = client.post("/v1/estimates", {"currency": "EUR", "lines": [line]})
    assert wrong(answer)[0] == (f"/lines/0/meter{bad.pointer}", bad.code)


def test_what_nobody_reads_is_refused(client: Caller) -> None:
    assert wrong(client.post("/v1/meters", meter(parameters={"percentile": "95"}))) == [
        ("/parameters", "member_unknown")
    ]
    assert wrong(client.post("/v1/meters", meter(percentile="95"))) == [("/percentile", "member_unknown")]


def test_what_a_meter_counts_stays(client: Caller) -> None:
    made = client.made("/v1/meters", meter(unit="octets", **TRAFFIC))
    assert wrong(client.patch(f"/v1/meters/{made['id']}", {"percentile": "90"})) == [("/percentile", "member_unknown")]


def examples() -> Iterator[object]:
    for name, kind in kinds().items():
        for example in kind.examples:
            yield pytest.param(name, example, id=f"{name}: {example.why}")


def instant(minutes: int) -> str:
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def line_of(name: str, example: Example) -> dict[str, Any]:
    """The example as a line of an estimate."""
    events = [
        {"id": f"{number:04}", "at": instant(minute), "quantity": quantity}
        | ({"properties": properties[0]} if properties else {})
        for number, (minute, quantity, *properties) in enumerate(example.events)
    ]
    span = {"start": instant(0), "end": instant(example.minutes)}
    return {"price": PER_UNIT, "events": events, "meter": {"aggregation": name, **example.members}, "span": span}


@pytest.mark.parametrize(("name", "example"), list(examples()))
def test_an_estimate_counts_events_as_the_aggregation_does(client: Caller, name: str, example: Example) -> None:
    answer = client.post("/v1/estimates", {"currency": "EUR", "lines": [line_of(name, example)]})
    if example.refused is not None:
        assert wrong(answer) == [("/lines/0/events", example.refused)]
    elif example.quantity.startswith("-"):
        assert wrong(answer) == [("/lines/0", "quantity_negative")]
    elif len(example.quantity.partition(".")[0]) > 15:
        assert wrong(answer) == [("/lines/0", "amount_out_of_range")]
    else:
        (line,) = answer.json["lines"]
        assert (line["quantity"], tuple(line.get("flags", ()))) == (example.quantity, example.flags)


def test_without_a_span_samples_lie_in_whole_slots_around_the_events(client: Caller) -> None:
    events = [
        {"at": instant(5 * i), "quantity": str(37_500_000 * (i + 1)), "properties": {"direction": "in"}}
        for i in range(20)
    ]
    line = {
        "price": {"model": "per_unit", "unit_price": "2"},
        "events": events,
        "meter": {**TRAFFIC, "direction": "in"},
    }
    (rated,) = client.post("/v1/estimates", {"currency": "EUR", "lines": [line]}).json["lines"]
    assert (rated["quantity"], rated["unit"], rated["amount"]) == ("19", "Mbit/s", 3800)


def test_a_level_over_time_needs_the_span_that_it_is_over(client: Caller) -> None:
    line = {
        "price": PER_UNIT,
        "events": [{"at": instant(0), "quantity": "1"}],
        "meter": {"aggregation": "weighted_sum"},
    }
    answer = client.post("/v1/estimates", {"currency": "EUR", "lines": [line]})
    assert wrong(answer) == [("/lines/0/span", "member_required")]


@pytest.mark.parametrize("name", ["percentile", "demand"])
def test_without_samples_there_is_neither_percentile_nor_peak(client: Caller, name: str) -> None:
    line = {"price": PER_UNIT, "events": [], "meter": {"aggregation": name}}
    answer = client.post("/v1/estimates", {"currency": "EUR", "lines": [line]})
    assert wrong(answer) == [("/lines/0/events", "no_samples")]
    counted = {**line, "meter": {"aggregation": "sum"}}
    assert client.post("/v1/estimates", {"currency": "EUR", "lines": [counted]}).json["subtotal_amount"] == 0


@pytest.mark.parametrize(
    ("years", "minutes", "pointer", "code"),
    [(9, 1, "/events", "too_many_slots"), (12, 60, "/span", "span_too_long"), (6000, 60, "/span", "span_too_long")],
)
def test_nobody_counts_for_ages(client: Caller, years: int, minutes: int, pointer: str, code: str) -> None:
    line = {
        "price": PER_UNIT,
        "events": [{"at": instant(0), "quantity": "1"}],
        "meter": {"aggregation": "percentile", "sample_minutes": minutes},
        "span": {"start": "2026-01-01", "end": f"{2026 + years}-01-01"},
    }
    answer = client.post("/v1/estimates", {"currency": "EUR", "lines": [line]})
    assert wrong(answer) == [(f"/lines/0{pointer}", code)]


@pytest.mark.parametrize(
    ("event", "pointer", "code"),
    [
        ({"properties": {"user": {"id": 7}}}, "/properties/user", "scalar_expected"),
        ({"properties": ["user"]}, "/properties", "object_expected"),
        ({"quantity": 1}, "/quantity", "decimal_string_expected"),
        ({"at": "yesterday"}, "/at", "instant_malformed"),
        ({"quality": "good"}, "/quality", "member_unknown"),
    ],
)
def test_a_wrong_event_is_refused_by_pointer(client: Caller, event: dict[str, Any], pointer: str, code: str) -> None:
    line = {
        "price": PER_UNIT,
        "events": [{"at": instant(0), "quantity": "1"} | event],
        "meter": {"aggregation": "sum"},
    }
    answer = client.post("/v1/estimates", {"currency": "EUR", "lines": [line]})
    assert wrong(answer) == [(f"/lines/0/events/0{pointer}", code)]


@pytest.mark.parametrize(
    ("day", "quarters"),
    [("2026-03-29", 92), ("2026-10-25", 100), ("2026-06-01", 96)],
    ids=["spring", "autumn", "summer"],
)
def test_a_day_has_as_many_quarters_of_an_hour_as_its_clock_shows(client: Caller, day: str, quarters: int) -> None:
    """Every quarter is a sample: the least percentile that takes the second of them tells how many there are."""
    following = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
    line = {
        "price": PER_UNIT,
        "events": [{"at": f"{day}T12:00:00Z", "quantity": "1"}],
        "meter": {"aggregation": "demand"},
        "span": {"start": day, "end": following},
        "time_zone": "Europe/Amsterdam",
    }
    (rated,) = client.post("/v1/estimates", {"currency": "EUR", "lines": [line]}).json["lines"]
    assert (rated["quantity"], rated["unit"], rated["notes"]["windows"]) == ("4", "kW", quarters)
