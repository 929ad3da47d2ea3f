"""The OpenAPI 3.1 description: what flask-smorest read off the routes, completed by what the door does for all.

The door's own behaviour (credentials, problems, limits, idempotency, ETags) is described in one place, here, from
the same guards that the app obeys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Flask
from marshmallow import Schema as AnySchema

from api.guards import Guard, guard_for
from api.openapi_shapes import share
from api.problems import TYPE
from api.schemas.meters import by_aggregation
from api.schemas.values import countries
from core.money import CURRENCIES
from services.credentials import MEANINGS

Document = dict[str, Any]
FILE = Path(__file__).resolve().parent.parent / "openapi" / "openapi.json"
METHODS = ("get", "post", "put", "patch", "delete")
_PATH_PARAMETER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")

# What the door itself refuses, by status: code -> when.
ALWAYS = {
    429: {"rate_limited": "More requests than allowed in a minute; see Retry-After."},
    500: {"internal_error": "A fault of ours, logged under the request id."},
    503: {
        "busy": "Another request works on the same thing. Try again.",
        "database_unavailable": "The database does not answer. Try again.",
    },
}
GUARDED = {
    401: {
        "credential_missing": "There is no bearer token.",
        "credential_invalid": "The token is unknown, expired or revoked.",
    },
    403: {"scope_missing": "The credential lacks the scope."},
}
WHOLE = {403: {"credential_of_account": "This is not for credentials of an account."}}
BODY = {
    400: {"json_malformed": "The body is not JSON.", "bad_request": "The request cannot be understood."},
    413: {"body_too_large": "The body is over the limit."},
    415: {"content_type_unsupported": "The body is not of a type that this route takes."},
    422: {"member_unknown": "A member that the schema does not have; each wrong member has its own code."},
}
QUERY = {422: {"parameter_unknown": "A parameter that this route does not take; each wrong one has its own code."}}
CURSOR = {422: {"cursor_invalid": "The cursor was not made by this list with these filters."}}
KEYED = {
    400: {"idempotency_key_malformed": "Idempotency-Key is not 1 to 255 visible ASCII characters."},
    409: {
        "idempotency_key_reused": "The key was used with another body.",
        "request_in_progress": "The first request with this key is still running.",
    },
}
MATCHED = {412: {"version_stale": "If-Match names an older state."}}
CONFLICTS = {
    409: {
        "external_id_taken": "Another one of this kind has this external id.",
        "already_exists": "One like this exists already.",
    }
}

HEADERS: Document = {
    "X-Request-Id": {"description": "Quote it when you ask us.", "schema": {"type": "string"}},
    "RateLimit-Limit": {"description": "Requests per minute.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "What is left of them.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "Seconds until the next minute begins.", "schema": {"type": "integer"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "ETag": {"description": "The version of what was read.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "`true` on a stored answer.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
PARAMETERS: Document = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key with the same body gives the stored answer for 24 hours, secrets left out.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag that you read; a stale one is 412.",
        "schema": {"type": "string"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag that you have; 304 while it is current.",
        "schema": {"type": "string"},
    },
}
ABOUT = """Busbar turns the readings of a data centre's meters, its customers' contracts and their payments into
correct invoices, collected payments and provisioning events.

**Values.** Money is an integer in the currency's minor unit (`amount`, `*_amount`) with `currency` beside it; prices,
rates and quantities are decimal strings; instants are RFC 3339 with `Z`; ids say what they name (`inv_…`).
**Refusals** are `application/problem+json` with a stable `code` and a JSON pointer per wrong member.
**Limits.** Bodies may have {body_limit_bytes} bytes, usage bodies {inflated_limit_bytes} once unpacked; a credential
may make {requests_per_minute} requests a minute; lists give at most 200 at a time; a revoked credential is refused
after at most {keep_s:g} seconds."""


def document(app: Flask) -> Document:
    """The whole description of an app, as a JSON value."""
    _register_byte_schemas(app)
    spec: Document = json.loads(json.dumps(app.extensions["busbar.spec"].to_dict()))
    paths = spec.setdefault("paths", {})
    for path, method, guard in operations(app):
        operation = paths.get(path, {}).get(method)
        if operation is not None and guard is not None:
            _complete(app, path, method, operation, guard)
    _components(spec)
    for name in ("Meter", "MeterNew"):
        spec["components"]["schemas"][name] = by_aggregation(spec["components"]["schemas"][name])
    _loosen_bodies(spec)
    _share_refusals(spec)
    return _named_lists(share(spec))


def operations(app: Flask) -> Iterator[tuple[str, str, Guard | None]]:
    """Every documented operation: its path as OpenAPI writes it, its method, its guard."""
    for rule in app.url_map.iter_rules():
        path = _PATH_PARAMETER.sub(r"{\1}", rule.rule)
        for method in METHODS:
            if method.upper() in (rule.methods or set()):
                yield path, method, guard_for(app, rule.endpoint, method)


def write(app: Flask, file: Path = FILE) -> Path:
    """Write the description where the repository keeps it."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(as_text(app), encoding="utf-8")
    return file


