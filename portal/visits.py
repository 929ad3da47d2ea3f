"""Who is here: the session's cookie, the secrets of forms, and the transaction in which a visitor's page is made."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from core.errors import NotFound, Unavailable
from core.ids import encode
from exports.document import DEFAULT_COLOUR
from runtime import house as houses
from runtime.unit import unit
from services import branding, portal_sessions
from services.branding import Brand
from services.clock import system_now
from services.context import Context
from services.portal_sessions import Visitor

log = logging.getLogger(__name__)

COOKIE = "busbar_session"
FORM_COOKIE = "busbar_form"
HOUSE_BRAND = Brand("Busbar", DEFAULT_COLOUR, None, None, None)


@dataclass(frozen=True)
class Visit:
    """What one request knows before its view runs. `provider_id` is None where the address names none that exists."""

    provider_id: UUID | None
    brand: Brand
    visitor: Visitor | None


def current() -> Visit:
    """This request's visit, looked up once."""
    if "visit" not in g:
        g.visit = _look_up()
    visit: Visit = g.visit
    return visit


def forget() -> None:
    """For the rest of this request nobody is here, nowhere."""
    g.visit = Visit(None, HOUSE_BRAND, None)


def _look_up() -> Visit:
    provider_id = (request.view_args or {}).get("provider_id")
    if isinstance(provider_id, UUID):
        try:
            with unit(provider_id, actor="portal") as ctx:
                token = request.cookies.get(COOKIE)
                visitor = portal_sessions.visitor(ctx, token, system_now()) if token else None
                return Visit(provider_id, branding.brand(ctx, visitor.account_id if visitor else None), visitor)
        except NotFound:
            pass  # no such provider: the page will not be found either
    return Visit(None, HOUSE_BRAND, None)


def signed_in(view: Callable[..., ResponseReturnValue]) -> Callable[..., ResponseReturnValue]:
    """A page for visitors who are signed in; others are sent to sign in."""

    @wraps(view)
    def guarded(provider_id: UUID, **arguments: Any) -> ResponseReturnValue:
        if current().visitor is None:
            door = url_for("sign_in.form", provider_id=provider_id)
            if request.headers.get("HX-Request"):  # a part of a page: the whole page has to go there
                return Response(status=204, headers={"HX-Redirect": door})
            return redirect(door, 303)
        return view(provider_id=provider_id, **arguments)

    return guarded


@contextmanager
def as_visitor() -> Iterator[Context]:
    """One transaction as the visitor: it sees the subtree of its account and nothing else."""
    visit = current()
    if visit.provider_id is None or visit.visitor is None:
        raise NotFound("page")
    who = f"portal:{encode('user', visit.visitor.user_id)}" if visit.visitor.user_id else "portal"
    with unit(
        visit.provider_id, actor=who, scope=frozenset({visit.visitor.account_id}), request_id=g.get("request_id")
    ) as ctx:
        yield ctx


@contextmanager
def as_stranger() -> Iterator[Context]:
    """One transaction of the provider in the address, for signing in."""
    visit = current()
    if visit.provider_id is None:
        raise NotFound("page")
    with unit(visit.provider_id, actor="portal", request_id=g.get("request_id")) as ctx:
        yield ctx


def mailed_base_url(ctx: Context) -> str:
    """The address to write into a mail.

    A request says itself which address it came to, and a liar would have links mailed that lead to it: only a sandbox,
    whose mail nobody is sent, takes its word.

    Raises:
        Unavailable: `public_url_missing`, a live provider without BUSBAR_PUBLIC_URL.
    """
    if ctx.kit.public_url is None and not ctx.provider.sandbox:
        log.error("BUSBAR_PUBLIC_URL is not set: nobody can be mailed a link to sign in")
        raise Unavailable("public_url_missing", "Links to sign in need BUSBAR_PUBLIC_URL.")
    return ctx.kit.public_url or request.host_url


def form_secret() -> str:
    """What a form on this page must bring back: the session's secret, or the browser's before there is a session."""
    expected = expected_form_secret() or g.get("form_secret")
    if expected is None:
        expected = g.form_secret = secrets.token_urlsafe(32)  # its cookie goes out with this answer
    return str(expected)


def expected_form_secret() -> str | None:
    """What a form that comes in must carry; None where no page of ours gave one."""
    visitor = current().visitor
    return visitor.csrf if visitor else request.cookies.get(FORM_COOKIE)


def set_cookie(response: Response, name: str, value: str, *, path: str, max_age: int | None = None) -> None:
    """A cookie that scripts cannot read and other sites cannot send; over TLS only, where there is TLS."""
    secure = request.is_secure or (houses.house().kit.public_url or "").startswith("https:")
    response.set_cookie(name, value, max_age=max_age, path=path, httponly=True, samesite="Lax", secure=secure)


def page_context() -> dict[str, Any]:
    """What every page shows: the brand, who is signed in, the secret of its forms."""
    visit = current()
    return {"provider_id": visit.provider_id, "brand": visit.brand, "visitor": visit.visitor, "csrf": form_secret}
