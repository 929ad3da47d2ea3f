"""A house whose sandboxes charge at a running gateway, and a provider in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from api.app import create_app
from runtime.house import House
from runtime.unit import unit
from services import credentials, gateway_accounts
from tests.api.conftest import Caller
from tests.builders.payments import Open, Till
from tests.conftest import make_provider
from tests.standins.gateway_program import GatewayProgram


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProgram]:
    program = GatewayProgram(tmp_path_factory.mktemp("gateway") / "state.sqlite")
    yield program
    program.kill()


@pytest.fixture
def paying_house(house: House, gateway: GatewayProgram, monkeypatch: pytest.MonkeyPatch) -> House:
    """The house with the gateway's address, for the doors under test too."""
    paying = replace(house, kit=replace(house.kit, sandbox_gateway_url=gateway.url))
    monkeypatch.setattr("runtime.unit.house", lambda: paying)
    monkeypatch.setattr("runtime.house.house", lambda: paying)
    return paying


@pytest.fixture
def new_till(paying_house: House, gateway: GatewayProgram) -> Callable[[], Till]:
    """Make a sandbox with its first gateway accounts; its clock stands at 2026-01-15T00:00Z."""

    def make() -> Till:
        provider_id: UUID = make_provider(paying_house)

        def opener(**options: object) -> object:
            return unit(provider_id, actor="test", within=paying_house, **options)  # type: ignore[arg-type]

        opened: Open = opener  # type: ignore[assignment]
        with opened() as ctx:
            gateway_accounts.create_first_accounts(ctx)
        return Till(opened, provider_id, gateway)

    return make


@pytest.fixture
def till(new_till: Callable[[], Till]) -> Till:
    """A fresh sandbox."""
    return new_till()


@pytest.fixture
def new_caller(till: Till, paying_house: House) -> Callable[..., Caller]:
    """Make callers of the till's provider; one with an account sees that alone."""
    app = create_app(paying_house)

    def make(account_id: UUID | None = None, scopes: Any = credentials.SCOPES) -> Caller:
        with till.open() as ctx:
            _, key = credentials.create_key(ctx, name="test", scopes=scopes, account_id=account_id)
        return Caller(app.test_client(), key)

    return make


@pytest.fixture
def client(new_caller: Callable[..., Caller]) -> Caller:
    """The operator."""
    return new_caller()