def as_text(app: Flask) -> str:
    """The description as it is kept: one member a line, so that a change can be read."""
    return json.dumps(document(app), indent=2, ensure_ascii=False) + "\n"


def _complete(app: Flask, path: str, method: str, operation: Document, guard: Guard) -> None:
    operation["operationId"] = _operation_id(path, method)
    if guard.body_types is not None:
        _describe_bytes(app, operation, guard.body_types)
    _drop_parameters(operation)
    refusals = _refusals(path, method, operation, guard)
    responses = operation["responses"] = _successes(method, operation)
    for status in sorted(refusals):
        responses[str(status)] = _problem(status, refusals[status])
    _security(operation, guard)
    if method == "get":
        _parameter(operation, "IfNoneMatch")
        responses["304"] = {"description": "You have it already.", "headers": _headers("ETag", "X-Request-Id")}
    elif guard.public is None:
        if method == "post":
            _parameter(operation, "IdempotencyKey")
        if _changes_one(path, method):
            _parameter(operation, "IfMatch")


def _refusals(path: str, method: str, operation: Document, guard: Guard) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}

    def add(table: Mapping[int, Mapping[str, str]]) -> None:
        for status, codes in table.items():
            found.setdefault(status, {}).update(codes)

    add(ALWAYS)
    parameters = [p for p in operation.get("parameters", []) if isinstance(p, dict)]
    if guard.public is None:
        add(GUARDED)
        add(WHOLE if guard.of_provider else {})
        add(KEYED if method == "post" else {})
        add(MATCHED if _changes_one(path, method) else {})
    if "requestBody" in operation:
        add(BODY)
        add(CONFLICTS)
    elif method != "get":
        add({413: BODY[413]})
    add(QUERY if any(p["in"] == "query" for p in parameters) else {})
    add(CURSOR if any(p["name"] == "cursor" for p in parameters) else {})
    for name in re.findall(r"\{(\w+)_id\}", path):
        add({404: {f"{name}_not_found": "It does not exist, or not for this credential."}})
    add(guard.refusals)
    return found


def _changes_one(path: str, method: str) -> bool:
    return method in ("put", "patch", "delete") or (method == "post" and "{" in path)


