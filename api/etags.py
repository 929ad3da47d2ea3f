"""`ETag` on what is read, `If-None-Match` and `If-Match` on it: the hash of the representation itself.

No route writes a version: a change that carries `If-Match` first reads the resource as its GET would show it, in the
same transaction and after other changes of the same resource have ended.
"""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Response, current_app, g, request
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException

from api.transaction import context
from core.errors import StaleVersion
from services.versions import hold


def tag(answer: Response) -> Response:
    """Give a read its ETag, and answer 304 when the caller has it already."""
    if request.method in ("GET", "HEAD") and answer.status_code == 200 and not answer.is_streamed:
        if not answer.headers.get("ETag"):
            answer.set_etag(_hash(answer))
        answer.make_conditional(request)
    return answer


def check_match() -> None:
    """Before a change of one resource: wait for others' changes, and compare what the caller has seen.

    Raises:
        StaleVersion: `version_stale`.
    """
    if request.method in ("GET", "HEAD", "OPTIONS") or g.get("caller") is None:
        return
    if request.method == "POST" and not request.view_args:
        return
    hold(context(), _resource_path())
    if request.if_match and not request.if_match.contains(_current_tag() or ""):
        raise StaleVersion("version_stale", "It has changed since you read it. Read it again.")


def _resource_path() -> str:
    """`/v1/invoices/inv_…` for everything at and below it."""
    return "/".join(request.path.split("/")[:4])


def _current_tag() -> str | None:
    for path in (request.path, request.path.rpartition("/")[0]):
        answer = _read(path)
        if answer is not None:
            return _hash(answer)
    return None


def _read(path: str) -> Response | None:
    adapter = request_ctx.url_adapter
    try:
        endpoint, arguments = adapter.match(path, method="GET")  # type: ignore[union-attr]
    except HTTPException:
        return None
    view: Any = current_app.view_functions[endpoint]
    owner = getattr(view, "view_class", None)
    return current_app.make_response(owner().get(**arguments) if owner else view(**arguments))


def _hash(answer: Response) -> str:
    return hashlib.sha256(answer.get_data()).hexdigest()[:32]
