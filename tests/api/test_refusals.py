"""Bad input of the general kinds: each is a problem with a code, a place, and no trace of how we work."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from api.app import create_app
from api.guards import public
from core.ids import encode, new_id
from runtime.house import House, make_engine
from tests.api.conftest import Caller, NewCaller


def refusal(answer: TestResponse, status: int, code: str, pointer: str | None = None) -> dict[str, Any]:
    """The body of a problem that must have this status, code and place."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = answer.json
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["request_id"] == answer.headers["X-Request-Id"]
    if pointer is not None:
        assert {"pointer": pointer, "code": code} in [
            {"pointer": e.get("pointer"), "code": e["code"]} for e in body["errors"]
        ], body
    return body


def test_a_caller_without_a_credential_is_told_to_bring_one(nobody: Caller) -> None:
    answer = nobody.get("/v1/accounts")
    refusal(answer, 401, "credential_missing")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["bb_test_nothing", "bb_at_nothing", "é", "x" * 5000])
def test_an_unknown_credential_is_refused(nobody: Caller, token: str) -> None:
    refusal(nobody.get("/v1/accounts", headers={"Authorization": f"Bearer {token}"}), 401, "credential_invalid")


def test_a_credential_without_the_scope_is_refused_before_its_body_is_read(new_caller: NewCaller) -> None:
    refusal(new_caller(["accounts:read"]).post("/v1/accounts", {"nonsense": 1}), 403, "scope_missing")


def test_what_is_no_json_is_malformed(client: Caller) -> None:
    answer = client.post("/v1/accounts", data=b'{"name": ', content_type="application/json")
    refusal(answer, 400, "json_malformed")


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"name": NaN}', b'{"name": "\\ud800"}', b"[" * 5000 + b"]" * 5000])
def test_json_that_is_not_quite_json_is_malformed(client: Caller, body: bytes) -> None:
    refusal(client.post("/v1/accounts", data=body, content_type="application/json"), 400, "json_malformed")


def test_a_list_where_an_object_belongs_is_refused(client: Caller) -> None:
    refusal(client.post("/v1/accounts", [1, 2]), 422, "object_expected", "")


def test_another_content_type_is_refused(client: Caller) -> None:
    answer = client.post("/v1/accounts", data=b"name=Contoso", content_type="text/plain")
    refusal(answer, 415, "content_type_unsupported")


def test_a_body_over_the_limit_is_refused(client: Caller, house: House) -> None:
    body = b'{"name": "' + b"x" * house.settings.body_limit_bytes + b'"}'
    refusal(client.post("/v1/accounts", data=body, content_type="application/json"), 413, "body_too_large")


