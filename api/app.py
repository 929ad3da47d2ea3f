"""The app: what happens to every request, in order, and which routes there are."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

import apispec
import orjson
import structlog
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, Request, Response, g, request
from flask.json.provider import JSONProvider
from flask.typing import ResponseReturnValue
from flask_smorest import Api  # type: ignore[import-untyped]

import api
from api import docs, etags, idempotency, problems, transaction
from api.auth import KEEP_S, Gatekeeper, check_scope
from api.guards import check_guards, guard_for
from api.http import IdConverter
from api.limits import Limiter, make_limiter
from api.openapi import ABOUT
from api.parsing import BoundedRequest
from api.problems import TooMany
from api.schemas import Problem
from api.schemas.values import type_id_example, type_id_pattern
from core.errors import Invalid
from core.ids import new_id
from runtime.house import House, make_engine
from runtime.settings import Settings
from services.cipher import Cipher
from services.context import Kit

VERSION = "1"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{8,100}")
log = structlog.get_logger(__name__)


class Json(JSONProvider):
    """JSON by orjson: fast, UTF-8, and no float where the engine has none."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        return Response(orjson.dumps(self._prepare_response_obj(args, kwargs)), content_type="application/json")


class Described(Api):  # type: ignore[misc]
    """flask-smorest without its error handlers: refusals are ours (`api.problems`)."""

    ERROR_SCHEMA = Problem

    def _register_error_handlers(self) -> None:
        """None: `api.problems.install` answers every exception."""


class Door(Flask):
    """One request, one transaction: kept after an answer below 400, undone after anything else."""

    json_provider_class = Json
    request_class = BoundedRequest

    def dispatch_request(self) -> ResponseReturnValue:
        try:
            replayed = idempotency.claim_key()
            if replayed is not None:
                return replayed
            etags.check_match()
            answer = self.make_response(super().dispatch_request())
            if answer.status_code < 400:
                idempotency.remember(answer)
                transaction.keep()
            return answer
        finally:
            # Does nothing once the transaction is kept.
            transaction.undo()


def create_app(home: House, *, queue_url: str | None = None) -> Flask:
    """The door for programs.

    Args:
        home: the process's settings and connections.
        queue_url: where rate limits are counted together; without it each process counts alone.
    """
    app = Door("api", static_folder=None)
    settings = home.settings
    app.config.update(
        MAX_CONTENT_LENGTH=settings.body_limit_bytes,
        INFLATED_LIMIT_BYTES=settings.inflated_limit_bytes,
        API_TITLE="Busbar",
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
    )
    app.extensions["busbar"] = home
    app.url_map.converters["id"] = IdConverter
    app.url_map.merge_slashes = False
    problems.install(app)
    _around_requests(app, Gatekeeper(home), make_limiter(settings.requests_per_minute, queue_url))
    _routes(app, home)
    return app


def app_to_describe() -> Flask:
    """The app with its default settings and without a database: enough to describe it."""
    settings = Settings()
    keys = Cipher({"none": bytes(32)})
    return create_app(House(settings, make_engine("postgresql://", 1), Kit(keys)))


def _around_requests(app: Flask, gatekeeper: Gatekeeper, limiter: Limiter) -> None:
    def enter() -> None:
        g.request_id = _request_id(request)
        _refuse_nul(request)
        guard = None if request.endpoint is None else guard_for(app, request.endpoint, request.method)
        try:
            if guard is not None and guard.public is None:
                g.caller = gatekeeper.recognise(request)
        finally:
            known = g.get("caller")
            g.allowance = limiter.take(known.id if known else f"address {request.remote_addr}")
        if g.allowance.exceeded:
            raise TooMany("rate_limited", f"Wait {g.allowance.reset_s} seconds.")
        if guard is not None and guard.public is None:
            check_scope(g.caller, guard)

    def leave(answer: Response) -> Response:
        if "allowance" in g:
            answer.headers.update(g.allowance.headers())
        answer.headers["X-Request-Id"] = g.get("request_id", "")
        answer.headers.setdefault("Cache-Control", "no-store" if request.method == "POST" else "private, no-cache")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return etags.tag(answer)

    app.before_request(enter)
    app.after_request(leave)


def _request_id(req: Request) -> str:
    given = req.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(new_id())


def _refuse_nul(req: Request) -> None:
    for name, value in req.args.items(multi=True):
        if "\0" in name or "\0" in value:
            raise Invalid("character_refused", "Text may not contain the character NUL.", f"?{name}")


def _routes(app: Flask, home: House) -> None:
    description = ABOUT.format(
        body_limit_bytes=home.settings.body_limit_bytes,
        inflated_limit_bytes=home.settings.inflated_limit_bytes,
        requests_per_minute=home.settings.requests_per_minute,
        keep_s=KEEP_S,
    )
    plugin = MarshmallowPlugin(schema_name_resolver=_component_name)
    info = {"description": description, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}}
    described = Described(app, spec_kwargs={"marshmallow_plugin": plugin, "info": info, "servers": [{"url": "/"}]})
    described.register_converter(IdConverter, _id_parameter)
    app.extensions["busbar.spec"] = described.spec
    app.extensions["busbar.converter"] = plugin.converter
    for name in sorted(info.name for info in pkgutil.iter_modules(api.__path__)):
        blueprint = getattr(importlib.import_module(f"api.{name}"), "blp", None)
        if blueprint is not None:
            described.register_blueprint(blueprint)
    app.register_blueprint(docs.blp_pages)
    check_guards(app, [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(("/v1/", "/oauth/"))])


def _component_name(schema: Any) -> str:
    resolved: str = apispec.ext.marshmallow.common.resolve_schema_cls(schema).__name__
    return resolved.removesuffix("Schema")


def _id_parameter(converter: IdConverter) -> dict[str, Any]:
    return {"type": "string", "pattern": type_id_pattern(converter.kind), "examples": [type_id_example(converter.kind)]}
