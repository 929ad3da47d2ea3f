"""Every route is tried with what its description allows and what it does not: no fault, no undocumented answer."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import app_to_describe
from api.openapi import document
from runtime.house import House
from runtime.unit import unit
from services import credentials
from tests.conftest import make_provider

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
]


class LateApp:
    """The app, which needs a database, in the place of the one that the description was read from."""

    target: Flask | None = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        assert self.target is not None
        return self.target(environ, start_response)


late = LateApp()
schema = schemathesis.openapi.from_dict(document(app_to_describe()))
schema.app = late


@pytest.fixture(scope="module")
def key(house: House) -> str:
    """A key that may do everything, at a provider that all examples share."""
    with unit(make_provider(house), actor="test", within=house) as ctx:
        return credentials.create_key(ctx, name="schemathesis", scopes=credentials.SCOPES)[1]


@schema.parametrize()
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_route_answers_as_described(case: Case, app: Flask, key: str) -> None:
    late.target = app
    case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)
