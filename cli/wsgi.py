"""The web application: the API, the pages below /portal, and what operators watch, in front of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Request, Response

import portal
from api.app import create_app
from cli import health, metrics
from jobs import workers
from runtime import house as houses
from runtime.house import House

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def create(home: House | None = None) -> Wsgi:
    """Put the doors together over one house."""
    home = home or houses.house()
    queue_url = houses.queue_url(home.settings)
    workers.send_hints()
    api, pages = create_app(home, queue_url=queue_url), portal.create()
    metrics.observe(api, "api")
    metrics.observe(pages, "portal")
    return Watched(DispatcherMiddleware(api, {"/portal": pages}), home)


class Watched:
    """Answers `/healthz`, `/readyz` and `/metrics`; leaves the rest to the application."""

    def __init__(self, application: Wsgi, home: House) -> None:
        self._application = application
        self._home = home
        self._views = {"/healthz": self._alive, "/readyz": self._ready, "/metrics": self._metrics}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        view = self._views.get(environ.get("PATH_INFO", ""))
        if view is None:
            return self._application(environ, start_response)
        if Request(environ).method not in ("GET", "HEAD"):
            return Response(status=405, headers={"Allow": "GET, HEAD"})(environ, start_response)
        return view()(environ, start_response)

    def _alive(self) -> Response:
        return Response(orjson.dumps({"status": "ok"}), mimetype="application/json")

    def _ready(self) -> Response:
        checks = health.readiness(self._home)
        good = all(check["ok"] for check in checks.values())
        body = orjson.dumps({"status": "ready" if good else "not_ready", "checks": checks})
        return Response(body, 200 if good else 503, mimetype="application/json")

    def _metrics(self) -> Response:
        return Response(metrics.render(self._home), mimetype="text/plain; version=0.0.4")
