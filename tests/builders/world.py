"""A sandbox in which every kind of thing exists, made over HTTP: for tests that go through all routes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any
from uuid import UUID

from tests.api.conftest import Caller
from tests.builders.sandbox import pass_time

RACK = {
    "charge_code": "rack",
    "product": "colocation",
    "kind": "recurring",
    "interval": {"unit": "month", "count": 1},
    "timing": "advance",
    "proration": "day",
    "currencies": {"EUR": {"model": "flat", "amount_price": "450"}},
}
ENERGY = {
    "charge_code": "energy",
    "product": "power",
    "kind": "usage",
    "meter": "energy",
    "currencies": {"EUR": {"model": "per_unit", "unit_price": "0.25"}},
}
_ID = re.compile(r"([a-z]+)_[0-7][0-9a-hjkmnp-tv-z]{25}\Z")


def furnish(client: Caller, provider_id: UUID) -> None:
    """Fill a fresh sandbox, whose clock stands at 2026-01-15, and let a month pass in it."""
    for code in ("colocation", "power"):
        client.made("/v1/products", {"code": code, "name": code})
    client.made("/v1/meters", {"code": "energy", "name": "Energy", "unit": "kWh", "aggregation": "sum"})
    _index(client)
    client.made("/v1/plans", {"code": "colo", "name": "Colo", "version": {"prices": [RACK, ENERGY]}})
    client.made("/v1/webhook-endpoints", {"url": "http://127.0.0.1:9/hook"})
    account = {"name": "Contoso", "currency": "EUR", "country": "NL", "email": "billing@contoso.example"}
    client.made("/v1/accounts", {**account, "external_id": "contoso"})
    client.made("/v1/accounts", {**account, "external_id": "child", "parent": "contoso", "payer": "parent"})
    for holder in ("contoso", "child"):
        client.made(
            "/v1/subscriptions",
            {
                "account": holder,
                "plan": "colo",
                "start": {"at": "2026-01-15T00:00:00Z"},
                "anchor": "calendar",
                "external_id": f"sub-{holder}",
            },
        )
    client.made(
        f"/v1/subscriptions/{_first(client, 'subscriptions')}/changes",
        {
            "effective": {"at": "2026-06-01T00:00:00Z"},
            "cancel": True,
        },
    )
    first = _first(client, "subscriptions")
    client.made(f"/v1/subscriptions/{first}/spending-limits", {"kind": "threshold", "amount": 1000})
    client.made("/v1/accounts/" + _first(client, "accounts") + "/spending-limits", {"kind": "cap", "amount": 5000})
    version: Any = client.get("/v1/plans?limit=200").json["data"][-1]["version"]["id"]
    right = {"charge_code": "rack", "currencies": RACK["currencies"]}
    client.made(f"/v1/plan-versions/{version}/corrections", {"prices": [right], "reason": "read again"})
    coupon = client.made("/v1/coupons", {"name": "Welcome", "percent": "10", "duration": {"spans": 3}})
    client.made(f"/v1/coupons/{coupon['id']}/codes", {"code": "WELCOME"})
    client.made(f"/v1/subscriptions/{first}/coupons", {"coupon": "WELCOME"})
    client.made("/v1/tax-rates", {"country": "CH", "rate": "8.1", "valid_from": "2026-01-01"})
    paper = {"number": "EX-1", "country": "NL", "valid_from": "2026-01-01"}
    client.made("/v1/accounts/" + _first(client, "accounts?external_id=contoso") + "/tax-certificates", paper)
    _places(client)
    pass_time(client, provider_id, "2026-02-01T02:00:00Z")
    _money(client)
    pass_time(client, provider_id, "2026-02-20T00:00:00Z")
    client.made("/v1/simulations", {"plan": "colo", "months": {"from": "2026-01", "to": "2026-01"}})


def _index(client: Caller) -> None:
    terms = {"unit": "kWh", "currency": "EUR", "slot_minutes": 60}
    index = client.made("/v1/indexes", {"code": "day_ahead", "name": "Day-ahead", **terms})
    values = [{"start": "2026-01-15T00:00:00Z", "value": "0.0834"}]
    client.made(f"/v1/indexes/{index['id']}/values", {"values": values})


def _first(client: Caller, resource: str) -> str:
    listed: Any = client.get(f"/v1/{resource}").json
    first: str = listed["data"][0]["id"]
    return first


def _places(client: Caller) -> None:
    client.made("/v1/sites", {"code": "ams-1", "name": "Amsterdam 1", "time_zone": "Europe/Amsterdam"})
    client.made("/v1/points", {"site": "ams-1", "path": "rack-12/pdu-a", "kind": "outlet", "external_id": "pdu-a"})
    client.made(
        "/v1/assignments",
        {"point": "pdu-a", "subscription": "sub-contoso", "charge_code": "energy", "from": "2026-01-15T00:00:00Z"},
    )
    client.made("/v1/agents", {"name": "collector", "site": "ams-1"})
    event = {"id": "e1", "subscription": "sub-child", "meter": "energy", "quantity": "40"}
    client.made("/v1/usage/events", {"events": [{**event, "at": "2026-01-15T00:00:00Z"}]})
    reading = {"point": "pdu-a", "register": "active_energy", "unit": "Wh", "evidence": {"serial": "ZA1"}}
    client.made("/v1/usage/readings", {"readings": [{**reading, "at": "2026-01-15T00:00:00Z", "value": "1000"}]})


def _money(client: Caller) -> None:
    client.made("/v1/gateway-accounts", {"gateway": "manual", "name": "Transfers", "credentials": {}})
    client.made(
        "/v1/payments",
        {
            "account": "contoso",
            "method": "manual",
            "amount": 1000,
            "currency": "EUR",
            "reference": "cheque 1",
            "received_on": "2026-02-01",
        },
    )
    client.made(f"/v1/invoices/{_first(client, 'invoices')}/credit-notes", {"amount": 500, "reason": "Outage"})


def known_ids(client: Caller, paths: dict[str, Any]) -> dict[str, list[str]]:
    """Ids by their prefix, from all that the lists of an API show; `paths` is the description's."""
    found: dict[str, list[str]] = {}
    pending = [path for path, operations in paths.items() if "get" in operations and "{" not in path]
    seen = set(pending)
    while pending:
        for name in ids_in(client.get(pending.pop()).get_json(silent=True)):
            known = found.setdefault(name.partition("_")[0], [])
            if name not in known:
                known.append(name)
        below = [filled for path in paths if (filled := fill(path, paths[path], found)) and filled not in seen]
        seen.update(below)
        pending += below
    return found


def fill(path: str, operations: dict[str, Any], known: dict[str, list[str]]) -> str | None:
    """A path with the first ids that are known; None when it is no GET, or an id is not known."""
    return next(fills(path, operations, known), None)


def fills(path: str, operations: dict[str, Any], known: dict[str, list[str]]) -> Iterator[str]:
    """A path with every combination of known ids; nothing when it is no GET, or takes what is no id."""
    if "get" not in operations or "{" not in path:
        return
    names, choices = [], []
    for parameter in operations.get("parameters", []):
        prefix = str(parameter.get("schema", {}).get("pattern", "^_")).removeprefix("^").partition("_")[0]
        names.append(parameter["name"])
        choices.append(known.get(prefix, []))
    for ids in product(*choices):
        filled = path
        for name, known_id in zip(names, ids, strict=True):
            filled = filled.replace("{" + name + "}", known_id)
        if "{" not in filled:
            yield filled


def ids_in(value: Any) -> Iterator[str]:
    """Every id in a JSON value."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from ids_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from ids_in(inner)
    elif isinstance(value, str) and _ID.match(value):
        yield value
