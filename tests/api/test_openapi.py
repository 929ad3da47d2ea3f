"""The description: complete, valid, and the same as the file in the repository."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import validate

from api import openapi
from tests.api.conftest import Caller


@pytest.fixture(scope="module")
def spec(app: Flask) -> dict[str, Any]:
    return openapi.document(app)


def _operations(spec: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, operations in spec["paths"].items()
        for method, operation in operations.items()
        if method in openapi.METHODS
    ]


def test_the_description_is_valid_openapi(spec: dict[str, Any]) -> None:
    validate(spec)


def test_the_file_in_the_repository_is_what_the_routes_say(app: Flask) -> None:
    assert openapi.FILE.read_text(encoding="utf-8") == openapi.as_text(app), "run `busbar openapi --write`"


def test_every_route_is_described(spec: dict[str, Any], app: Flask) -> None:
    served = {
        (path, method)
        for path, method, guard in openapi.operations(app)
        if path.startswith(("/v1/", "/oauth/")) and guard is not None
    }
    assert served == {(path, method) for path, method, _ in _operations(spec)}


def test_every_operation_says_what_it_does_and_what_it_refuses(spec: dict[str, Any]) -> None:
    for path, method, operation in _operations(spec):
        name = f"{method} {path}"
        assert operation.get("summary"), name
        assert {"429", "500"} <= operation["responses"].keys(), name
        assert any(status[0] == "2" for status in operation["responses"]), name
        if operation["security"]:
            assert {"401", "403"} <= operation["responses"].keys(), name
        if "requestBody" in operation:
            assert {"400", "413", "415", "422"} <= operation["responses"].keys(), name
        if "{" in path:
            assert "404" in operation["responses"], name


def test_every_post_with_a_body_shows_an_example(spec: dict[str, Any]) -> None:
    for path, method, operation in _operations(spec):
        if method == "post" and "requestBody" in operation:
            for media in operation["requestBody"]["content"].values():
                assert "example" in media or "examples" in media, f"{method} {path}"


def test_every_post_takes_an_idempotency_key(spec: dict[str, Any]) -> None:
    for path, method, operation in _operations(spec):
        if method == "post" and operation["security"]:
            assert {"$ref": "#/components/parameters/IdempotencyKey"} in operation["parameters"], path


def _resolved(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _lists(spec: dict[str, Any]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every list: its path, its operation, the schema of one item."""
    found = []
    for path, method, operation in _operations(spec):
        schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema")
        members = _resolved(spec, schema or {}).get("properties", {})
        if method == "get" and members.keys() == {"data", "next_cursor"}:
            found.append((path, operation, _resolved(spec, members["data"]["items"])))
    return found


def test_every_list_is_read_by_key_and_what_has_an_external_id_is_found_by_it(spec: dict[str, Any]) -> None:
    lists = _lists(spec)
    assert len(lists) > 15
    for path, operation, item in lists:
        names = {parameter.get("name") for parameter in operation["parameters"]}
        assert {"limit", "cursor"} <= names, path
        if "external_id" in item["properties"] and "{" not in path:
            assert "external_id" in names, path


def test_whatever_shows_an_external_id_takes_one(spec: dict[str, Any]) -> None:
    lacking = []
    for path, _, item in _lists(spec):
        body = spec["paths"][path].get("post", {}).get("requestBody", {}).get("content", {}).get("application/json")
        if body and "external_id" in item["properties"]:
            members = _resolved(spec, body["schema"])["properties"]
            lacking += [f"{path} {name}" for name in ("external_id", "metadata") if name not in members]
    assert not lacking


def test_operation_names_are_unique(spec: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in _operations(spec)]
    assert len(names) == len(set(names))


def test_the_documentation_page_asks_no_other_host_for_anything(nobody: Caller) -> None:
    page = nobody.get("/docs")
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "http://" not in text
    assert "https://" not in text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for path in ("/docs/assets/swagger-ui/swagger-ui-bundle.js", "/docs/assets/docs.js", "/openapi.json"):
        assert nobody.get(path).status_code == 200, path


def test_the_served_description_is_the_file(nobody: Caller, spec: dict[str, Any]) -> None:
    assert json.loads(nobody.get("/openapi.json").data) == spec
