"""A tax engine of an operator's own: a real server that checks what it is asked with, and answers as it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

Answer = Callable[[dict[str, Any]], dict[str, Any]]
TEN_PERCENT = {"rates": [{"category": "S", "rate": "10", "name": "Tax"}]}


@dataclass
class Engine:
    """What it was asked, request by request, and how it answers: `status`, and `decide` for each question."""

    url: str = ""
    secret: str = ""
    status: int = 200
    decide: Answer = lambda question: TEN_PERCENT
    asked: list[list[dict[str, Any]]] = field(default_factory=list)

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        Webhook(self.secret).verify(body.decode(), headers)  # raises for what is not signed by its seller
        questions = json.loads(body)["questions"]
        self.asked.append(questions)
        return self.status, json.dumps({"answers": [self.decide(question) for question in questions]}).encode()


@contextmanager
def tax_engine() -> Iterator[Engine]:
    """A server of its own, on a port that was free."""
    engine = Engine()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = engine.answer({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    engine.url = f"http://127.0.0.1:{server.server_address[1]}/decide"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
