"""Every aggregation from the meter to the invoice, over HTTP: events and registers of one day, billed for that day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Caller, app, client, new_caller
from tests.builders.catalog import plan_price
from tests.builders.sandbox import pass_time

__all__ = ["app", "client", "new_caller"]

MEGABIT = 300 * 10**6 // 8
COUNTED = {
    "sum": ("each", {"aggregation": "sum"}),
    "count": ("each", {"aggregation": "count"}),
    "users": ("each", {"aggregation": "unique_count", "property": "user"}),
    "max": ("GB", {"aggregation": "max"}),
    "latest": ("GB", {"aggregation": "latest"}),
    "average": ("GB", {"aggregation": "average"}),
    "stored": ("GB", {"aggregation": "weighted_sum"}),
    "traffic": ("octets", {"aggregation": "percentile", "direction": "larger_of_percentiles"}),
    "peak": ("kWh", {"aggregation": "demand", "window_minutes": 15, "sliding_by_minutes": 5}),
}


def advance(caller: Caller, provider: UUID, to: str) -> None:
    pass_time(caller, provider, to)


@pytest.fixture
def subscribed(client: Caller) -> Caller:
    """A plan with a daily price on each meter, taken from 15 January on, in New York."""
    client.made("/v1/products", {"code": "colocation", "name": "Colocation"})
    prices = []
    for code, (unit, aggregation) in COUNTED.items():
        client.made("/v1/meters", {"code": code, "name": code, "unit": unit, **aggregation})
        terms = {"meter": code, "interval": {"unit": "day", "count": 1}}
        prices.append(plan_price(code, "usage", {"model": "per_unit", "unit_price": "1"}, **terms))
    client.made("/v1/plans", {"code": "all", "name": "All", "version": {"prices": prices}})
    account = {"name": "Contoso", "currency": "EUR", "country": "US", "external_id": "contoso"}
    client.made("/v1/accounts", account | {"time_zone": "America/New_York"})
    order = {"account": "contoso", "plan": "all", "start": {"at": "2026-01-15T05:00:00Z"}, "external_id": "s1"}
    client.made("/v1/subscriptions", order)
    return client


def send(caller: Caller, meter: str, *events: tuple[str, str] | tuple[str, str, dict[str, Any]]) -> None:
    sent = [
        {"id": f"{meter}-{i}", "subscription": "s1", "meter": meter, "at": f"2026-01-{at}Z", "quantity": quantity}
        | ({"properties": properties[0]} if properties else {})
        for i, (at, quantity, *properties) in enumerate(events)
    ]
    answer = caller.made("/v1/usage/events", {"events": sent})
    assert answer["accepted"] == len(sent), answer


def lines(caller: Caller) -> dict[str, tuple[str, str, int]]:
    """What was billed for 15 January, by charge code: quantity, unit, amount."""
    (invoice,) = caller.get("/v1/invoices").json["data"]
    data = caller.get(f"/v1/invoices/{invoice['id']}/lines?limit=200").json["data"]
    day = [line for line in data if line["span"]["start"] == "2026-01-15T05:00:00Z"]
    return {line["charge_code"]: (line["quantity"], line["unit"], line["amount"]) for line in day}


def days_billed(caller: Caller, code: str) -> int:
    (invoice,) = caller.get("/v1/invoices").json["data"]
    data = caller.get(f"/v1/invoices/{invoice['id']}/lines?limit=200").json["data"]
    return sum(line["charge_code"] == code for line in data)


def explained(caller: Caller, code: str) -> dict[str, Any]:
    (invoice,) = caller.get("/v1/invoices").json["data"]
    path = f"/v1/invoices/{invoice['id']}/lines"
    data = caller.get(f"{path}?limit=200").json["data"]
    line = next(x for x in data if x["charge_code"] == code and x["span"]["start"] == "2026-01-15T05:00:00Z")
    found: dict[str, Any] = caller.get(f"{path}/{line['id']}/explanation").json
    return found


def test_events_are_billed_as_their_meters_count_them(subscribed: Caller, provider_id: UUID) -> None:
    advance(subscribed, provider_id, "2026-01-16T05:10:00Z")
    send(subscribed, "sum", ("15T05:00:00", "1.5"), ("16T04:59:59", "2"), ("16T05:00:00", "70"))
    send(subscribed, "count", ("15T06:00:00", "9"), ("15T07:00:00", "9"))
    users = [(f"15T0{5 + i}:00:00", "1", {"user": user}) for i, user in enumerate(["ann", "bob", "ann"])]
    send(subscribed, "users", *users)
    send(subscribed, "max", ("15T08:00:00", "3"), ("15T09:00:00", "8"), ("16T06:00:00", "99"))
    send(subscribed, "latest", ("15T04:00:00", "6"))
    send(subscribed, "average", ("15T08:00:00", "1"), ("15T09:00:00", "2"), ("15T09:30:00", "2"))
    send(subscribed, "stored", ("15T04:00:00", "10"), ("15T17:00:00", "20"))
    send(subscribed, "traffic", *directed("in", [100, *[10] * 19]), *directed("out", [20, *[3] * 19], first=20))
    send(subscribed, "peak", ("15T05:05:00", "1"), ("15T05:10:00", "2"), ("15T05:15:00", "1"))
    advance(subscribed, provider_id, "2026-02-01T06:00:00Z")
    assert lines(subscribed) == {
        "sum": ("3.5", "each", 350),
        "count": ("2", "each", 200),
        "users": ("2", "each", 200),
        "max": ("8", "GB", 800),
        "latest": ("6", "GB", 600),
        "average": ("1.666666666667", "GB", 167),
        "stored": ("15", "GB", 1500),
        "traffic": ("10", "Mbit/s", 1000),
        "peak": ("16", "kW", 1600),
    }
    usage = explained(subscribed, "traffic")["usage"]
    assert (usage["flags"], usage["notes"]["samples"], usage["notes"]["slots"]) == (["low_coverage"], 20, 288)
    assert days_billed(subscribed, "sum") == 17
    assert days_billed(subscribed, "traffic") == 1  # a day without samples waits alone


def directed(way: str, megabits: Sequence[int], first: int = 0) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (f"15T{6 + i // 12:02}:{i % 12 * 5:02}:00", str(m * MEGABIT), {"direction": way, "port": first})
        for i, m in enumerate(megabits)
    ]


def test_registers_are_billed_by_their_samples_and_peaks(subscribed: Caller, provider_id: UUID) -> None:
    subscribed.made("/v1/sites", {"code": "ams1", "name": "Amsterdam 1", "time_zone": "Europe/Amsterdam"})
    for path, code in (("rack-1/switch/port-7", "traffic"), ("rack-1/pdu-a", "peak")):
        subscribed.made("/v1/points", {"site": "ams1", "path": path, "kind": "port"})
        body = {"point": path, "subscription": "s1", "charge_code": code, "from": "2026-01-15T00:00:00Z"}
        subscribed.made("/v1/assignments", body)
    advance(subscribed, provider_id, "2026-01-16T05:10:00Z")
    port, pdu = ([] for _ in range(2))
    octets, energy = [0, 0], 0
    for i in range(289):
        at = f"2026-01-{15 + (5 + i // 12) // 24}T{(5 + i // 12) % 24:02}:{i % 12 * 5:02}:00Z"
        for way, name in enumerate(("in", "out")):
            sent = {"register": f"if_{name}_octets", "unit": "octets", "value": str(octets[way])}
            port.append({"point": "rack-1/switch/port-7", "at": at, **sent})
        pdu.append({"point": "rack-1/pdu-a", "register": "active_energy", "unit": "Wh", "at": at, "value": str(energy)})
        octets = [octets[0] + (50 if i < 15 else 10) * MEGABIT, octets[1] + 20 * MEGABIT]
        energy += 400 if i in (17, 18) else 100
    for some in (port, pdu):
        answer = subscribed.made("/v1/usage/readings", {"readings": some})
        assert (answer["accepted"], answer["rejected"]) == (len(some), [])
    advance(subscribed, provider_id, "2026-02-01T06:00:00Z")
    billed = lines(subscribed)
    assert billed["traffic"] == ("50", "Mbit/s", 5000)  # 15 of 288 samples: one more than five per cent of them
    assert billed["peak"] == ("3.6", "kW", 360)  # 400, 400 and 100 Wh in a quarter of an hour across the hour
    usage = explained(subscribed, "traffic")["usage"]
    assert (usage["flags"], usage["notes"]["rates"]) == ([], {"in": "50", "out": "20"})


def test_an_order_of_what_has_no_samples_yet_can_be_looked_at(subscribed: Caller) -> None:
    order = {
        "account": "contoso",
        "plan": "all",
        "start": {"at": "2026-01-20T05:00:00Z"},
        "as_of": "2026-01-22T06:00:00Z",
    }
    answer = subscribed.post("/v1/subscriptions/preview", order)
    assert answer.status_code == 200, answer.json
    assert {line["charge_code"] for line in answer.json["lines"]} == COUNTED.keys() - {"traffic", "peak"}
    subscription = subscribed.get("/v1/subscriptions?external_id=s1").json["data"][0]
    usage = subscribed.get(f"/v1/subscriptions/{subscription['id']}/usage?from=2026-01-15T05:00:00Z&group_by=hour")
    assert usage.status_code == 200, usage.json
