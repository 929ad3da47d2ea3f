"""Callers of the real API, as the tests of the API make them."""

from __future__ import annotations

from tests.api.conftest import app, client, new_caller

__all__ = ["app", "client", "new_caller"]