def test_a_body_of_unsaid_length_over_the_limit_is_refused_and_not_cut(client: Caller, house: House) -> None:
    head = b'{"name": "Contoso", "currency": "EUR", "country": "NL"}'
    body = BytesIO(head + b" " * house.settings.body_limit_bytes)
    answer = client.post(
        "/v1/accounts",
        input_stream=body,
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    refusal(answer, 413, "body_too_large")


def test_every_wrong_member_is_named(client: Caller) -> None:
    body = {"name": 7, "currency": "XXX", "country": "NL", "metadata": {"a/b": 1}, "colour": "red"}
    answer = client.post("/v1/accounts", body)
    assert answer.status_code == 422
    places = {error["pointer"]: error["code"] for error in answer.json["errors"]}
    assert answer.json["code"] == answer.json["errors"][0]["code"]
    assert places == {
        "/name": "string_expected",
        "/currency": "currency_unknown",
        "/metadata/a~1b": "metadata_value_malformed",
        "/colour": "member_unknown",
    }


@pytest.mark.parametrize("value", [21, 21.5, True, None, ["21"]])
def test_anything_but_text_where_a_decimal_string_belongs_is_refused(client: Caller, value: Any) -> None:
    code = "member_null" if value is None else "decimal_string_expected"
    refusal(client.patch("/v1/provider", {"default_tax_rate": value}), 422, code, "/default_tax_rate")


@pytest.mark.parametrize("value", ["1e3", "1,5", "", "+1", "01", " 1", "½", "1.0000000000001"])
def test_text_that_is_no_plain_decimal_is_refused(client: Caller, value: str) -> None:
    answer = client.patch("/v1/provider", {"default_tax_rate": value})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["code"] in ("decimal_malformed", "decimal_out_of_range")


def test_decimal_strings_go_out_normalised(client: Caller) -> None:
    assert client.patch("/v1/provider", {"default_tax_rate": "12.50"}).json["default_tax_rate"] == "12.5"


def test_text_with_nul_is_refused_and_not_a_fault(client: Caller) -> None:
    body = {"name": "a\0b", "currency": "EUR", "country": "NL"}
    refusal(client.post("/v1/accounts", body), 422, "character_refused", "/name")
    refusal(client.get("/v1/accounts?external_id=a%00b"), 422, "character_refused")


def test_an_unknown_query_parameter_is_refused(client: Caller) -> None:
    body = refusal(client.get("/v1/accounts?colour=red"), 422, "parameter_unknown")
    assert body["errors"][0]["parameter"] == "colour"


def test_an_id_of_another_provider_does_not_exist(stranger: Caller, account: dict[str, Any]) -> None:
    refusal(stranger.get(f"/v1/accounts/{account['id']}"), 404, "account_not_found")
    refusal(stranger.patch(f"/v1/accounts/{account['id']}", {"name": "Mine"}), 404, "account_not_found")
    body = {"name": "Child", "currency": "EUR", "country": "NL", "parent": account["id"]}
    refusal(stranger.post("/v1/accounts", body), 422, "account_unknown", "/parent")


@pytest.mark.parametrize("name", ["nonsense", "sub_01h455vb4pex5vsknk084sn02q", "%00", "acc_" + "z" * 26])
def test_a_malformed_id_is_not_found(client: Caller, name: str) -> None:
    refusal(client.get(f"/v1/accounts/{name}"), 404, "account_not_found")


def test_an_id_that_nobody_has_is_not_found(client: Caller) -> None:
    refusal(client.get(f"/v1/accounts/{encode('account', new_id())}"), 404, "account_not_found")


def test_an_unknown_route_is_a_problem_too(client: Caller) -> None:
    refusal(client.get("/v1/nothing"), 404, "route_not_found")
    refusal(client.get("//v1/accounts"), 404, "route_not_found")


def test_a_wrong_method_names_the_right_ones(client: Caller) -> None:
    answer = client.delete("/v1/accounts")
    refusal(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))


def test_a_named_route_beside_ids_names_its_methods_too(client: Caller) -> None:
    answer = client.patch("/v1/agents/enrol", {})
    refusal(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_a_change_without_a_body_changes_nothing(client: Caller, account: dict[str, Any]) -> None:
    assert client.patch(f"/v1/accounts/{account['id']}").json == account


def test_a_request_id_of_the_caller_is_kept_if_it_is_harmless(client: Caller) -> None:
    assert client.get("/v1/accounts", headers={"X-Request-Id": "trace-12345678"}).headers["X-Request-Id"] == (
        "trace-12345678"
    )
    made = client.get("/v1/accounts", headers={"X-Request-Id": "<script>"}).headers["X-Request-Id"]
    assert "<" not in made
    assert made


@pytest.fixture(scope="module")
def broken_app(house: House) -> Flask:
    app = create_app(house)

    @public("a route with a fault")
    def fault() -> str:
        raise RuntimeError("the password is hunter2")

    app.add_url_rule("/v1/fault", view_func=fault)
    return app


def test_a_database_that_is_away_is_said_to_be_away(house: House) -> None:
    nowhere = replace(house, engine=make_engine("postgresql://nobody@127.0.0.1:9/none", 1))
    answer = Caller(create_app(nowhere).test_client(), "bb_test_any").get("/v1/accounts")
    refusal(answer, 503, "database_unavailable")
    assert answer.headers["Retry-After"]
    assert "127.0.0.1" not in answer.get_data(as_text=True)


def test_a_fault_of_ours_shows_nothing_of_us(broken_app: Flask) -> None:
    answer = Caller(broken_app.test_client(), None).get("/v1/fault")
    refusal(answer, 500, "internal_error")
    text = answer.get_data(as_text=True)
    assert "hunter2" not in text
    assert "Traceback" not in text
