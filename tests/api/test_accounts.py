"""Accounts, sellers and the provider over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from tests.api.conftest import Caller, NewCaller
from tests.api.test_refusals import refusal
from tests.conftest import Open

ACCOUNT = {"name": "Contoso", "currency": "EUR", "country": "NL"}


def test_an_account_comes_back_as_it_was_made(client: Caller) -> None:
    body = {
        **ACCOUNT,
        "time_zone": "America/New_York",
        "email": "billing@contoso.example",
        "mode": "prepaid",
        "tax_id": "NL 0044.954.45.B01",
        "purchase_order": "PO-1",
        "cost_centre": "CC-1",
        "address": {"line1": "Keizersgracht 1", "postal_code": "1015 CN", "city": "Amsterdam"},
        "external_id": "crm-1",
        "metadata": {"tier": "gold"},
    }
    made = client.made("/v1/accounts", body)
    assert client.get(f"/v1/accounts/{made['id']}").json == made
    assert made == {**made, **body, "tax_id": "NL004495445B01"}
    assert made["payer"] == made["id"]
    assert made["parent"] is None


def test_a_child_may_leave_the_bill_to_its_parent(client: Caller) -> None:
    root = client.made("/v1/accounts", {**ACCOUNT, "external_id": "group"})
    child = client.made("/v1/accounts", {**ACCOUNT, "parent": "group", "payer": "parent"})
    grandchild = client.made("/v1/accounts", {**ACCOUNT, "parent": child["id"], "payer": "parent"})
    own = client.made("/v1/accounts", {**ACCOUNT, "parent": child["id"], "payer": "self"})
    assert child["payer"] == grandchild["payer"] == root["id"]
    assert own["payer"] == own["id"]
    assert child["next_bill_on"] is None
    assert root["next_bill_on"] == "2026-02-01"
    listed: Any = client.get(f"/v1/accounts?payer={root['id']}").json
    assert {a["id"] for a in listed["data"]} == {root["id"], child["id"], grandchild["id"]}
    below: Any = client.get(f"/v1/accounts?parent={child['id']}").json
    assert {a["id"] for a in below["data"]} == {grandchild["id"], own["id"]}


def test_without_a_parent_nobody_else_pays(client: Caller) -> None:
    refusal(client.post("/v1/accounts", {**ACCOUNT, "payer": "parent"}), 422, "payer_without_parent", "/payer")


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("currency", "EURO", "currency_unknown"),
        ("currency", "XTS", "currency_unknown"),
        ("country", "XX", "country_unknown"),
        ("country", "nl", "country_unknown"),
        ("time_zone", "Amsterdam", "time_zone_unknown"),
        ("email", "nobody", "email_malformed"),
        ("tax_id", "NL12", "tax_id_malformed"),
        ("tax_id", "DE12345678X", "tax_id_malformed"),
        ("parent", "acc_01h455vb4pex5vsknk084sn02q", "account_unknown"),
        ("seller", "nobody", "seller_unknown"),
        ("mode", "later", "not_one_of"),
        ("payer", "god", "not_one_of"),
        ("name", "   ", "blank"),
        ("external_id", "inv_01h455vb4pex5vsknk084sn02q", "external_id_reserved"),
        ("metadata", {str(n): "x" for n in range(51)}, "metadata_too_many_keys"),
    ],
)
def test_a_wrong_member_is_refused_where_it_stands(client: Caller, member: str, value: Any, code: str) -> None:
    answer = client.post("/v1/accounts", {**ACCOUNT, member: value})
    assert answer.status_code == 422
    assert (f"/{member}", code) in [(e["pointer"], e["code"]) for e in answer.json["errors"]]


def test_an_external_id_is_taken_once(client: Caller, stranger: Caller) -> None:
    client.made("/v1/accounts", {**ACCOUNT, "external_id": "crm-1"})
    second = client.made("/v1/accounts", ACCOUNT)
    refusal(client.post("/v1/accounts", {**ACCOUNT, "external_id": "crm-1"}), 409, "external_id_taken", "/external_id")
    refusal(client.patch(f"/v1/accounts/{second['id']}", {"external_id": "crm-1"}), 409, "external_id_taken")
    assert stranger.post("/v1/accounts", {**ACCOUNT, "external_id": "crm-1"}).status_code == 201


def test_a_change_touches_what_it_names(client: Caller, account: dict[str, Any]) -> None:
    path = f"/v1/accounts/{account['id']}"
    changed: Any = client.patch(path, {"purchase_order": "PO-2", "metadata": {"a": "b"}}).json
    assert changed == {**account, "purchase_order": "PO-2", "metadata": {"a": "b"}}
    assert client.patch(path, {"purchase_order": None}).json["purchase_order"] is None
    refusal(client.patch(path, {"currency": "USD"}), 422, "member_unknown", "/currency")
    refusal(client.patch(path, {"parent": None}), 422, "member_unknown", "/parent")


def test_another_zone_moves_the_bill_date_with_it(client: Caller, account: dict[str, Any], open_unit: Open) -> None:
    client.patch(f"/v1/accounts/{account['id']}", {"time_zone": "America/New_York"})
    with open_unit() as ctx:
        at = ctx.session.execute(text("SELECT next_bill_at AT TIME ZONE 'UTC' FROM account")).scalar_one()
    assert at.isoformat() == "2026-02-01T05:30:00"


def test_changes_are_told_and_written_down(client: Caller, account: dict[str, Any], open_unit: Open) -> None:
    client.patch(f"/v1/accounts/{account['id']}", {"name": "Renamed"})
    with open_unit() as ctx:
        told = ctx.session.execute(text("SELECT type, sequence, data->>'name' FROM outbox_event ORDER BY sequence"))
        assert told.all() == [("account.created", 1, "Contoso"), ("account.updated", 2, "Renamed")]
    entries: Any = client.get(f"/v1/audit?object={account['id']}").json
    assert [e["action"] for e in entries["data"]] == ["changed", "created"]
    assert entries["data"][0]["before"]["name"] == "Contoso"
    assert entries["data"][0]["after"]["name"] == "Renamed"
    assert entries["data"][0]["actor"].startswith("api_key:key_")


def test_an_event_shows_the_account_as_the_api_does(client: Caller, account: dict[str, Any], open_unit: Open) -> None:
    with open_unit() as ctx:
        assert ctx.session.execute(text("SELECT data FROM outbox_event")).scalar_one() == account


def test_the_audit_trail_is_read_with_its_own_scope(client: Caller, new_caller: NewCaller, stranger: Caller) -> None:
    client.made("/v1/accounts", ACCOUNT)
    refusal(new_caller(["accounts:read"]).get("/v1/audit"), 403, "scope_missing")
    refusal(client.get("/v1/audit?object=nonsense"), 422, "id_malformed")
    listed: Any = client.get("/v1/audit?type=account.created").json
    assert [entry["type"] for entry in listed["data"]] == ["account.created"]
    changed: Any = client.get("/v1/audit?type=account.changed").json
    assert changed["data"] == []
    theirs: Any = stranger.get("/v1/audit?type=account").json
    assert theirs["data"] == []
    later: Any = client.get("/v1/audit?since=2026-01-16T00:00:00Z&type=account").json
    assert later["data"] == []


def test_a_seller_has_a_face_and_a_rate(client: Caller) -> None:
    made = client.made(
        "/v1/sellers",
        {
            "name": "Acme DC",
            "legal_name": "Acme DC B.V.",
            "country": "NL",
            "brand_color": "#ff8800",
            "bank": {"iban": "NL91ABNA0417164300"},
            "tax_rate": "21.0",
            "number_prefix": "ACME",
        },
    )
    assert made["tax_rate"] == "21"
    assert made["is_default"] is False
    path = f"/v1/sellers/{made['id']}"
    assert client.patch(path, {"is_default": True}).json["is_default"] is True
    sellers: Any = client.get("/v1/sellers").json
    assert [s["id"] for s in sellers["data"] if s["is_default"]] == [made["id"]]
    assert client.patch(path, {"is_default": False}).json["is_default"] is True
    assert client.made("/v1/accounts", ACCOUNT)["seller"] == made["id"]
    refusal(client.patch(path, {"brand_color": "orange"}), 422, "malformed", "/brand_color")
    refusal(client.patch(path, {"tax_rate": "-1"}), 422, "decimal_negative", "/tax_rate")
    refusal(client.patch(path, {"tax_rate": "100"}), 422, "decimal_too_large", "/tax_rate")


def test_a_provider_sets_its_own_clocks_and_rates(client: Caller, stranger: Caller) -> None:
    changed: Any = client.patch("/v1/provider", {"close_after_minutes": 90, "default_tax_rate": "19"}).json
    assert (changed["close_after_minutes"], changed["default_tax_rate"]) == (90, "19")
    assert client.get("/v1/provider").json == changed
    assert stranger.get("/v1/provider").json["close_after_minutes"] == 30
    refusal(client.patch("/v1/provider", {"close_after_minutes": "90"}), 422, "integer_expected")
    refusal(client.patch("/v1/provider", {"close_after_minutes": -1}), 422, "too_small")
