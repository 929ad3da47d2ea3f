"""What tests of jobs and commands need: a receiver of webhooks, events to tell of, programs to start and kill."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

from core.ids import new_id
from runtime.house import House
from runtime.unit import unit
from services import outbox


@dataclass
class Received:
    """One request that the receiver got."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


@dataclass
class Receiver:
    """A webhook receiver on a port of its own. `answer` decides the status; the body of the answer is `says`."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[Received], int] = lambda _: 200
    says: bytes = b"ok"
    location: str | None = None

    def events(self) -> list[str]:
        return [request.event["type"] for request in self.requests]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver for the length of a test."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            got = Received({name.lower(): value for name, value in self.headers.items()}, body)
            state.requests.append(got)
            self.send_response(state.answer(got))
            if state.location:
                self.send_header("Location", state.location)
            self.send_header("Content-Length", str(len(state.says)))
            self.end_headers()
            self.wfile.write(state.says)

        def log_message(self, *_: object) -> None:
            """Tests read `requests` instead."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def tell(house: House, provider_id: UUID, *types: str, about: UUID | None = None) -> UUID:
    """Write events about one account, in a transaction each; returns the account's id."""
    about = about or new_id()
    for event_type in types:
        with unit(provider_id, actor="test", within=house) as ctx:
            outbox.emit(ctx, event_type, "account", about, {"type": event_type})
    return about


def eventually(true: Callable[[], object], seconds: float = 180) -> None:
    """Wait until something becomes true; fail when it does not."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.05)
