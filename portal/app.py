"""The application: its pages, what guards every answer, and what a wrong turn looks like."""

from __future__ import annotations

import logging
from uuid import UUID

from flask import Flask, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, ValidationError

from core.errors import Invalid, Refused
from core.ids import decode, encode
from portal import assets, guards, present, visits
from portal.views import brand, invoices, overview, payments, sign_in, unbilled

log = logging.getLogger(__name__)

WORDS = {
    400: ("That did not work", "Something about this request is not right. Go back and try again."),
    403: ("This form is no longer good", "It was open for a long time, or came from elsewhere. Go back and try again."),
    404: ("Nothing here", "This page does not exist, or it is not yours to see."),
    405: ("Nothing here", "This page cannot be used in that way."),
    429: ("One moment, please", "There were many requests. Try again in a minute."),
    503: ("Back in a moment", "This page cannot be made right now. Nothing is lost; please try again in a minute."),
    500: ("Our fault", "Something went wrong here. It is written down; please try again in a moment."),
}


class IdConverter(BaseConverter):
    """`<id(invoice):invoice_id>`: a TypeID in the address, a UUID in the view; a malformed one is not found."""

    def __init__(self, url_map: object, kind: str) -> None:
        super().__init__(url_map)  # type: ignore[arg-type]
        self.kind = kind

    def to_python(self, value: str) -> UUID:
        try:
            return decode(self.kind, value)
        except Invalid:
            raise ValidationError from None

    def to_url(self, value: UUID) -> str:
        return encode(self.kind, value)


def create() -> Flask:
    """The portal as a WSGI application, to be mounted at `/portal`."""
    app = Flask("portal", root_path=str(present.HERE), static_folder=None)
    app.add_url_rule("/static/<path:filename>", "static", assets.static)
    app.url_map.converters["id"] = IdConverter
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(asset=present.asset, icon=present.icon)
    app.before_request(guards.before)
    app.after_request(guards.after)
    app.context_processor(visits.page_context)
    for pages in (sign_in.pages, brand.pages, overview.pages, invoices.pages, payments.pages, unbilled.pages):
        app.register_blueprint(pages)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _broken)
    return app


def _refused(error: Refused) -> ResponseReturnValue:
    return _page(error.status if error.status in WORDS else 400)


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error
    return _page(error.code if error.code in WORDS else 400)


def _broken(error: Exception) -> ResponseReturnValue:
    log.exception("page failed", extra={"route": str(request.url_rule)})
    visits.forget()  # whatever is broken, the page that says so needs nothing from it
    return _page(503 if isinstance(error, OperationalError) else 500)


def _page(status: int) -> ResponseReturnValue:
    title, words = WORDS[status]
    reference = g.get("request_id", "") if status >= 500 else ""
    return render_template("problem.html", status=status, title=title, words=words, reference=reference), status
