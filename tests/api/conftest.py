"""HTTP against the app itself, as a client with a key would speak."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from runtime.house import House
from runtime.unit import unit
from services import credentials
from tests.builders.catalog import ENERGY, RACK, make_catalog, make_plan
from tests.builders.usage import NOW, assignment
from tests.conftest import make_provider


class Caller:
    """A client with a credential; answers are `TestResponse`s, bodies go out as JSON."""

    def __init__(self, http: FlaskClient, token: str | None) -> None:
        self._http, self.token = http, token

    def __call__(
        self, method: str, path: str, json: Any = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> TestResponse:
        sent = {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **(headers or {})}
        if json is not None:
            options["json"] = json
        return self._http.open(path, method=method, headers=sent, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self("POST", path, json, **options)

    def patch(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self("PATCH", path, json, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self("DELETE", path, **options)

    def made(self, path: str, json: Any, **options: Any) -> Any:
        """What a POST made; it must succeed."""
        answer = self.post(path, json, **options)
        assert answer.status_code in (200, 201, 202), answer.get_data(as_text=True)
        return answer.json


@pytest.fixture(scope="session")
def app(house: House) -> Flask:
    """The door, on this worker's database."""
    made = create_app(house)
    made.testing = False
    return made


NewCaller = Callable[..., Caller]


@pytest.fixture
def new_caller(app: Flask, house: House, provider_id: UUID) -> NewCaller:
    """Make a caller with a key: `new_caller(scopes=…, account_id=…, provider=…)`; by default it may everything."""

    def make(
        scopes: Sequence[str] = credentials.SCOPES, account_id: UUID | None = None, provider: UUID | None = None
    ) -> Caller:
        with unit(provider or provider_id, actor="test", within=house) as ctx:
            _, key = credentials.create_key(ctx, name="test", scopes=scopes, account_id=account_id)
        return Caller(app.test_client(), key)

    return make


@pytest.fixture
def client(new_caller: NewCaller) -> Caller:
    """A caller that may do everything at this test's provider."""
    return new_caller()


@pytest.fixture
def stranger(new_caller: NewCaller, house: House) -> Caller:
    """A caller that may do everything, at another provider."""
    return new_caller(provider=make_provider(house))


@pytest.fixture
def nobody(app: Flask) -> Caller:
    """A caller without a credential."""
    return Caller(app.test_client(), None)


@pytest.fixture
def account(client: Caller) -> dict[str, Any]:
    """An account that pays for itself."""
    made: dict[str, Any] = client.made("/v1/accounts", {"name": "Contoso", "currency": "EUR", "country": "NL"})
    return made


@pytest.fixture
def hall(client: Caller) -> Caller:
    """A caller with the site `ams-1`, the point `pdu-a` and the subscriptions `sub-a` and `sub-b` on energy."""
    make_catalog(client)
    make_plan(client, RACK, ENERGY)
    client.made("/v1/sites", {"code": "ams-1", "name": "Amsterdam 1", "time_zone": "Europe/Amsterdam"})
    client.made("/v1/points", {"site": "ams-1", "path": "rack-12/pdu-a", "kind": "pdu", "external_id": "pdu-a"})
    for name in ("a", "b"):
        account = {"name": name, "currency": "EUR", "country": "NL", "external_id": f"acc-{name}"}
        client.made("/v1/accounts", account)
        order = {"account": f"acc-{name}", "plan": "colo", "start": {"at": NOW}, "external_id": f"sub-{name}"}
        client.made("/v1/subscriptions", order)
    return client


@pytest.fixture
def metered(hall: Caller) -> Caller:
    """The hall, with `pdu-a` counting for `sub-a` from the start of January on."""
    hall.made("/v1/assignments", assignment(**{"from": "2026-01-01T00:00:00Z"}))
    return hall
