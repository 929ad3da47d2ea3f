"""Links to a customer's pages, for integrators."""

from __future__ import annotations

from uuid import UUID

from core.ids import decode, new_id
from core.period import parse_instant
from services import portal_sessions
from services.clock import system_now
from tests.api.conftest import Caller, NewCaller
from tests.conftest import Open

ACCOUNT = {"name": "Lumen", "currency": "EUR", "country": "DE", "payer": "self", "mode": "postpaid"}


def test_an_integrator_makes_a_link_that_opens_an_account_s_pages_once(
    client: Caller, provider_id: UUID, open_unit: Open
) -> None:
    account = client.made("/v1/accounts", {**ACCOUNT, "external_id": "lumen"})
    made = client.post("/v1/portal-sessions", {"account": "lumen"})
    assert made.status_code == 201
    assert parse_instant(made.json["expires_at"]) > system_now()
    base, _, token = made.json["url"].rpartition("/enter/")
    assert base.startswith("http://busbar.test/portal/prov_")
    with open_unit() as ctx:
        session = portal_sessions.redeem(ctx, token, system_now())
        visitor = portal_sessions.visitor(ctx, session, system_now())
    assert visitor is not None
    assert visitor.account_id == decode("account", account["id"])


def test_the_link_is_not_shown_again_to_a_repeated_request(client: Caller) -> None:
    client.made("/v1/accounts", {**ACCOUNT, "external_id": "lumen"})
    key = {"Idempotency-Key": f"link-{new_id()}"}
    first = client.post("/v1/portal-sessions", {"account": "lumen"}, headers=key)
    again = client.post("/v1/portal-sessions", {"account": "lumen"}, headers=key)
    assert "url" in first.json
    assert "url" not in again.json


def test_a_link_needs_the_scope_and_an_account_within_it(client: Caller, new_caller: NewCaller) -> None:
    mine = client.made("/v1/accounts", ACCOUNT)["id"]
    other = client.made("/v1/accounts", ACCOUNT)["id"]
    assert new_caller(scopes=["accounts:read"]).post("/v1/portal-sessions", {"account": mine}).status_code == 403
    scoped = new_caller(account_id=decode("account", mine))
    assert scoped.post("/v1/portal-sessions", {"account": mine}).status_code == 201
    refused = scoped.post("/v1/portal-sessions", {"account": other})
    assert (refused.status_code, refused.json["code"]) == (422, "account_unknown")
