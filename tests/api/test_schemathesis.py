"""Every route is tried with what its description allows and what it does not: no fault, no undocumented answer.

Ids in paths and bodies are often replaced by ids that exist, so that the examples get past the first look-up.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import Any, ClassVar

import orjson
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from schemathesis import Case, CheckContext, HookContext, Response, SerializationContext
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import app_to_describe
from api.openapi import document
from core.ids import PREFIXES
from runtime.house import House
from runtime.unit import unit
from services import credentials
from tests.api.conftest import Caller
from tests.builders import world
from tests.conftest import make_provider


def no_fault(ctx: CheckContext, response: Response, case: Case) -> None:
    """No 5xx; but a gateway that is not there may be said to be so (503)."""
    assert response.status_code < 500 or response.status_code == 503


def nonsense_is_refused(ctx: CheckContext, response: Response, case: Case) -> bool | None:
    """What breaks the schema is refused; in bulk by index, in an answer that is good."""
    return None if case.operation.path.startswith("/v1/usage/") else negative_data_rejection(ctx, response, case)


@schemathesis.serializer("application/x-ndjson")
def lines(ctx: SerializationContext, value: Any) -> bytes:
    """A list as one JSON value a line."""
    return b"\n".join(orjson.dumps(each) for each in (value if isinstance(value, list) else [value]))


CHECKS = [
    no_fault,
    nonsense_is_refused,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# A route has hundreds of corner cases; each run takes one in so many of them. All of them: TRY_EVERY=1.
EVERY = int(os.environ.get("TRY_EVERY", "16"))
# Corner cases of every model within every other are more than there is time for. That the schema of each takes its
# examples, and that all of them are taken and refused over HTTP, is tested by itself.
TRIED_MODELS = {
    "Price": ("PriceFlat", "PriceGraduated", "PriceTimeOfUse", "PriceMatrix"),
    "Overage": ("OveragePerUnit",),
}


def described() -> dict[str, Any]:
    """The description, its prices narrowed to a few models."""
    found = document(app_to_describe())
    for name, kept in TRIED_MODELS.items():
        found["components"]["schemas"][name]["oneOf"] = [{"$ref": f"#/components/schemas/{one}"} for one in kept]
    return found


DESCRIPTION = described()
_ID = re.compile(r"([a-z]+)_[0-7][0-9a-hjkmnp-tv-z]{25}\Z")


class Late:
    """The app and the ids, which need a database, in the place of what the description was read from."""

    target: Flask | None = None
    known: dict[str, list[str]]
    tried: ClassVar[Counter[str]] = Counter()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        assert self.target is not None
        return self.target(environ, start_response)


late = Late()
schema = schemathesis.openapi.from_dict(DESCRIPTION)
schema.app = late


@schema.hook
def map_path_parameters(context: HookContext, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Half of the ids in a path exist."""
    return {name: _existing(value) for name, value in (path_parameters or {}).items()}


@schema.hook
def map_headers(context: HookContext, headers: dict[str, Any] | None) -> dict[str, Any] | None:
    """Nobody has seen a version: a made up one would be refused before the body is looked at."""
    return {name: value for name, value in (headers or {}).items() if name != "If-Match"}


@schema.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Half of the things that a body refers to exist."""
    if not isinstance(body, dict):
        return body
    return {name: _referred(name, value) for name, value in body.items()}


def _existing(value: Any) -> Any:
    found = _ID.match(value) if isinstance(value, str) else None
    known = late.known.get(found[1], []) if found else []
    # As good as a coin, and the same for the same example.
    return known[len(value) % len(known)] if known and sum(value.encode()) % 2 else value


def _referred(name: str, value: Any) -> Any:
    known = late.known.get(PREFIXES.get(name, ""), [])
    return known[0] if isinstance(value, str) and known and sum(value.encode()) % 2 else value


@pytest.fixture(scope="module")
def key(app: Flask, house: House) -> str:
    """A key that may do everything, at a furnished sandbox that all examples share."""
    provider_id = make_provider(house)
    with unit(provider_id, actor="test", within=house) as ctx:
        made = credentials.create_key(ctx, name="schemathesis", scopes=credentials.SCOPES)[1]
    client = Caller(app.test_client(), made)
    world.furnish(client, provider_id)
    late.target, late.known = app, world.known_ids(client, DESCRIPTION["paths"])
    # The key of the examples themselves must not be revoked by one of them.
    late.known.pop("key", None)
    return made


@schema.parametrize()
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_route_answers_as_described(case: Case, key: str) -> None:
    late.tried[case.operation.label] += 1
    if late.tried[case.operation.label] % EVERY != 1 % EVERY:
        return
    case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)
