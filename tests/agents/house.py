"""The real server for the agent's end-to-end tests: the app on this worker's database, over HTTP, failing on demand."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import text
from werkzeug.serving import WSGIRequestHandler, make_server

from jobs.clock import Drive
from jobs.due import TABLE
from services import agents_self, test_clock
from tests.conftest import Open


@dataclass
class Faulty:
    """The app, and what comes between it and its callers.

    `before` and `after` are given the path before and after the app has done its work (and committed); a status that
    they return is answered instead.
    """

    app: Flask
    before: Callable[[str], int | None] = lambda path: None
    after: Callable[[str], int | None] = lambda path: None
    url: str = ""
    seen: list[str] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.seen.append(path)
        # Read whole, so that an answer that does not care for the body leaves none on the connection.
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        if (status := self.before(path)) is not None:
            return _refusal(status, start_response)
        answer: dict[str, Any] = {}

        def keep(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            answer.update(status=status, headers=headers)

        content = b"".join(self.app(environ, keep))
        if (failing := self.after(path)) is not None:
            return _refusal(failing, start_response)
        start_response(answer["status"], answer["headers"])
        return [content]


def _refusal(status: int, start_response: Any) -> Iterable[bytes]:
    start_response(f"{status} Fault", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]


@contextmanager
def serving(app: Flask) -> Iterator[Faulty]:
    """Serve over HTTP for the length of a block."""

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log(self, *_: Any) -> None:
            """Keep quiet."""

    faulty = Faulty(app)
    server = make_server("127.0.0.1", 0, faulty, threaded=True, request_handler=Quiet)
    faulty.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield faulty
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def advance(open_unit: Open, provider_id: UUID, hours: int) -> datetime:
    """Let the sandbox's real driver go on by some hours, waiting for agents; gives where the clock then stands."""
    target = drive(open_unit, provider_id, hours)
    with open_unit() as ctx:
        assert test_clock.get(ctx).detail is None
    return target


def drive(open_unit: Open, provider_id: UUID, hours: int) -> datetime:
    """The same, also when somebody is waited for in vain."""
    with open_unit() as ctx:
        target = ctx.now + timedelta(hours=hours)
        test_clock.advance(ctx, target)
    assert Drive(provider_id, TABLE, agents_self.lagging, agents_self.pass_over).run(slice_seconds=600)
    with open_unit() as ctx:
        clock = test_clock.get(ctx)
        assert (clock.now, clock.status) == (target, "ready"), clock.detail
    return target


def register_hours(open_unit: Open, path: str) -> dict[datetime, dict[str, Any]]:
    """The hours of a point's energy register, as the store has them."""
    query = text(
        "SELECT h.hour, h.measured, h.interpolated, h.estimated FROM register_hour h"
        " JOIN register r ON r.provider_id = h.provider_id AND r.id = h.register_id AND r.name = 'active_energy'"
        " JOIN point p ON p.provider_id = r.provider_id AND p.id = r.point_id"
        " WHERE p.path = :path ORDER BY h.hour"
    )
    with open_unit() as ctx:
        return {row.hour: dict(row._mapping) for row in ctx.session.execute(query, {"path": path})}
