"""What is said about a route beside its code: who may call it, what it refuses, what bytes it takes.

The app reads it before each request; the description reads it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask
from werkzeug.routing import Rule

from services.credentials import SCOPES

View = TypeVar("View", bound=Callable[..., Any])


@dataclass
class Guard:
    """What is known of one operation. `scopes` None: not said yet; empty: any credential will do."""

    scopes: tuple[str, ...] | None = None
    public: str | None = None
    of_provider: bool = False
    refusals: dict[int, dict[str, str]] = field(default_factory=dict)
    body_types: Mapping[str, Any] | None = None


def guard_of(view: Callable[..., Any]) -> Guard:
    """The guard of a view function, made at first use. Decorators pass it on, in whatever order they stand."""
    guard: Guard | None = getattr(view, "_guard", None)
    if guard is None:
        guard = Guard()
        view._guard = guard  # type: ignore[attr-defined]
    return guard


def require(*scopes: str, of_provider: bool = False) -> Callable[[View], View]:
    """Let in whoever has one of these scopes; without any, whoever has a credential.

    Args:
        of_provider: not for credentials of an account, since this is about the provider as a whole.
    """
    unknown = set(scopes) - set(SCOPES)
    if unknown:
        raise ValueError(f"no such scope: {', '.join(sorted(unknown))}")

    def mark(view: View) -> View:
        guard = guard_of(view)
        guard.scopes, guard.of_provider = scopes, of_provider
        return view

    return mark


def public(why: str) -> Callable[[View], View]:
    """Let everybody in; say why that is right."""

    def mark(view: View) -> View:
        guard_of(view).public = why
        return view

    return mark


def refuses(status: int, **codes: str) -> Callable[[View], View]:
    """Document what a route refuses: `refuses(409, illegal_transition="The invoice is not a draft.")`."""

    def mark(view: View) -> View:
        guard_of(view).refusals.setdefault(status, {}).update(codes)
        return view

    return mark


def takes_bytes(types: Mapping[str, Any]) -> Callable[[View], View]:
    """Describe a body that the view reads by itself with `api.http.raw_body()`.

    Args:
        types: content type -> an OpenAPI media type object; its `schema` may be one of our schema classes.
    """

    def mark(view: View) -> View:
        guard_of(view).body_types = types
        return view

    return mark


def guard_for(app: Flask, endpoint: str, method: str) -> Guard | None:
    """The guard of an operation, or None where no view of ours answers."""
    view: Any = app.view_functions[endpoint]
    owner = getattr(view, "view_class", None)
    if owner is not None:
        view = getattr(owner, "get" if method == "HEAD" else method.lower(), None)
    return None if view is None else getattr(view, "_guard", None)


def check_guards(app: Flask, rules: list[Rule]) -> None:
    """Every operation under /v1 says who may call it; else the app does not start."""
    for rule in rules:
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            guard = guard_for(app, rule.endpoint, method)
            if guard is None or (guard.scopes is None and guard.public is None):
                raise RuntimeError(f"{method} {rule.rule} says neither require(...) nor public(...)")
