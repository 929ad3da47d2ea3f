"""A shop with coupons over HTTP: made, redeemed with orders, and what was billed with them."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Caller
from tests.builders.catalog import ENERGY, RACK, SETUP, make_catalog, make_plan, plan_price

NOW = "2026-01-15T00:00:00Z"  # the clock of a fresh sandbox
WELCOME = {"name": "Welcome", "percent": "10", "duration": {"spans": 2}}


def open_shop(client: Caller) -> Caller:
    """Plans `colo` (racks at 310 a month, energy, a setup at 99) and `transit` (100); two accounts."""
    make_catalog(client)
    client.made("/v1/gateway-accounts", {"gateway": "manual", "name": "Transfers", "credentials": {}})
    client.made("/v1/products", {"code": "network", "name": "Network"})
    make_plan(client, RACK, ENERGY, SETUP)
    traffic = plan_price("traffic", price={"model": "flat", "amount_price": "100"}, product="network")
    make_plan(client, traffic, code="transit")
    for name in ("contoso", "fabrikam"):
        body = {"name": name, "currency": "EUR", "country": "NL", "time_zone": "UTC", "external_id": name}
        client.made("/v1/accounts", body)
    return client


def coupon(client: Caller, code: str | None = "HELLO", **terms: Any) -> Any:
    """A coupon with a code."""
    made = client.made("/v1/coupons", {**WELCOME, **terms})
    if code is not None:
        client.made(f"/v1/coupons/{made['id']}/codes", {"code": code})
    return made


def order(**changes: Any) -> dict[str, Any]:
    """An order of one of everything that starts now; its months begin on that day."""
    return {"account": "contoso", "plan": "colo", "start": {"at": NOW}, "anchor": "anniversary", **changes}


def pay(client: Caller) -> None:
    """Pay what is open, so that nothing is switched off."""
    for invoice in client.get("/v1/invoices?status=open").json["data"]:
        body = {"account": invoice["account"], "method": "manual", "amount": invoice["due_amount"], "currency": "EUR"}
        client.made("/v1/payments", {**body, "reference": invoice["number"], "received_on": invoice["issued_on"]})


def billed(client: Caller, code: str = "rack") -> list[tuple[str, int, list[int]]]:
    """All lines of a charge, the oldest first: kind, amount, reductions."""
    found = [
        line
        for invoice in client.get("/v1/invoices?limit=200").json["data"]
        for line in client.get(f"/v1/invoices/{invoice['id']}/lines").json["data"]
        if line["charge_code"] == code
    ]
    ordered = sorted(found, key=lambda line: (line["span"]["start"], line["kind"] == "credit"))
    return [(line["kind"], line["amount"], [r["amount"] for r in line["reductions"]]) for line in ordered]


def wrong(answer: Any, status: int = 422) -> list[tuple[str, str]]:
    """What a refusal says of each member: where, and what is wrong."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    return [(e["pointer"], e["code"]) for e in answer.json.get("errors", [])]


def refused(answer: Any) -> tuple[int, str]:
    """A refusal as a whole: its status and its code."""
    return answer.status_code, answer.json["code"]
