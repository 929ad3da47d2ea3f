"""Price indexes over HTTP: values in JSON and CSV, all of them or none, and every row that is wrong is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Caller

DAY_AHEAD = {
    "code": "day_ahead_nl",
    "name": "Day-ahead, Netherlands",
    "unit": "kWh",
    "currency": "EUR",
    "slot_minutes": 60,
}


@pytest.fixture
def index(client: Caller) -> dict[str, Any]:
    made: dict[str, Any] = client.made("/v1/indexes", DAY_AHEAD)
    return made


@pytest.fixture
def path(index: dict[str, Any]) -> str:
    return f"/v1/indexes/{index['id']}/values"


def value(hour: int, price: Any = "0.08", **members: Any) -> dict[str, Any]:
    return {"start": f"2026-01-10T{hour:02}:00:00Z", "value": price, **members}


def wrong(answer: Any, status: int = 422) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type.startswith("application/problem+json")
    return [(e["pointer"], e["code"]) for e in answer.json.get("errors", [])]


def shown(client: Caller, path: str, query: str = "") -> list[tuple[str, str]]:
    return [(v["start"], v["value"]) for v in client.get(path + query).json["data"]]


def test_an_index_comes_back_as_it_was_made(client: Caller, index: dict[str, Any]) -> None:
    assert index["id"].startswith("idx_")
    assert {name: index[name] for name in DAY_AHEAD} == DAY_AHEAD
    assert client.get(f"/v1/indexes/{index['id']}").json == index
    assert client.get("/v1/indexes").json["data"] == [index]


def test_an_index_is_found_by_its_external_id_and_renamed(client: Caller, index: dict[str, Any]) -> None:
    changed = client.patch(f"/v1/indexes/{index['id']}", {"external_id": "epex", "name": "NL"}).json
    assert (changed["name"], changed["external_id"], changed["unit"]) == ("NL", "epex", "kWh")
    assert client.get("/v1/indexes?external_id=epex").json["data"] == [changed]


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"slot_minutes": 30}, "/slot_minutes", "not_one_of"),
        ({"slot_minutes": "60"}, "/slot_minutes", "integer_expected"),
        ({"currency": "XXQ"}, "/currency", "currency_unknown"),
        ({"unit": " "}, "/unit", "blank"),
        ({"colour": "red"}, "/colour", "member_unknown"),
    ],
)
def test_an_index_that_makes_no_sense_is_refused(
    client: Caller, changes: dict[str, Any], pointer: str, code: str
) -> None:
    assert (pointer, code) in wrong(client.post("/v1/indexes", DAY_AHEAD | changes))


def test_a_code_is_taken_once(client: Caller, index: dict[str, Any]) -> None:
    assert wrong(client.post("/v1/indexes", DAY_AHEAD), 409) == [("/code", "code_taken")]


def test_what_an_index_means_cannot_be_changed(client: Caller, index: dict[str, Any]) -> None:
    answer = client.patch(f"/v1/indexes/{index['id']}", {"unit": "MWh"})
    assert wrong(answer) == [("/unit", "member_unknown")]


def test_values_come_back_in_order_of_time_negative_ones_too(client: Caller, path: str) -> None:
    stored = client.made(path, {"values": [value(13, "-0.0125"), value(12, "0.0834")], "unit": "kWh"})
    assert stored == {"added": 2, "replaced": 0, "unchanged": 0}
    assert shown(client, path) == [("2026-01-10T12:00:00Z", "0.0834"), ("2026-01-10T13:00:00Z", "-0.0125")]
    first = client.get(path).json["data"][0]
    assert (first["end"], first["superseded_at"]) == ("2026-01-10T13:00:00Z", None)


def test_values_are_read_from_to_and_in_pages(client: Caller, path: str) -> None:
    client.made(path, {"values": [value(h) for h in range(10)]})
    part = f"{path}?from=2026-01-10T02:00:00Z&to=2026-01-10T05:00:00Z&limit=2"
    page = client.get(part).json
    assert [v["start"][11:13] for v in page["data"]] == ["02", "03"]
    rest = client.get(f"{part}&cursor={page['next_cursor']}").json
    assert [v["start"][11:13] for v in rest["data"]] == ["04"]
    assert rest["next_cursor"] is None


def test_a_corrected_value_replaces_and_the_old_one_is_kept(client: Caller, path: str) -> None:
    client.made(path, {"values": [value(12, "0.08"), value(13, "0.09")]})
    stored = client.made(path, {"values": [value(12, "0.10"), value(13, "0.090")]})
    assert stored == {"added": 0, "replaced": 1, "unchanged": 1}
    assert shown(client, path) == [("2026-01-10T12:00:00Z", "0.1"), ("2026-01-10T13:00:00Z", "0.09")]
    old, new, _ = client.get(f"{path}?history=true").json["data"]
    assert (old["value"], new["value"]) == ("0.08", "0.1")
    assert old["superseded_at"] == new["recorded_at"]


def test_the_audit_trail_says_what_was_taken(client: Caller, index: dict[str, Any], path: str) -> None:
    client.made(path, {"values": [value(12)]})
    entry = client.get(f"/v1/audit?object={index['id']}").json["data"][0]
    assert entry["action"] == "values_taken"
    assert entry["after"] == {
        "added": 1,
        "replaced": 0,
        "first": "2026-01-10T12:00:00Z",
        "last": "2026-01-10T12:00:00Z",
    }


def test_csv_with_and_without_ends(client: Caller, path: str) -> None:
    plain = "start,value\r\n2026-01-10T12:00:00Z,0.0834\r\n2026-01-10T14:00:00+01:00,-0.01\r\n\r\n"
    answer = client.post(f"{path}?unit=kWh&currency=EUR", data=plain, content_type="text/csv")
    assert answer.json == {"added": 2, "replaced": 0, "unchanged": 0}
    ended = "\ufeffstart,end,value\n2026-01-10T14:00:00Z,2026-01-10T15:00:00Z,0.2\n2026-01-10T15:00:00Z,,0.3"
    assert client.post(path, data=ended.encode(), content_type="text/csv; charset=utf-8").status_code == 200
    assert [v for _, v in shown(client, path)] == ["0.0834", "-0.01", "0.2", "0.3"]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ([value(12), value(12)], [("/values/1/start", "index_slots_overlap")]),
        ([value(12), {**value(12), "start": "2026-01-10T12:30:00Z"}], [("/values/1/start", "index_slots_overlap")]),
        ([{**value(12), "start": "2026-01-10T12:30:00Z"}], [("/values/0/start", "index_slot_misaligned")]),
        ([value(12, end="2026-01-10T12:15:00Z")], [("/values/0/end", "index_slot_misaligned")]),
        (
            [value(13), value(12, end="2026-01-10T14:00:00Z")],
            [("/values/0/start", "index_slots_overlap"), ("/values/1/end", "index_slot_misaligned")],
        ),
        ([value(12, 0.08)], [("/values/0/value", "decimal_string_expected")]),
        ([value(12, "8e-2"), value(13, "0.0000000000001")],
         [("/values/0/value", "decimal_malformed"), ("/values/1/value", "decimal_out_of_range")]),
        ([value(12), {"start": "yesterday", "value": "1"}], [("/values/1/start", "instant_malformed")]),
        ([{"start": "2026-01-10T12:00:00", "value": "1"}], [("/values/0/start", "instant_malformed")]),
        ([{"start": "0001-01-01T00:00:00Z", "value": "1"}], [("/values/0/start", "instant_out_of_range")]),
        ([{"start": "2026-01-10T12:00:00Z"}], [("/values/0/value", "member_required")]),
        ([value(12, colour="red")], [("/values/0/colour", "member_unknown")]),
    ],
)  # fmt: skip
def test_nothing_is_taken_when_any_row_is_wrong(
    client: Caller, path: str, body: list[Any], errors: list[tuple[str, str]]
) -> None:
    assert wrong(client.post(path, {"values": body})) == errors
    assert shown(client, path) == []


def test_rows_that_cannot_be_read_and_rows_that_do_not_fit_are_told_together(client: Caller, path: str) -> None:
    answer = client.post(path, {"values": [value(12, 1), value(13, "1.1.1"), value(14)]})
    assert set(wrong(answer)) == {
        ("/values/0/value", "decimal_string_expected"),
        ("/values/1/value", "decimal_malformed"),
    }


@pytest.mark.parametrize(
    ("said", "pointer", "code"),
    [
        ({"unit": "MWh"}, "/unit", "index_unit_differs"),
        ({"currency": "USD"}, "/currency", "index_currency_differs"),
    ],
)
def test_values_in_other_terms_than_the_indexs_are_refused(
    client: Caller, path: str, said: dict[str, str], pointer: str, code: str
) -> None:
    assert wrong(client.post(path, {"values": [value(12)], **said})) == [(pointer, code)]
    query = "&".join(f"{k}={v}" for k, v in said.items())
    csv = "start,value\n2026-01-10T12:00:00Z,1\n"
    assert wrong(client.post(f"{path}?{query}", data=csv, content_type="text/csv")) == [(pointer, code)]
    assert shown(client, path) == []


@pytest.mark.parametrize(
    ("csv", "status", "pointer", "code"),
    [
        ("time;price\n", 422, "", "csv_header_unknown"),
        ("", 422, "", "csv_header_unknown"),
        ("start,value\n2026-01-10T12:00:00Z\n", 422, "/values/0", "csv_row_malformed"),
        ("start,value\n2026-01-10T12:00:00Z,1\n10-01-2026,2\n", 422, "/values/1/start", "instant_malformed"),
        ("start,value\n2026-01-10T12:00:00Z,0,08\n", 422, "/values/0", "csv_row_malformed"),
        ("start,value\n2026-01-10T12:00:00Z,\n", 422, "/values/0/value", "decimal_malformed"),
        ("start,end,value\n2026-01-10T12:00:00Z,soon,1\n", 422, "/values/0/end", "instant_malformed"),
        (b"start,value\n\xff", 400, None, "csv_malformed"),
        ('start,value\n"2026', 400, None, "csv_malformed"),
    ],
)
def test_csv_that_is_wrong_is_refused_by_its_row(
    client: Caller, path: str, csv: Any, status: int, pointer: str | None, code: str
) -> None:
    answer = client.post(path, data=csv, content_type="text/csv")
    assert answer.json["code"] == code
    assert wrong(answer, status) == ([] if pointer is None else [(pointer, code)])


def test_a_year_of_quarter_hours_is_taken_at_once(client: Caller) -> None:
    index = client.made("/v1/indexes", DAY_AHEAD | {"slot_minutes": 15})
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [f"{start + timedelta(minutes=15 * i):%Y-%m-%dT%H:%M:%SZ},{i % 700 / 10000:.4f}" for i in range(35_040)]
    path = f"/v1/indexes/{index['id']}/values"
    answer = client.post(path, data="start,value\n" + "\n".join(rows), content_type="text/csv")
    assert answer.json == {"added": 35_040, "replaced": 0, "unchanged": 0}
    more = client.post(path, data="start,value\n" + "\n".join(rows * 2), content_type="text/csv")
    assert (more.status_code, more.json["code"]) == (413, "too_many_rows")


def test_another_providers_index_does_not_exist(client: Caller, stranger: Caller, path: str) -> None:
    assert stranger.get(path).status_code == 404
    assert stranger.post(path, {"values": [value(12)]}).status_code == 404
    assert shown(client, path) == []


def test_values_need_the_scope_of_the_catalogue(client: Caller, new_caller: Any, path: str) -> None:
    reader = new_caller(scopes=["catalog:read"])
    assert reader.get(path).status_code == 200
    assert reader.post(path, {"values": []}).status_code == 403
