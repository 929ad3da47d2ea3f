"""The gateway that the tests of gateways talk to, and a world of its own in it for each test."""

from __future__ import annotations

from tests.standins.conftest import gateway, key

__all__ = ["gateway", "key"]
