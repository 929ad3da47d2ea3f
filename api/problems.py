"""Refusals as problem+json (RFC 9457). Nothing else leaves this house when something is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, json, request
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from core.errors import Conflict, FieldError, Invalid, Refused, Unavailable

TYPE = "application/problem+json"
ERRORS_MAX = 100
log = structlog.get_logger(__name__)

# What werkzeug raises, in our words.
_HTTP = {
    400: ("bad_request", "The request cannot be understood."),
    404: ("route_not_found", "There is no such route."),
    405: ("method_not_allowed", "This route does not take this method."),
    406: ("not_acceptable", "This route answers in JSON."),
    413: ("body_too_large", "The body is larger than this route takes."),
    414: ("url_too_long", "The URL is too long."),
    415: ("content_type_unsupported", "Send application/json."),
    431: ("headers_too_large", "The headers are too large."),
}
_AWAY = {"08", "57", "53"}  # connection exceptions, the operator's intervention, too few resources
_CONTENTION = {"40001", "40P01", "55P03", "57014"}  # serialization, deadlock, lock timeout, statement timeout


class Malformed(Refused):
    """The request cannot be read at all."""

    status, title = 400, "Malformed"


class TooLarge(Refused):
    """The body is over the route's limit."""

    status, title = 413, "Too large"


class UnsupportedType(Refused):
    """The body is not of a content type that the route takes."""

    status, title = 415, "Unsupported content type"


class TooMany(Refused):
    """The caller is over its rate."""

    status, title = 429, "Too many requests"


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    title: str,
    errors: Iterable[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A refusal as an answer."""
    body = {
        "type": f"urn:problem-type:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": g.get("request_id", ""),
    }
    listed = list(errors)
    if listed:
        body["errors"] = listed
    answer = Response(json.dumps(body), status=status, content_type=TYPE)
    answer.headers.update(headers or {})
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="busbar"'
    return answer


def from_refused(refused: Refused) -> Response:
    """The answer for a refusal that some floor below raised."""
    errors = [_member(error) for error in refused.errors[:ERRORS_MAX]]
    headers = {"Retry-After": "1"} if refused.status == 503 else None
    return problem(refused.status, refused.code, refused.detail, title=refused.title, errors=errors, headers=headers)


def _member(error: FieldError) -> dict[str, str]:
    # A wrong query parameter is no member of the body, so it has a name instead of a pointer.
    if error.pointer.startswith("?"):
        return {"parameter": error.pointer[1:], "code": error.code, "detail": error.detail}
    return {"pointer": error.pointer, "code": error.code, "detail": error.detail}


def from_database(error: DBAPIError) -> Refused | None:
    """What a constraint found although no service looked first (two requests racing, a value out of range).

    None when it is a fault of ours.
    """
    state = getattr(error.orig, "sqlstate", None)
    if state in _CONTENTION:
        return Unavailable("busy", "Another request works on the same thing. Try again.")
    if isinstance(error, OperationalError) and (state is None or state[:2] in _AWAY):
        log.error("database_away", error=type(error.orig).__name__, sqlstate=state)
        return Unavailable("database_unavailable", "The database does not answer. Try again.")
    if isinstance(error, IntegrityError) and state == "23505":
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
        if constraint.endswith("_external_id"):
            return Conflict("external_id_taken", "Another one of this kind has this external id.", "/external_id")
        return Conflict("already_exists", "One like this exists already.")
    if isinstance(error, DataError):
        return Invalid("value_out_of_range", "A value in this request is out of range.")
    return None


def _http_exception(error: HTTPException) -> Response:
    refused = getattr(error, "refused", None)
    if isinstance(refused, Refused):
        # `/v1/agents/enrol` is no id that is not found, but a route of its own with other methods.
        named = [rule for rule in current_app.url_map.iter_rules() if rule.rule == request.path]
        if not named:
            return from_refused(refused)
        error = MethodNotAllowed(sorted(set().union(*(rule.methods or set() for rule in named))))
    status = error.code or 500
    if 300 <= status < 400:
        return Response(response=error.get_response().get_data(), status=status, headers=error.get_headers())
    if status >= 500:
        return _fault(error)
    code, detail = _HTTP.get(status, ("bad_request", "The request cannot be understood."))
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return problem(status, code, detail, title=error.name, headers=headers)


def _database_error(error: DBAPIError) -> Response:
    refused = from_database(error)
    return _fault(error) if refused is None else from_refused(refused)


def _pool_timeout(error: PoolTimeout) -> Response:
    log.warning("connections_exhausted")
    return from_refused(Unavailable("busy", "Too many requests are under way. Try again."))


def _fault(error: Exception) -> Response:
    log.error("request_failed", method=request.method, path=request.path, exc_info=error)
    detail = "Something went wrong on our side. Quote the request id when you ask us."
    return problem(500, "internal_error", detail, title="Internal error")


def install(app: Flask) -> None:
    """Answer every exception of an app as a problem."""
    app.register_error_handler(Refused, from_refused)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(DBAPIError, _database_error)
    app.register_error_handler(PoolTimeout, _pool_timeout)
    app.register_error_handler(Exception, _fault)
