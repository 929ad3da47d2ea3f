"""One gateway for all tests of it; each test has a secret key, and so a world, of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.standins.gateway_program import GatewayProgram, fresh_key


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProgram]:
    program = GatewayProgram(tmp_path_factory.mktemp("gateway") / "state.sqlite")
    yield program
    program.kill()


@pytest.fixture
def key() -> str:
    return fresh_key()
