"""Events of use over HTTP: in three forms, each counted once or refused by its index."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from api.app import app_to_describe
from api.openapi import document
from api.usage_bodies import CLOUD_EVENTS, LINES
from services.usage_sent import SentEvent, SentReading
from tests.api.conftest import Caller
from tests.builders.usage import DAY, codes, event


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
