"""A provisioning system, as the demo's webhook receiver: it verifies signatures, writes a log, answers requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

Handler = Callable[[dict[str, Any]], None]


class Receiver:
    """Listens on a free port of this machine. `events`: those with a right signature, each once, as they came."""

    def __init__(self, log: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self.refused = 0
        self._log = log
        self._secret: str | None = None
        self._handler: Handler | None = None
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        receiver = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(receiver.receive(body, dict(self.headers.items())))
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Silent: the receiver has a log of its own."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/busbar"

    def trust(self, secret: str, handler: Handler) -> None:
        """From now on verify with this secret, and hand each new event to the handler."""
        self._secret, self._handler = secret, handler

    def receive(self, body: bytes, headers: dict[str, str]) -> int:
        """Take one delivery; the status to answer."""
        lower = {name.lower(): value for name, value in headers.items()}
        try:
            event = Webhook(self._secret or "").verify(body.decode(), lower)
        except (WebhookVerificationError, ValueError) as error:
            self.refused += 1
            self._write(f"REFUSED {error}")
            return 401
        with self._lock:
            if lower["webhook-id"] in self._seen:
                return 200
            self._seen.add(lower["webhook-id"])
            self.events.append(event)
        self._write(
            f"signature verified {lower['webhook-signature'][:20]}… {event['type']} {event['object']['id']} "
            f"created_at={event['created_at']}"
        )
        if self._handler is not None:
            # Answered first: what the handler then asks of the API is a request of its own.
            threading.Thread(target=self._handler, args=(event,), daemon=True).start()
        return 200

    def of_type(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == event_type]

    def _write(self, line: str) -> None:
        with self._log.open("a") as log:
            log.write(line + "\n")
