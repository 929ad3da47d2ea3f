"""What a route takes from the door: its blueprint, its context, its list, its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint as SmorestBlueprint  # type: ignore[import-untyped]
from werkzeug.exceptions import NotFound as RouteNotFound
from werkzeug.routing import BaseConverter, Map

from api import cursors
from api.guards import public, refuses, require, takes_bytes
from api.parsing import Parser, raw_body
from api.transaction import caller, context, context_for, together
from core import ids
from core.errors import Invalid, NotFound
from services.paging import Slice, Window

__all__ = [
    "binary",
    "blueprint",
    "caller",
    "context",
    "context_for",
    "page",
    "public",
    "raw_body",
    "refuses",
    "require",
    "takes_bytes",
    "together",
]
T = TypeVar("T")
Anything = TypeVar("Anything")


class Blueprint(SmorestBlueprint):  # type: ignore[misc]
    """flask-smorest's, reading bodies and queries our way, and typed."""

    ARGUMENTS_PARSER: ClassVar[Parser] = Parser()

    def route(self, rule: str, **options: Any) -> Callable[[Anything], Anything]:
        """Register a view at a path."""
        decorator: Callable[[Anything], Anything] = super().route(rule, **options)
        return decorator

    def arguments(self, schema: Any, **options: Any) -> Callable[[Anything], Anything]:
        """Give the view what the body, or with `location="query"` the query, loads as."""
        decorator: Callable[[Anything], Anything] = super().arguments(schema, **options)
        return decorator

    def response(self, status_code: int, schema: Any = None, **options: Any) -> Callable[[Anything], Anything]:
        """Answer with what the view returns, as the schema shows it."""
        decorator: Callable[[Anything], Anything] = super().response(status_code, schema, **options)
        return decorator


class IdConverter(BaseConverter):
    """`<id(invoice):invoice_id>`: a TypeID in the path, a UUID in the view. Anything else is not found."""

    def __init__(self, url_map: Map, kind: str) -> None:
        super().__init__(url_map)
        self.kind = kind

    def to_python(self, value: str) -> UUID:
        try:
            return ids.decode(self.kind, value)
        except Invalid:
            error = RouteNotFound()
            error.refused = NotFound(self.kind, value[:80])  # type: ignore[attr-defined]
            raise error from None

    def to_url(self, value: UUID) -> str:
        return ids.encode(self.kind, value)


def blueprint(name: str, description: str) -> Blueprint:
    """The blueprint of one resource."""
    return Blueprint(name, f"api.{name}", description=description)


def page(query: Mapping[str, Any], load: Callable[[Window], Slice[T]]) -> dict[str, Any]:
    """One page of a list in its envelope.

    Args:
        query: what a `ListQuery` loaded.
        load: the service call.
    """
    ctx = context()
    cursor = query.get("cursor")
    window = Window(query["limit"], None if cursor is None else cursors.read(ctx, cursor))
    found = load(window)
    return {"data": found.rows, "next_cursor": None if found.last is None else cursors.write(ctx, found.last)}


def binary(content: bytes | Iterator[bytes], content_type: str, *, filename: str | None = None) -> Response:
    """An answer that is no JSON."""
    answer = Response(content, content_type=content_type)
    if filename is not None:
        answer.headers.set("Content-Disposition", "inline", filename=filename)
    return answer
