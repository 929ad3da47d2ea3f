"""What guards every request and every answer: forms that are ours, and a browser told to run nothing else."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from flask import Response, abort, g, request

from core.ids import new_id
from portal import visits
from runtime import logs

FORM_FIELD = "csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

# Everything from here and nothing inline. Pictures may be in the style sheet itself (`data:`).
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Addresses of this door may hold a one-time token: no path leaves. With "no-referrer", forms would tell no origin.
    "Referrer-Policy": "strict-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


def before() -> None:
    """Name the request, and refuse a form that is not one of ours: from another site, or without its secret."""
    g.request_id = new_id().hex
    logs.bind(request_id=g.request_id)
    if request.method in SAFE:
        return
    origin = request.headers.get("Origin")
    if origin and origin != "null" and urlsplit(origin).netloc != request.host:
        abort(403)
    expected = visits.expected_form_secret()
    if origin == "null" or expected is None:
        abort(403)
    if not secrets.compare_digest(request.form.get(FORM_FIELD, "").encode(), expected.encode()):
        abort(403)


def after(response: Response) -> Response:
    """Put the guards on an answer; keep pages out of shared caches."""
    response.headers["X-Request-Id"] = g.get("request_id", "")
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    if g.get("form_secret"):
        visits.set_cookie(response, visits.FORM_COOKIE, g.form_secret, path=request.script_root or "/")
    return response
