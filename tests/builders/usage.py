"""What is sent as usage over HTTP, and how it is looked at."""

from __future__ import annotations

from typing import Any

DAY = "2026-01-14T"
NOW = "2026-01-15T00:00:00Z"  # the clock of a fresh sandbox


def assignment(**changes: Any) -> dict[str, Any]:
    return {"point": "pdu-a", "subscription": "sub-a", "charge_code": "energy", "from": NOW} | changes


def event(event_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": event_id,
        "subscription": "sub-a",
        "meter": "energy",
        "at": f"{DAY}12:00:00Z",
        "quantity": "1.5",
    } | changes


def reading(clock: str, value: str, **changes: Any) -> dict[str, Any]:
    evidence = {"serial": "ZA20", "boots": 3, "uptime_s": "180000"} | changes.pop("evidence", {})
    at = clock if "T" in clock else f"{DAY}{clock}:00Z"
    return {
        "point": "rack-12/pdu-a",
        "register": "active_energy",
        "unit": "kWh",
        "at": at,
        "value": value,
        "evidence": evidence,
    } | changes


def codes(receipt: dict[str, Any]) -> list[tuple[int, str]]:
    return [(r["index"], r["code"]) for r in receipt["rejected"]]


def subscription(client: Any, name: str = "sub-a") -> str:
    found: str = client.get(f"/v1/subscriptions?external_id={name}").json["data"][0]["id"]
    return found


def used(client: Any, query: str = "", name: str = "sub-a") -> Any:
    answer = client.get(f"/v1/subscriptions/{subscription(client, name)}/usage?{query}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.json
