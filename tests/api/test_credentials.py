"""Who may come in, what for, and what they see."""

from __future__ import annotations

import time
from base64 import b64encode
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from core.ids import decode
from core.period import rfc3339
from services.clock import system_now
from services.credentials import ACCOUNT_SCOPES, ROLES, SCOPES
from tests.api.conftest import Caller, NewCaller
from tests.api.test_refusals import refusal
from tests.conftest import Open, make_provider

ACCOUNT = {"name": "Contoso", "currency": "EUR", "country": "NL"}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are kept so briefly that a test need not wait."""
    monkeypatch.setattr("api.auth.KEEP_S", 0.05)


def _as(app: Flask, token: str) -> Caller:
    return Caller(app.test_client(), token)


def test_a_key_is_shown_once_and_kept_as_a_hash(client: Caller, app: Flask, open_unit: Open) -> None:
    made = client.made("/v1/api-keys", {"name": "robot", "scopes": ["accounts:read"]})
    assert made["key"].startswith("bb_test_")
    assert _as(app, made["key"]).get("/v1/accounts").status_code == 200
    shown: Any = client.get(f"/v1/api-keys/{made['id']}").json
    assert "key" not in shown
    assert shown["hint"] == made["key"][-4:]
    with open_unit() as ctx:
        row = ctx.session.execute(
            text("SELECT to_jsonb(k)::text FROM api_key k WHERE id = :id"), {"id": decode("api_key", made["id"])}
        ).scalar_one()
    assert made["key"] not in row


def test_a_live_provider_gives_live_keys(new_caller: NewCaller, house: Any) -> None:
    live = new_caller(provider=make_provider(house, sandbox=False))
    assert live.made("/v1/api-keys", {"name": "robot"})["key"].startswith("bb_live_")


def test_a_key_does_what_its_scopes_say_and_no_more(client: Caller, app: Flask) -> None:
    key = client.made("/v1/api-keys", {"name": "reader", "scopes": ["accounts:read"]})["key"]
    reader = _as(app, key)
    assert reader.get("/v1/accounts").status_code == 200
    refusal(reader.post("/v1/accounts", ACCOUNT), 403, "scope_missing")
    refusal(reader.get("/v1/api-keys"), 403, "scope_missing")


def test_a_key_cannot_give_what_it_lacks(client: Caller, app: Flask) -> None:
    key = client.made("/v1/api-keys", {"name": "admin", "scopes": ["admin:write", "admin:read"]})["key"]
    admin = _as(app, key)
    refusal(admin.post("/v1/api-keys", {"name": "x", "scopes": ["payments:write"]}), 403, "scope_exceeds_own")
    refusal(admin.post("/v1/oauth-clients", {"name": "x", "role": "operator"}), 403, "scope_exceeds_own")
    assert admin.made("/v1/api-keys", {"name": "x"})["scopes"] == ["admin:read", "admin:write"]


def test_a_role_is_a_bundle_of_scopes(client: Caller) -> None:
    made = client.made("/v1/api-keys", {"name": "agent", "role": "agent"})
    assert made["scopes"] == sorted(ROLES["agent"])
    refusal(client.post("/v1/api-keys", {"name": "x", "role": "agent", "scopes": []}), 422, "scopes_or_role", "/role")
    refusal(client.post("/v1/api-keys", {"name": "x", "scopes": ["world:peace"]}), 422, "not_one_of", "/scopes/0")


def test_a_revoked_key_is_refused(client: Caller, app: Flask, impatient: None) -> None:
    made = client.made("/v1/api-keys", {"name": "robot", "scopes": ["accounts:read"]})
    robot = _as(app, made["key"])
    assert robot.get("/v1/accounts").status_code == 200
    assert client.delete(f"/v1/api-keys/{made['id']}").json["revoked_at"]
    assert client.delete(f"/v1/api-keys/{made['id']}").status_code == 200
    time.sleep(0.1)
    refusal(robot.get("/v1/accounts"), 401, "credential_invalid")


def test_a_key_ends_when_it_said_it_would(client: Caller, app: Flask, impatient: None, open_unit: Open) -> None:
    later = rfc3339(system_now() + timedelta(hours=1))
    made = client.made("/v1/api-keys", {"name": "brief", "scopes": ["accounts:read"], "expires_at": later})
    key = made["key"]
    assert made["expires_at"] == later
    assert _as(app, key).get("/v1/accounts").status_code == 200
    with open_unit() as ctx:
        expire = text("UPDATE api_key SET expires_at = :now WHERE id = :id")
        ctx.session.execute(expire, {"now": system_now(), "id": decode("api_key", made["id"])})
    time.sleep(0.1)
    refusal(_as(app, key).get("/v1/accounts"), 401, "credential_invalid")
    past = {"name": "x", "expires_at": "2020-01-01T00:00:00Z"}
    refusal(client.post("/v1/api-keys", past), 422, "expiry_past", "/expires_at")


def test_a_key_of_an_account_sees_its_own_tree_and_nothing_else(client: Caller, new_caller: NewCaller) -> None:
    root = client.made("/v1/accounts", ACCOUNT)
    child = client.made("/v1/accounts", {**ACCOUNT, "parent": root["id"], "payer": "parent"})
    other = client.made("/v1/accounts", ACCOUNT)
    narrow = new_caller(account_id=decode("account", root["id"]))
    listed: Any = narrow.get("/v1/accounts").json
    assert {a["id"] for a in listed["data"]} == {root["id"], child["id"]}
    assert narrow.get(f"/v1/accounts/{child['id']}").status_code == 200
    refusal(narrow.get(f"/v1/accounts/{other['id']}"), 404, "account_not_found")
    refusal(narrow.patch(f"/v1/accounts/{other['id']}", {"name": "x"}), 404, "account_not_found")
    refusal(narrow.post("/v1/accounts", ACCOUNT), 422, "parent_required", "/parent")
    refusal(narrow.post("/v1/accounts", {**ACCOUNT, "parent": other["id"]}), 422, "account_unknown", "/parent")
    assert narrow.post("/v1/accounts", {**ACCOUNT, "parent": child["id"]}).status_code == 201


def test_a_key_of_an_account_does_nothing_for_the_whole_provider(client: Caller, new_caller: NewCaller) -> None:
    root = client.made("/v1/accounts", ACCOUNT)
    narrow = new_caller(account_id=decode("account", root["id"]))
    for path in ("/v1/api-keys", "/v1/audit", "/v1/webhook-endpoints", "/v1/events", "/v1/agents"):
        refusal(narrow.get(path), 403, "scope_missing")
    refusal(narrow.patch("/v1/provider", {"name": "Mine"}), 403, "scope_missing")
    body = {"name": "x", "account": root["id"], "scopes": ["admin:write"]}
    refusal(client.post("/v1/api-keys", body), 422, "scope_of_provider", "/scopes")
    made = client.made("/v1/api-keys", {"name": "x", "account": root["id"]})
    assert set(made["scopes"]) == ACCOUNT_SCOPES


def _token(nobody: Caller, client_id: str, secret: str, **form: str) -> Any:
    credentials = b64encode(f"{client_id}:{secret}".encode()).decode()
    return nobody.post(
        "/oauth/token",
        data={"grant_type": "client_credentials", **form},
        headers={"Authorization": f"Basic {credentials}"},
    )


@pytest.fixture
def program(client: Caller) -> dict[str, Any]:
    """An OAuth client that may read accounts and write usage."""
    made: dict[str, Any] = client.made(
        "/v1/oauth-clients", {"name": "program", "scopes": ["accounts:read", "usage:write"]}
    )
    return made


def test_a_program_trades_its_secret_for_a_token(nobody: Caller, app: Flask, program: dict[str, Any]) -> None:
    answer = _token(nobody, program["client_id"], program["client_secret"])
    assert answer.status_code == 200
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 3600
    assert answer.json["scope"] == "accounts:read usage:write"
    assert answer.headers["Cache-Control"] == "no-store"
    assert _as(app, answer.json["access_token"]).get("/v1/accounts").status_code == 200


def test_a_token_may_have_fewer_scopes_than_its_client(nobody: Caller, app: Flask, program: dict[str, Any]) -> None:
    answer = _token(nobody, program["client_id"], program["client_secret"], scope="usage:write")
    refusal(_as(app, answer.json["access_token"]).get("/v1/accounts"), 403, "scope_missing")
    more = _token(nobody, program["client_id"], program["client_secret"], scope="usage:write admin:write")
    assert refusal(more, 400, "invalid_scope")["error"] == "invalid_scope"


def test_a_wrong_secret_gives_no_token(nobody: Caller, program: dict[str, Any]) -> None:
    answer = _token(nobody, program["client_id"], "bb_secret_wrong")
    assert refusal(answer, 401, "invalid_client")["error"] == "invalid_client"
    refusal(_token(nobody, "cli_nobody", "x"), 401, "invalid_client")


def test_other_grants_are_refused(nobody: Caller) -> None:
    refusal(nobody.post("/oauth/token", data={"grant_type": "password"}), 400, "unsupported_grant_type")
    refusal(nobody.post("/oauth/token", data={"colour": "red"}), 400, "unsupported_grant_type")


def test_the_token_endpoint_takes_a_form(nobody: Caller) -> None:
    refusal(nobody.post("/oauth/token", {"grant_type": "client_credentials"}), 415, "content_type_unsupported")


def test_tokens_are_kept_as_hashes(nobody: Caller, program: dict[str, Any], open_unit: Open, provider_id: UUID) -> None:
    token = _token(nobody, program["client_id"], program["client_secret"]).json["access_token"]
    with open_unit() as ctx:
        rows = ctx.session.execute(text("SELECT to_jsonb(t)::text FROM oauth_token t")).scalars().all()
        clients = ctx.session.execute(text("SELECT to_jsonb(c)::text FROM oauth_client c")).scalars().all()
    assert len(rows) == 1
    assert token not in rows[0]
    assert program["client_secret"] not in "".join(clients)


def test_revoking_a_client_ends_its_tokens(
    client: Caller, nobody: Caller, app: Flask, program: dict[str, Any], impatient: None
) -> None:
    token = _token(nobody, program["client_id"], program["client_secret"]).json["access_token"]
    assert client.delete(f"/v1/oauth-clients/{program['id']}").json["revoked_at"]
    time.sleep(0.1)
    refusal(_as(app, token).get("/v1/accounts"), 401, "credential_invalid")
    refusal(_token(nobody, program["client_id"], program["client_secret"]), 401, "invalid_client")


def test_a_token_of_an_account_sees_its_own_tree(client: Caller, nobody: Caller, app: Flask) -> None:
    mine, other = client.made("/v1/accounts", ACCOUNT), client.made("/v1/accounts", ACCOUNT)
    made = client.made("/v1/oauth-clients", {"name": "shop", "role": "customer", "account": mine["id"]})
    shop = _as(app, _token(nobody, made["client_id"], made["client_secret"]).json["access_token"])
    listed: Any = shop.get("/v1/accounts").json
    assert [a["id"] for a in listed["data"]] == [mine["id"]]
    refusal(shop.get(f"/v1/accounts/{other['id']}"), 404, "account_not_found")


def test_a_dead_token_is_refused(
    nobody: Caller, app: Flask, program: dict[str, Any], open_unit: Open, impatient: None
) -> None:
    token = _token(nobody, program["client_id"], program["client_secret"]).json["access_token"]
    with open_unit() as ctx:
        ctx.session.execute(text("UPDATE oauth_token SET expires_at = :past"), {"past": system_now()})
    refusal(_as(app, token).get("/v1/accounts"), 401, "credential_invalid")


def test_another_provider_sees_none_of_our_credentials(
    client: Caller, stranger: Caller, program: dict[str, Any]
) -> None:
    refusal(stranger.get(f"/v1/oauth-clients/{program['id']}"), 404, "oauth_client_not_found")
    refusal(stranger.delete(f"/v1/oauth-clients/{program['id']}"), 404, "oauth_client_not_found")
    listed: Any = stranger.get("/v1/oauth-clients").json
    assert listed["data"] == []


def test_every_scope_belongs_to_some_role() -> None:
    assert set(ROLES["operator"]) == set(SCOPES)
    assert all(set(scopes) <= set(SCOPES) for scopes in ROLES.values())
