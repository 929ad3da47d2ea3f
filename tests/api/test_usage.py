"""Usage over HTTP: in bulk, in three forms, each row counted once or refused by its index."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from api.app import app_to_describe
from api.openapi import document
from api.usage_bodies import CLOUD_EVENTS, LINES
from core.period import parse_instant
from models import providers
from services.usage_sent import SentEvent, SentReading
from tests.api.conftest import Caller, NewCaller
from tests.api.test_places import assignment, hall  # noqa: F401
from tests.builders.catalog import make_plan, plan_price
from tests.conftest import Open

DAY = "2026-01-14T"


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


@pytest.fixture
def metered(hall: Caller) -> Caller:  # noqa: F811
    """The hall, with `pdu-a` counting for `sub-a` from the start of January on."""
    hall.made("/v1/assignments", assignment(**{"from": "2026-01-01T00:00:00Z"}))
    return hall


@pytest.fixture
def set_clock(open_unit: Open) -> Callable[[str], None]:
    def move(now: str) -> None:
        with open_unit() as ctx:
            clock = update(providers.TestClock).where(providers.TestClock.provider_id == ctx.provider.id)
            ctx.session.execute(clock.values(now=parse_instant(now)))

    return move


def subscription(client: Caller, name: str = "sub-a") -> str:
    found: str = client.get(f"/v1/subscriptions?external_id={name}").json["data"][0]["id"]
    return found


def used(client: Caller, query: str = "", name: str = "sub-a") -> Any:
    answer = client.get(f"/v1/subscriptions/{subscription(client, name)}/usage?{query}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.json


def test_events_are_taken_once(metered: Caller) -> None:
    body = {"events": [event("e1"), event("e2", quantity="2"), event("e1")]}
    assert metered.made("/v1/usage/events", body) == {"accepted": 2, "duplicates": 1, "rejected": []}
    assert metered.made("/v1/usage/events", body) == {"accepted": 0, "duplicates": 3, "rejected": []}
    receipt = metered.made("/v1/usage/events", {"events": [event("e2", quantity="3")]})
    assert receipt["rejected"][0]["id"] == "e2"
    assert codes(receipt) == [(0, "event_id_reused")]


def test_each_of_many_requests_at_once_is_told_what_became_of_its_own_events(metered: Caller) -> None:
    def send(number: int) -> Any:
        own = event(f"own-{number}", subscription="nobody" if number % 4 == 0 else "sub-a")
        return metered.made("/v1/usage/events", {"events": [event("shared"), own]})

    with ThreadPoolExecutor(12) as pool:
        receipts = list(pool.map(send, range(12)))
    assert [codes(r) for r in receipts] == [[(1, "subscription_unknown")] if n % 4 == 0 else [] for n in range(12)]
    assert sum(r["accepted"] for r in receipts) == 1 + 9
    assert sum(r["duplicates"] for r in receipts) == 11


def test_a_bad_event_is_refused_by_its_index_and_the_rest_is_taken(metered: Caller) -> None:
    bad: list[Any] = [
        event("n", quantity=1.5),
        event("m", quantity="1e3"),
        {k: v for k, v in event("r").items() if k != "at"},
        event("u", colour="red"),
        event("t", at="yesterday"),
        event("z", at="2026-01-14T12:00:00"),
        event("s", subscription="nobody"),
        event("k", meter="water"),
        event("o", at="2024-12-01T00:00:00Z"),
        event("", quantity="1"),
        "not an object",
        event("p", properties={"a": [1]}),
        event("nul\0"),
        event("q", properties={"a": "\0"}),
    ]
    receipt = metered.made("/v1/usage/events", {"events": [event("first"), *bad, event("last")]})
    assert receipt["accepted"] == 2
    assert codes(receipt) == list(
        enumerate(
            [
                "decimal_string_expected",
                "decimal_malformed",
                "member_required",
                "member_unknown",
                "instant_malformed",
                "instant_malformed",
                "subscription_unknown",
                "meter_unknown",
                "too_late",
                "too_short",
                "object_expected",
                "member_invalid",
                "text_unstorable",
                "text_unstorable",
            ],
            1,
        )
    )
    assert [r["id"] for r in receipt["rejected"]][:2] == ["n", "m"]


def test_events_come_as_lines_and_compressed(metered: Caller) -> None:
    lines = [json.dumps(event("l1")), "", json.dumps(event("l2")), "{broken", json.dumps(event("l3", quantity=2))]
    packed = gzip.compress("\n".join(lines).encode())
    answer = metered.post("/v1/usage/events", data=packed, content_type=LINES, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.json["accepted"] == 2
    assert codes(answer.json) == [(2, "json_malformed"), (3, "decimal_string_expected")]


def test_cloud_events_are_known_by_source_and_id(metered: Caller) -> None:
    def cloud(source: str, **changes: Any) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": "1",
            "source": source,
            "type": "energy",
            "subject": "sub-a",
            "time": f"{DAY}12:00:00Z",
            "datacontenttype": "application/json",
            "data": {"quantity": "4"},
        } | changes

    batch = [cloud("a"), cloud("b"), cloud("a"), cloud("c", data={"quantity": 4}), cloud("d", specversion="0.3")]
    answer = metered.post("/v1/usage/events", data=json.dumps(batch), content_type=CLOUD_EVENTS)
    assert (answer.json["accepted"], answer.json["duplicates"]) == (2, 1)
    assert codes(answer.json) == [(3, "decimal_string_expected"), (4, "member_invalid")]


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"data": b"{", "content_type": "application/json"}, 400, "json_malformed"),
        ({"data": b"[]", "content_type": "application/json"}, 422, "object_expected"),
        ({"data": b"{}", "content_type": "application/json"}, 422, "member_required"),
        ({"data": b'{"events": {}}', "content_type": "application/json"}, 422, "list_expected"),
        ({"data": b'{"events": [], "more": 1}', "content_type": "application/json"}, 422, "member_unknown"),
        ({"data": b"x=1", "content_type": "application/x-www-form-urlencoded"}, 415, "content_type_unsupported"),
        ({"data": b'{"events": ' + b"[" * 100_000, "content_type": "application/json"}, 400, "json_malformed"),
        (
            {"data": b"no gzip", "content_type": "application/json", "headers": {"Content-Encoding": "gzip"}},
            400,
            "gzip_malformed",
        ),
        (
            {"data": b'{"events": [' + b",".join([b"1"] * 10_001) + b"]}", "content_type": "application/json"},
            413,
            "too_many_rows",
        ),
        (
            {
                "data": gzip.compress(b" " * (51 * 2**20)),
                "content_type": "application/json",
                "headers": {"Content-Encoding": "gzip"},
            },
            413,
            "body_too_large",
        ),
    ],
)
def test_a_body_that_is_wrong_as_a_whole_is_refused(
    client: Caller, options: dict[str, Any], status: int, code: str
) -> None:
    answer = client.post("/v1/usage/events", **options)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_day_of_readings_becomes_usage_and_an_amount(metered: Caller) -> None:
    receipt = metered.made(
        "/v1/usage/readings",
        {"readings": [reading(f"{h:02}:00", f"{1000 + 2 * h}") for h in range(24)]},
    )
    assert receipt == {"accepted": 24, "duplicates": 0, "rejected": []}
    usage = used(metered, "from=2026-01-14T00:00:00Z&to=2026-01-15T00:00:00Z&group_by=hour")
    (item,) = usage["items"]
    assert (item["charge_code"], item["meter"], item["unit"], item["quantity"]) == ("energy", "energy", "kWh", "46")
    assert item["quality"] == {
        "measured": "46",
        "interpolated": "0",
        "estimated": "0",
        "substituted": "0",
        "invalid": "0",
    }
    assert [s["quantity"] for s in item["slots"]] == ["2"] * 23 + ["0"]
    assert item["slots"][0]["span"] == {"start": "2026-01-14T00:00:00Z", "end": "2026-01-14T01:00:00Z"}


def test_the_amount_so_far_is_what_would_be_billed_now(metered: Caller, set_clock: Callable[[str], None]) -> None:
    set_clock("2026-01-20T00:00:00Z")
    readings = [reading(f"2026-01-{d:02}T00:00:00Z", f"{(d - 15) * 40}") for d in range(15, 21)]
    metered.made("/v1/usage/readings", {"readings": readings})
    usage = used(metered)  # this month: 200 kWh, the first 100 at 0.30, the others at 0.25
    assert (usage["items"][0]["quantity"], usage["amount"], usage["currency"]) == ("200", 5500, "EUR")
    assert usage["amounts"][0]["until"] == "2026-01-20T00:00:00Z"
    february = used(metered, "from=2026-02-01T00:00:00Z")
    assert (february["amount"], february["items"][0]["quantity"]) == (0, "0")


def test_days_and_months_are_local_to_the_subscription(client: Caller, set_clock: Callable[[str], None]) -> None:
    client.made("/v1/products", {"code": "colocation", "name": "Colocation"})
    client.made("/v1/meters", {"code": "energy", "name": "Energy", "unit": "kWh", "aggregation": "sum"})
    make_plan(client, plan_price("energy", "usage"))
    account = {"name": "A", "currency": "EUR", "country": "IN", "time_zone": "Asia/Kolkata", "external_id": "acc"}
    client.made("/v1/accounts", account)
    client.made(
        "/v1/subscriptions",
        {"account": "acc", "plan": "colo", "start": {"at": "2026-01-15T00:00:00Z"}, "external_id": "sub-a"},
    )
    events = [event(str(h), at=f"2026-01-14T{h:02}:15:00Z", quantity="1") for h in range(24)]
    client.made("/v1/usage/events", {"events": events})
    days = used(client, "from=2026-01-13T18:30:00Z&to=2026-01-15T18:30:00Z&group_by=day")["items"][0]["slots"]
    assert [(s["span"]["start"], s["quantity"]) for s in days] == [
        ("2026-01-13T18:30:00Z", "19"),  # until 18:30 UTC, midnight in India
        ("2026-01-14T18:30:00Z", "5"),
    ]


def test_an_exchange_in_the_middle_is_seen_in_usage_anomalies_and_events(metered: Caller) -> None:
    rows = [reading(f"{h:02}:00", str(500 + h)) for h in range(6)]
    rows += [reading(f"{h:02}:00", str(h - 6), evidence={"serial": "ZB30"}) for h in range(6, 12)]
    metered.made("/v1/usage/readings", {"readings": rows})
    quality = used(metered)["items"][0]["quality"]
    assert (quality["measured"], quality["estimated"], quality["invalid"]) == ("10", "1", "0")
    (anomaly,) = metered.get("/v1/anomalies?type=swap&object=rack-12/pdu-a").json["data"]
    assert anomaly["evidence"]["naive_difference"] == "-505000"
    assert (anomaly["evidence"]["before"]["serial"], anomaly["evidence"]["after"]["serial"]) == ("ZA20", "ZB30")
    (told,) = metered.get("/v1/events?type=meter.swapped").json["data"]
    assert told["object"] == {"id": anomaly["id"], "kind": "anomaly"}
    assert [d["serial"] for d in metered.get("/v1/devices?point=pdu-a").json["data"]] == ["ZB30", "ZA20"]
    path = f"/v1/anomalies/{anomaly['id']}"
    assert metered.post(f"{path}/resolve").json["status"] == "resolved"
    assert metered.post(f"{path}/dismiss").status_code == 409
    assert metered.get("/v1/anomalies?status=open").json["data"] == []


def test_the_registers_of_an_exchange_can_be_entered(metered: Caller) -> None:
    rows = [reading(f"{h:02}:00", str(500 + h)) for h in range(6)]
    rows += [reading(f"{h:02}:00", str(h - 6), evidence={"serial": "ZB30"}) for h in range(6, 12)]
    metered.made("/v1/usage/readings", {"readings": rows})
    (point,) = metered.get("/v1/points?external_id=pdu-a").json["data"]
    noted = {"register": "active_energy", "unit": "kWh", "at": "2026-01-14T05:30:00Z", "reason": "work order 4711"}
    path = f"/v1/points/{point['id']}/exchanges"
    entered = metered.made(path, noted | {"closing": "505.75", "opening": "0"})
    assert (entered["closing"], entered["last"]["value"], entered["first"]["serial"]) == ("505750", "505000", "ZB30")
    quality = used(metered)["items"][0]["quality"]
    assert (quality["measured"], quality["substituted"], quality["estimated"]) == ("10", "0.75", "0")
    wrong = metered.post(path, noted | {"closing": 505.75, "opening": "0"})
    assert (wrong.status_code, wrong.json["code"]) == (422, "decimal_string_expected")
    again = metered.post(path, noted | {"closing": "505.75", "opening": "0"})
    assert (again.status_code, again.json["code"]) == (409, "instant_taken")
    assert metered.post("/v1/points/pt_01h455vb4pex5vsknk084sn02q/exchanges", noted).status_code in (404, 422)


def test_a_register_in_another_unit_is_held_and_listed(metered: Caller) -> None:
    metered.made("/v1/usage/readings", {"readings": [reading("00:00", "74057.676")]})
    receipt = metered.made("/v1/usage/readings", {"readings": [reading("01:00", "740.577")]})
    assert codes(receipt) == [(0, "unit_suspect")]
    (kept,) = metered.get("/v1/usage/quarantine?cause=unit_suspect").json["data"]
    assert (kept["value"], kept["unit"]) == ("740.577", "kWh")
    (anomaly,) = metered.get("/v1/anomalies?type=unit_suspect").json["data"]
    assert anomaly["evidence"]["factor"] == "100"


def test_bad_readings_are_refused_by_their_index_and_the_rest_is_taken(metered: Caller) -> None:
    metered.made("/v1/usage/readings", {"readings": [reading("00:00", "1000")]})
    receipt = metered.made(
        "/v1/usage/readings",
        {
            "readings": [
                reading("00:00", "1000"),
                reading("00:00", "1001"),
                reading("01:00", "-1"),
                reading("01:00", "notsupported"),
                reading("01:00", "1002", unit="GB"),
                reading("01:00", "1002", point="rack-99"),
                reading("2026-01-15T00:05:01Z", "1002"),
                reading("01:00", 1002),  # type: ignore[arg-type]
                reading("01:00", "1002", evidence={"uptime_s": 3}),
                reading("01:00", "1002"),
            ]
        },
    )
    assert (receipt["accepted"], receipt["duplicates"]) == (1, 1)
    assert codes(receipt) == [
        (1, "reading_conflict"),
        (2, "no_reading"),
        (3, "decimal_malformed"),
        (4, "unit_mismatch"),
        (5, "point_unknown"),
        (6, "ahead_of_clock"),
        (7, "decimal_string_expected"),
        (8, "decimal_string_expected"),
    ]
    assert used(metered)["items"][0]["quantity"] == "2"
    kept = metered.get("/v1/usage/quarantine").json["data"]
    assert {(k["cause"], k["point"], k["value"]) for k in kept} == {
        ("conflict", "rack-12/pdu-a", "1001"),
        ("unknown_point", "rack-99", "1002"),
    }


def test_readings_of_an_unknown_point_are_adopted(metered: Caller) -> None:
    rows = [reading(f"{h:02}:00", str(10 + h), point="new/pdu") for h in range(3)]
    assert metered.made("/v1/usage/readings", {"readings": rows})["accepted"] == 0
    body = {"sent_as": "new/pdu", "point": "pdu-a"}
    assert metered.made("/v1/usage/quarantine/adopt", body) == {
        "accepted": 3,
        "duplicates": 0,
        "rejected": 0,
        "remaining": 0,
    }
    assert used(metered)["items"][0]["quantity"] == "2"
    assert metered.made("/v1/usage/quarantine/adopt", body)["accepted"] == 0
    answer = metered.post("/v1/usage/quarantine/adopt", body | {"point": "nothing"})
    assert (answer.status_code, answer.json["code"]) == (422, "point_unknown")


def test_a_poll_lost_over_a_month_end_gives_each_month_its_part(
    metered: Caller, set_clock: Callable[[str], None]
) -> None:
    set_clock("2026-02-01T12:00:00Z")
    rows = [reading("2026-01-31T22:00:00Z", "1000"), reading("2026-02-01T04:00:00Z", "1012")]
    metered.made("/v1/usage/readings", {"readings": rows})
    slots = used(metered, "from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z&group_by=month")["items"][0]["slots"]
    # The subscription's month ends at 23:00 UTC, midnight in Amsterdam; what was asked for ends in the third.
    assert [(s["quantity"], s["quality"]["interpolated"]) for s in slots] == [("2", "2"), ("10", "10"), ("0", "0")]


def test_usage_of_others_does_not_exist(metered: Caller, stranger: Caller, new_caller: NewCaller) -> None:
    from core.ids import decode

    path = f"/v1/subscriptions/{subscription(metered)}/usage"
    (other,) = metered.get("/v1/accounts?external_id=acc-b").json["data"]
    neighbour = new_caller(account_id=decode("account", other["id"]))
    assert stranger.get(path).status_code == 404
    assert neighbour.get(path).status_code == 404
    assert codes(stranger.made("/v1/usage/events", {"events": [event("e1")]})) == [(0, "subscription_unknown")]
    assert neighbour.post("/v1/usage/events", {"events": [event("e1")]}).status_code == 403
    assert codes(stranger.made("/v1/usage/readings", {"readings": [reading("00:00", "1")]})) == [(0, "point_unknown")]
    assert new_caller(["usage:read"]).post("/v1/usage/events", {"events": []}).status_code == 403


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z", "span_empty"),
        ("from=2020-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&group_by=hour", "too_many_slots"),
        ("from=0001-01-01T00:00:00Z", "instant_out_of_range"),
        ("group_by=week", "not_one_of"),
        ("from=today", "instant_malformed"),
    ],
)
def test_a_stretch_that_cannot_be_shown_is_refused(metered: Caller, query: str, code: str) -> None:
    answer = metered.get(f"/v1/subscriptions/{subscription(metered)}/usage?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, code)


@pytest.mark.parametrize(
    ("struct", "component"), [(SentEvent, "UsageEventSent"), (SentReading, "ReadingSent")], ids=["event", "reading"]
)
def test_what_is_described_is_what_is_decoded(struct: type[msgspec.Struct], component: str) -> None:
    described = document(app_to_describe())["components"]["schemas"]
    _, decoded = msgspec.json.schema_components([struct], ref_template="#/components/schemas/{name}")

    def shape(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
        if "anyOf" in schema:  # "or null" is written in two ways
            schema = next(s for s in schema["anyOf"] if s.get("type") != "null")
        if "$ref" in schema:
            schema = named[schema["$ref"].rpartition("/")[2]]
        kind = schema.get("type")
        kind = next(k for k in kind if k != "null") if isinstance(kind, list) else kind
        found: dict[str, Any] = {"type": kind}
        if kind == "object" and "properties" in schema:
            found["members"] = {name: shape(s, named) for name, s in schema["properties"].items()}
            found["required"] = sorted(schema.get("required", []))
        for bound in ("minLength", "maxLength", "minimum", "maximum"):
            if schema.get(bound):
                found[bound] = schema[bound]
        return found

    assert shape(described[component], described) == shape(decoded[struct.__name__], decoded)