def _problem(status: int, codes: Mapping[str, str]) -> Document:
    listed = "\n".join(f"- `{code}`: {when}" for code, when in codes.items())
    code, when = next(iter(codes.items()))
    example = {
        "type": f"urn:problem-type:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": when,
        "code": code,
        "request_id": "0190f5a2-7c3e-7b1a-9d52-3f6a1c8e4b70",
    }
    extra = ("Retry-After",) if status in (429, 503) else ()
    return {
        "description": f"{HTTPStatus(status).phrase}.\n\n{listed}",
        "headers": _headers("X-Request-Id", *extra),
        "content": {TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }


def _successes(method: str, operation: Document) -> Document:
    """The route's own answers; what flask-smorest adds for errors is ours to say."""
    kept = {str(s): r for s, r in operation.get("responses", {}).items() if str(s)[0] in "23"}
    names = ["X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
    names += {"get": ["ETag"], "post": ["Idempotent-Replayed"]}.get(method, [])
    for answer in kept.values():
        answer["headers"] = {**_headers(*names), **answer.get("headers", {})}
    return kept


def _security(operation: Document, guard: Guard) -> None:
    if guard.public is not None:
        operation["security"] = []
        return
    scopes = guard.scopes or ()
    operation["security"] = [{"bearer": []}, *({"oauth": [scope]} for scope in scopes or ("",) if scope)]
    if scopes:
        said = " or ".join(f"`{scope}`" for scope in scopes)
        operation["description"] = f"{operation.get('description', '')}\n\nNeeds the scope {said}.".strip()


def _register_byte_schemas(app: Flask) -> None:
    """Bodies that no view loads have schemas too: they must be known before the components are written."""
    resolve = app.extensions["busbar.converter"].resolve_nested_schema
    for _, _, guard in operations(app):
        for media in ((guard and guard.body_types) or {}).values():
            if _is_ours(media["schema"]):
                resolve(media["schema"])


def _is_ours(schema: Any) -> bool:
    return isinstance(schema, type) and issubclass(schema, AnySchema)


def _describe_bytes(app: Flask, operation: Document, types: Mapping[str, Any]) -> None:
    resolve = app.extensions["busbar.converter"].resolve_nested_schema
    content = {}
    for content_type, media in types.items():
        schema = media["schema"]
        content[content_type] = {**media, "schema": resolve(schema) if _is_ours(schema) else schema}
    operation["requestBody"] = {"required": True, "content": content}


def _drop_parameters(operation: Document) -> None:
    """flask-smorest leaves names of headers that we describe ourselves."""
    kept = [p for p in operation.get("parameters", []) if isinstance(p, dict)]
    operation["parameters"] = kept


def _parameter(operation: Document, name: str) -> None:
    operation["parameters"].append({"$ref": f"#/components/parameters/{name}"})


def _headers(*names: str) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _operation_id(path: str, method: str) -> str:
    words = [w.strip("{}").replace("-", "_") for w in path.split("/") if w and w != "v1"]
    return "_".join([method, *words])


def _loosen_bodies(spec: Document) -> None:
    """A body none of whose members is required may be left out."""
    schemas = spec["components"]["schemas"]
    for operation in _each_operation(spec):
        media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        name = media.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name in schemas and not schemas[name].get("required"):
            operation["requestBody"]["required"] = False


def _share_refusals(spec: Document) -> None:
    """Refusals that several operations give alike are written once."""
    shared: dict[str, str] = {}
    responses = spec["components"].setdefault("responses", {})
    for operation in _each_operation(spec):
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                continue
            text = json.dumps(answer, sort_keys=True)
            if text not in shared:
                count = sum(name.startswith(f"Refused{status}") for name in responses)
                shared[text] = f"Refused{status}" + (f"_{count + 1}" if count else "")
                responses[shared[text]] = answer
            operation["responses"][status] = {"$ref": f"#/components/responses/{shared[text]}"}


def _each_operation(spec: Document) -> Iterator[Document]:
    for operations_of_path in spec["paths"].values():
        yield from (operation for method, operation in operations_of_path.items() if method in METHODS)


def _named_lists(spec: Document) -> Document:
    """Long lists of codes are components of their own."""
    named = {"Currency": sorted(CURRENCIES), "Country": sorted(countries())}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        for name, codes in named.items():
            if node.get("enum") in (codes, [*codes, None]):
                only = {"$ref": f"#/components/schemas/{name}"}
                return {"anyOf": [only, {"type": "null"}]} if None in node["enum"] else only
        if isinstance(node.get("type"), list):
            node = {**node, "type": list(dict.fromkeys(node["type"]))}
        return {key: walk(inner) for key, inner in node.items()}

    walked: Document = walk(spec)
    for name, standard, codes in (
        ("Currency", "ISO 4217.", named["Currency"]),
        ("Country", "ISO 3166-1 alpha-2.", named["Country"]),
    ):
        walked["components"]["schemas"][name] = {"type": "string", "description": standard, "enum": codes}
    return walked


def _components(spec: Document) -> None:
    components = spec.setdefault("components", {})
    components["schemas"].pop("PaginationMetadata", None)
    components["parameters"] = PARAMETERS
    components["headers"] = HEADERS
    components.pop("responses", None)
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`bb_live_…`, `bb_test_…`) or an OAuth 2.0 access token.",
        },
        "oauth": {
            "type": "oauth2",
            "description": "Client credentials, for programs and agents.",
            "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": MEANINGS}},
        },
    }
