"""Signing in by a one-time link, and out."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.errors import NotFound
from portal import visits
from services import portal_sessions
from services.clock import system_now

pages = Blueprint("sign_in", __name__)
ADDRESS_LENGTH_MAX = 254  # RFC 5321 §4.5.3.1.3


@pages.get("/")
def root() -> ResponseReturnValue:
    """There is no page without a provider: its customers have its address."""
    return render_template("root.html")


@pages.get("/<id(provider):provider_id>/sign-in")
def form(provider_id: UUID) -> ResponseReturnValue:
    """Ask for the address to mail a link to."""
    if visits.current().visitor:
        return redirect(url_for("overview.page", provider_id=provider_id), 303)
    with visits.as_stranger() as ctx:
        return render_template("sign_in.html", sandbox=ctx.provider.sandbox)


@pages.post("/<id(provider):provider_id>/sign-in")
def ask(provider_id: UUID) -> ResponseReturnValue:
    """Mail a link, if the address may sign in. The answer is the same for every address."""
    address = request.form.get("email", "").strip()
    if "@" not in address or len(address) > ADDRESS_LENGTH_MAX or not address.isprintable():
        return render_template("sign_in.html", wrong=address), 422
    with visits.as_stranger() as ctx:
        portal_sessions.ask(ctx, address, system_now(), visits.mailed_base_url(ctx))
        minutes = int(portal_sessions.LINK_LIFE.total_seconds() // 60)
        return render_template("asked.html", email=address, minutes=minutes, sandbox=ctx.provider.sandbox)


@pages.get("/<id(provider):provider_id>/enter/<token>")
def look(provider_id: UUID, token: str) -> ResponseReturnValue:
    """Show whose pages a link opens. It is used up by the button, so that scanners of mail do not use it."""
    try:
        with visits.as_stranger() as ctx:
            return render_template("enter.html", name=portal_sessions.preview(ctx, token, system_now()), token=token)
    except NotFound:
        return render_template("spent.html"), 404


@pages.post("/<id(provider):provider_id>/enter/<token>")
def enter(provider_id: UUID, token: str) -> ResponseReturnValue:
    """Use a link up and begin a session."""
    try:
        with visits.as_stranger() as ctx:
            session = portal_sessions.redeem(ctx, token, system_now())
    except NotFound:
        return render_template("spent.html"), 404
    home = url_for("overview.page", provider_id=provider_id)
    response = make_response(redirect(home, 303))
    life = int(portal_sessions.SESSION_LIFE.total_seconds())
    visits.set_cookie(response, visits.COOKIE, session, path=home, max_age=life)
    return response


@pages.post("/<id(provider):provider_id>/sign-out")
def leave(provider_id: UUID) -> ResponseReturnValue:
    """End the session, here and in the table."""
    visitor = visits.current().visitor
    if visitor:
        with visits.as_visitor() as ctx:
            portal_sessions.end(ctx, visitor.session_id, system_now())
    response: Response = make_response(redirect(url_for("sign_in.form", provider_id=provider_id), 303))
    response.delete_cookie(visits.COOKIE, path=url_for("overview.page", provider_id=provider_id))
    return response
