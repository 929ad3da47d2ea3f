"""Webhook endpoints, deliveries, events and the test clock over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from jobs import deliveries
from runtime.house import House
from tests.api.conftest import Caller, NewCaller
from tests.builders.house import receiver
from tests.conftest import make_provider

HOOK = {"url": "https://example.com/hook", "types": ["account.*"], "external_id": "erp", "metadata": {"team": "a"}}
ACCOUNT = {"name": "Contoso", "currency": "EUR", "country": "NL"}


def refused(answer: Any) -> tuple[int, str, list[str]]:
    assert answer.content_type == "application/problem+json"
    return answer.status_code, answer.json["code"], [e.get("pointer") for e in answer.json.get("errors", ())]


def test_the_secret_of_an_endpoint_is_shown_when_it_is_made_and_never_again(client: Caller) -> None:
    made = client.made("/v1/webhook-endpoints", HOOK)
    assert made["secret"].startswith("whsec_")
    shown: Any = client.get(f"/v1/webhook-endpoints/{made['id']}").json
    assert "secret" not in shown
    assert (shown["url"], shown["types"], shown["status"], shown["metadata"]) == (
        "https://example.com/hook",
        ["account.*"],
        "active",
        {"team": "a"},
    )
    (listed,) = client.get("/v1/webhook-endpoints?external_id=erp").json["data"]  # type: ignore[index]
    assert listed["id"] == made["id"]
    assert made["secret"] not in str(client.get("/v1/webhook-endpoints").json)


def test_a_replayed_creation_does_not_show_the_secret_twice(client: Caller) -> None:
    key = {"Idempotency-Key": "make-a-hook"}
    first = client.post("/v1/webhook-endpoints", HOOK, headers=key)
    again = client.post("/v1/webhook-endpoints", HOOK, headers=key)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json["secret"] not in again.get_data(as_text=True)  # type: ignore[index]


def test_a_new_secret_is_another_one_and_says_how_long_the_old_one_lives(client: Caller) -> None:
    made = client.made("/v1/webhook-endpoints", HOOK)
    turned = client.made(f"/v1/webhook-endpoints/{made['id']}/secret", None)
    assert turned["secret"] != made["secret"]
    assert turned["previous_until"]


def test_an_endpoint_can_be_changed_and_disabled(client: Caller) -> None:
    made = client.made("/v1/webhook-endpoints", HOOK)
    path = f"/v1/webhook-endpoints/{made['id']}"
    changed: Any = client.patch(path, {"status": "disabled", "types": ["invoice.paid"]}).json
    assert (changed["status"], changed["types"]) == ("disabled", ["invoice.paid"])


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"url": "ftp://example.com/x"}, None, "/url"),
        ({"url": "https://user:pw@example.com/x"}, None, "/url"),
        ({"url": "http://169.254.169.254/latest"}, "url_refused", "/url"),
        ({"url": "https://example.com", "types": ["invoice.eaten"]}, "event_type_unknown", "/types/0"),
        ({"types": ["invoice.paid"]}, "member_required", "/url"),
        ({"url": "https://example.com", "colour": "red"}, "member_unknown", "/colour"),
        ({"url": 5}, None, "/url"),
    ],
)
def test_a_wrong_endpoint_is_refused_with_the_member_named(
    client: Caller, body: dict[str, Any], code: str | None, pointer: str
) -> None:
    status, found, pointers = refused(client.post("/v1/webhook-endpoints", body))
    assert (status, pointers) == (422, [pointer])
    assert code in (None, found)


def test_deliveries_are_seen_and_replayed(client: Caller, provider_id: UUID) -> None:
    with receiver() as hook:
        made = client.made("/v1/webhook-endpoints", {"url": hook.url})
        client.made("/v1/accounts", ACCOUNT)
        deliveries.fan_out(provider_id, [])
        deliveries.deliver(provider_id, [])
        path = f"/v1/webhook-endpoints/{made['id']}/deliveries"
        (seen,) = client.get(f"{path}?status=delivered").json["data"]  # type: ignore[index]
        assert (seen["status"], seen["tries"], seen["last_status"]) == ("delivered", 1, 200)
        assert client.get(f"{path}?status=dead").json["data"] == []  # type: ignore[index]
        again = client.post(f"/v1/deliveries/{seen['id']}/replay")
        assert (again.status_code, again.json["status"]) == (202, "pending")  # type: ignore[index]
        deliveries.deliver(provider_id, [])
        assert [r.headers["webhook-id"] for r in hook.requests] == [seen["event"]] * 2


def test_another_provider_s_endpoints_deliveries_and_events_do_not_exist(
    client: Caller, stranger: Caller, provider_id: UUID
) -> None:
    made = client.made("/v1/webhook-endpoints", HOOK)
    client.made("/v1/accounts", ACCOUNT)
    deliveries.fan_out(provider_id, [])
    (sent,) = client.get(f"/v1/webhook-endpoints/{made['id']}/deliveries").json["data"]  # type: ignore[index]
    for path in (
        f"/v1/webhook-endpoints/{made['id']}",
        f"/v1/webhook-endpoints/{made['id']}/deliveries",
        f"/v1/deliveries/{sent['id']}",
        f"/v1/events/{sent['event']}",
    ):
        assert stranger.get(path).status_code == 404
        assert client.get(path).status_code == 200
    assert stranger.post(f"/v1/deliveries/{sent['id']}/replay").status_code == 404
    assert stranger.post(f"/v1/webhook-endpoints/{made['id']}/secret").status_code == 404
    assert stranger.get("/v1/events").json["data"] == []  # type: ignore[index]


def test_events_are_filtered_by_type_object_and_time(client: Caller) -> None:
    one, two = client.made("/v1/accounts", ACCOUNT), client.made("/v1/accounts", ACCOUNT)
    client.patch(f"/v1/accounts/{two['id']}", {"name": "Fabrikam"})

    def found(query: str) -> list[tuple[str, str]]:
        answer: Any = client.get(f"/v1/events?{query}").json
        return [(e["type"], e["object"]["id"]) for e in answer["data"]]

    assert found("") == [
        ("account.updated", two["id"]),
        ("account.created", two["id"]),
        ("account.created", one["id"]),
    ]
    assert found("type=account.updated") == [("account.updated", two["id"])]
    assert found(f"object={one['id']}") == [("account.created", one["id"])]
    assert found("since=2026-01-15T00:00:00Z&until=2026-01-15T00:00:01Z&type=account.updated") != []
    assert found("until=2026-01-15T00:00:00Z") == []
    page: Any = client.get("/v1/events?limit=2").json
    rest: Any = client.get(f"/v1/events?limit=2&cursor={page['next_cursor']}").json
    assert (len(page["data"]), len(rest["data"]), rest["next_cursor"]) == (2, 1, None)
    for query in ("object=nonsense", "object=inv_short", "since=yesterday"):
        assert refused(client.get(f"/v1/events?{query}"))[0] == 422


def test_every_type_of_event_is_told(client: Caller) -> None:
    types: Any = client.get("/v1/event-types").json
    assert {"invoice.finalized", "subscription.suspend_requested"} <= {entry["type"] for entry in types["data"]}


def test_the_clock_is_set_advanced_and_read(client: Caller) -> None:
    assert client.made("/v1/test-clock", {"now": "2026-02-01T00:00:00Z"})["now"] == "2026-02-01T00:00:00Z"
    answer = client.post("/v1/test-clock/advance", {"to": "2026-03-01T00:00:00+01:00"})
    assert answer.status_code == 202
    shown: Any = client.get("/v1/test-clock").json
    assert (shown["status"], shown["now"], shown["target"]) == (
        "advancing",
        "2026-02-01T00:00:00Z",
        "2026-02-28T23:00:00Z",
    )
    assert refused(client.post("/v1/test-clock/advance", {"to": "2026-04-01T00:00:00Z"}))[:2] == (
        409,
        "clock_advancing",
    )
    assert refused(client.post("/v1/test-clock", {"now": "2026-04-01T00:00:00Z"}))[:2] == (409, "clock_advancing")


@pytest.mark.parametrize("to", ["2026-01-14T23:59:59Z", "2099-01-01T00:00:00Z", "soon", "2026-02-01T00:00:00", 5, None])
def test_a_target_that_cannot_be_is_refused(client: Caller, to: Any) -> None:
    status, _, pointers = refused(client.post("/v1/test-clock/advance", {"to": to}))
    assert (status, pointers) == (422, ["/to"])


def test_a_live_provider_has_no_clock(house: House, new_caller: NewCaller) -> None:
    live = new_caller(provider=make_provider(house, sandbox=False))
    assert refused(live.get("/v1/test-clock"))[:2] == (409, "not_a_sandbox")
    assert refused(live.post("/v1/test-clock/advance", {"to": "2027-01-01T00:00:00Z"}))[:2] == (409, "not_a_sandbox")
    assert refused(live.get("/v1/test-clock/outbox"))[:2] == (409, "not_a_sandbox")


def test_nobody_reads_or_moves_the_clock_without_a_credential(nobody: Caller) -> None:
    assert nobody.get("/v1/test-clock").status_code == 401
    assert nobody.post("/v1/test-clock/advance", {"to": "2027-01-01T00:00:00Z"}).status_code == 401
