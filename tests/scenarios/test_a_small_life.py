"""A small life over HTTP and through the clock: ordered, provisioned, used, changed, ended, billed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.period import parse_instant, rfc3339
from runtime.house import House
from tests.api.conftest import Caller, NewCaller, app, client, new_caller
from tests.builders.catalog import ENERGY, RACK, SETUP, make_catalog, make_plan
from tests.builders.sandbox import pass_time
from tests.conftest import make_provider

__all__ = ["app", "client", "new_caller"]

ZONES = ["Europe/Amsterdam", "America/New_York", "Pacific/Auckland"]


def advance(caller: Caller, provider: UUID, to: str) -> None:
    """Let time pass, and do what falls due on the way as a worker does."""
    pass_time(caller, provider, to)


def begin(caller: Caller, zone: str, now: str = "2026-01-15T00:00:00Z") -> dict[str, Any]:
    """Two racks with energy and a setup fee, provisioned now, used once at once."""
    make_catalog(caller)
    make_plan(caller, RACK, ENERGY, SETUP)
    body = {"name": "Contoso", "currency": "EUR", "country": "NL", "time_zone": zone, "external_id": "contoso"}
    caller.made("/v1/accounts", body)
    order = {"account": "contoso", "plan": "colo", "start": {"on": "provisioned"}, "quantities": {"rack": "2"}}
    made = caller.made("/v1/subscriptions", order)
    answer = {"request": made["provisioning"]["request"], "status": "provisioned"}
    started: dict[str, Any] = caller.made(f"/v1/subscriptions/{made['id']}/provisioning", answer)
    event = {
        "id": "e1",
        "subscription": made["id"],
        "meter": "energy",
        "at": now,
        "quantity": "150",
    }
    assert caller.made("/v1/usage/events", {"events": [event]})["accepted"] == 1
    return started


def change(caller: Caller, subscription: dict[str, Any], at: str, **what: Any) -> None:
    caller.made(f"/v1/subscriptions/{subscription['id']}/changes", {"effective": {"at": at}, **what})


def lines(caller: Caller) -> list[tuple[str, str, str, str, int]]:
    """Every line of every invoice: code, kind, start, end, amount."""
    found = []
    for invoice in caller.get("/v1/invoices").json["data"]:
        for line in caller.get(f"/v1/invoices/{invoice['id']}/lines?limit=200").json["data"]:
            span = line["span"]
            found.append((line["charge_code"], line["kind"], span["start"], span["end"], line["amount"]))
    return sorted(found)


def test_a_life_west_of_utc_is_billed_in_its_own_days(client: Caller, provider_id: UUID) -> None:
    made = begin(client, "America/New_York")
    change(client, made, "2026-02-11T12:00:00Z", quantities={"rack": "4"})
    advance(client, provider_id, "2026-03-01T06:00:00Z")
    start = "2026-01-15T00:00:00Z"  # the evening of the 14th in New York: 18 of 31 days
    assert lines(client) == [
        ("energy", "usage", start, "2026-02-01T05:00:00Z", 4250),  # 100 at 0.30, 50 at 0.25
        ("energy", "usage", "2026-02-01T05:00:00Z", "2026-03-01T05:00:00Z", 0),
        ("rack", "credit", "2026-02-11T12:00:00Z", "2026-03-01T05:00:00Z", -39857),  # 18 of 28 days of two
        ("rack", "recurring", start, "2026-02-01T05:00:00Z", 36000),
        ("rack", "recurring", "2026-02-01T05:00:00Z", "2026-03-01T05:00:00Z", 62000),
        ("rack", "recurring", "2026-02-11T12:00:00Z", "2026-03-01T05:00:00Z", 79714),  # 18 of 28 days of four
        ("rack", "recurring", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z", 124000),
        ("setup", "one_off", start, "2026-01-15T05:00:00Z", 9900),
    ]


def test_nothing_is_billed_after_an_end_at_the_period_s_end(client: Caller, provider_id: UUID) -> None:
    made = begin(client, "Europe/Amsterdam")
    client.made(f"/v1/subscriptions/{made['id']}/changes", {"effective": "period_end", "cancel": True})
    advance(client, provider_id, "2026-04-02T00:00:00Z")
    assert client.get(f"/v1/subscriptions/{made['id']}").json["status"] == "cancelled"
    assert [(code, amount) for code, *_, amount in lines(client)] == [
        ("energy", 4250),
        ("rack", 34000),  # 17 of 31 days
        ("setup", 9900),
    ]


@pytest.mark.parametrize("zone", ZONES)
def test_time_in_many_steps_bills_what_time_in_one_step_does(house: House, new_caller: NewCaller, zone: str) -> None:
    """Over both changes to and from summer time; short of the day on which an unpaid invoice ends the contract."""
    start, end = parse_instant("2026-03-10T00:00:00Z"), parse_instant("2026-05-05T00:00:00Z")
    billed = []
    for days in (6, 90):
        provider = make_provider(house, now=start)
        caller = new_caller(provider=provider)
        made = begin(caller, zone, rfc3339(start))
        change(caller, made, "2026-03-29T01:30:00Z", quantities={"rack": "1"})
        change(caller, made, "2026-04-11T12:00:00Z", quantities={"rack": "3"})
        now = start
        while now < end:
            now = min(now + timedelta(days=days), end)
            advance(caller, provider, rfc3339(now))
        billed.append(lines(caller))
    assert billed[0] == billed[1]
    assert [code for code, *_ in billed[0]] == ["energy"] * 2 + ["rack"] * 6 + ["setup"]
