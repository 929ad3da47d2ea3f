"""Contracts over HTTP in a sandbox: ordered, changed, and what was billed for them, in words."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.api.conftest import Caller
from tests.builders.catalog import ENERGY, RACK, SETUP, make_catalog, make_plan
from tests.builders.sandbox import pass_time

NOW = "2026-01-15T00:00:00Z"  # the clock of a fresh sandbox


def furnish(client: Caller, zone: str = "UTC", *prices: dict[str, Any], dunned: bool = False) -> None:
    """The plan `colo` (racks at 310 a month in advance, energy, a setup fee) and the account `contoso`, which pays
    nothing; unless it is dunned, nothing follows from that.
    """
    make_catalog(client)
    make_plan(client, *(prices or (RACK, ENERGY, SETUP)))
    body = {"name": "Contoso", "currency": "EUR", "country": "NL", "time_zone": zone, "external_id": "contoso"}
    client.made("/v1/accounts", body)
    if not dunned:
        policy = {"steps": [{"after_days": 365, "action": "remind"}]}
        assert client("PUT", "/v1/dunning-policy", policy).status_code == 200


def order(**changes: Any) -> dict[str, Any]:
    """An order of one of everything that starts now."""
    return {"account": "contoso", "plan": "colo", "start": {"at": NOW}, **changes}


def subscribe(client: Caller, **changes: Any) -> str:
    """Order, and give the id."""
    return str(client.made("/v1/subscriptions", order(**changes))["id"])


def change(client: Caller, subscription: str, effective: Any = "now", **what: Any) -> dict[str, Any]:
    """Change a contract; it must be allowed."""
    made: dict[str, Any] = client.made(f"/v1/subscriptions/{subscription}/changes", {"effective": effective, **what})
    return made


def advance(client: Caller, provider: UUID, to: str) -> None:
    """Let time pass, and do what falls due on the way as a worker does."""
    pass_time(client, provider, to)


def status(client: Caller, subscription: str) -> str:
    """Where a subscription stands."""
    return str(client.get(f"/v1/subscriptions/{subscription}").json["status"])


def told(client: Caller, subscription: str) -> list[str]:
    """What was told of a subscription, in order: `activated@2026-01-15`."""
    found = client.get(f"/v1/events?object={subscription}&limit=200").json["data"]
    return [f"{e['type'].removeprefix('subscription.')}@{e['created_at'][:10]}" for e in reversed(found)]


def charged(client: Caller, account: str = "contoso") -> list[tuple[str, str, str, str, int]]:
    """Every charge, billed or waiting: code, kind, start, end (days), amount; in order."""
    found, cursor = [], ""
    while True:
        page = client.get(f"/v1/charges?account={account}&limit=200{cursor}").json
        found += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    return sorted(
        (c["charge_code"], c["kind"], c["span"]["start"][:10], c["span"]["end"][:10], c["amount"]) for c in found
    )
