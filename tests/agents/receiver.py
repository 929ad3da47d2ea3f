"""A server that speaks the agent's part of the contract, remembers readings by their identity, and fails on demand.

The agent's own tests run against it; the end-to-end tests run against the real server.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from core.period import parse_instant, rfc3339

Answer = tuple[int, dict[str, Any], dict[str, str]]
Fault = Callable[[str], Answer | None]


@dataclass
class Receiver:
    """What the server knows, and how it is to fail.

    `before` and `after` are asked with the path before and after the work is done, and may answer instead: `after`
    with a 500 is a server that fails behind its commit.
    """

    configuration: dict[str, Any] = field(default_factory=lambda: configuration([]))
    now: datetime | None = None
    readings: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    conflicts: int = 0
    batches: list[int] = field(default_factory=list)
    duplicates: int = 0
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    refuse: Callable[[dict[str, Any]], str | None] = lambda reading: None
    before: Fault = lambda path: None
    after: Fault = lambda path: None
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def values(self, point: str, register: str = "active_energy") -> dict[str, str]:
        """What was received for a register, by instant."""
        with self.lock:
            kept = {at: r["value"] for (p, reg, at), r in self.readings.items() if (p, reg) == (point, register)}
        return dict(sorted(kept.items()))

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        if path == "/oauth/token":
            token = f"token-{len(self.tokens)}"
            self.tokens.add(token)
            return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600}, {}
        if path == "/v1/agents/enrol":
            known = json.loads(body)["token"] == "good"
            refusal = {"code": "enrolment_token_invalid", "detail": "This enrolment token is used up."}
            granted = {"agent": "agt_1", "client_id": "client", "client_secret": "s3cret"}
            return (200, granted, {}) if known else (401, refusal, {})
        if headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return 401, {"code": "credential_invalid"}, {}
        routes = {
            "/v1/agents/self/config": lambda: self._config(headers),
            "/v1/agents/self/heartbeat": lambda: self._heartbeat(json.loads(body)),
            "/v1/usage/readings": lambda: self._readings(json.loads(body)["readings"]),
        }
        return routes[path]()

    def _config(self, headers: Any) -> Answer:
        tag = f'"{self.configuration["version"]}"'
        if headers.get("If-None-Match") == tag:
            return 304, {}, {"ETag": tag}
        return 200, self.configuration, {"ETag": tag}

    def _heartbeat(self, body: dict[str, Any]) -> Answer:
        with self.lock:
            self.heartbeats.append(body)
            now = self.now or datetime.now(UTC)
            clock = "sandbox" if self.now else "system"
        return 200, {"now": rfc3339(now), "clock": clock, "config_version": self.configuration["version"]}, {}

    def _readings(self, readings: list[dict[str, Any]]) -> Answer:
        accepted, duplicates, rejected = 0, 0, []
        with self.lock:
            self.batches.append(len(readings))
            for index, reading in enumerate(readings):
                key = (reading["point"], reading["register"], reading["at"])
                code = self.refuse(reading)
                if code is None and key in self.readings and self.readings[key]["value"] != reading["value"]:
                    code, self.conflicts = "reading_conflict", self.conflicts + 1
                if code:
                    rejected.append({"index": index, "code": code, "detail": "as the test wants"})
                elif key in self.readings:
                    duplicates += 1
                else:
                    self.readings[key] = reading
                    accepted += 1
            self.duplicates += duplicates
        return 200, {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}, {}

    def reached(self) -> datetime | None:
        """The last instant that an agent has reported as reached."""
        with self.lock:
            told = [beat["reached"] for beat in self.heartbeats if "reached" in beat]
        return parse_instant(told[-1]) if told else None

    def walk(self, hours: int, *, wait_s: float = 120) -> None:
        """Move a sandbox's clock on hour by hour, waiting for the agent at each as the real driver does."""
        assert self.now is not None
        for _ in range(hours):
            self.wait_until_reached(self.now, wait_s)
            with self.lock:
                self.now += timedelta(hours=1)
        self.wait_until_reached(self.now, wait_s)

    def wait_until_reached(self, instant: datetime, wait_s: float = 120) -> None:
        limit = time.monotonic() + wait_s
        while (reached := self.reached()) is None or reached < instant:
            assert time.monotonic() < limit, f"the agent reached {reached}, not {instant}"
            time.sleep(0.002)


def configuration(
    targets: list[dict[str, Any]], version: int = 1, time_zone: str = "Europe/Amsterdam"
) -> dict[str, Any]:
    """A configuration document."""
    return {"version": version, "site": {"code": "ams-1", "time_zone": time_zone}, "targets": targets}


def target(port: int, point: str = "rack-12/pdu-a", **more: Any) -> dict[str, Any]:
    """One target of it: a whole PDU."""
    members = {"name": point, "host": "127.0.0.1", "port": port, "profile": "apc-rpdu2", "interval_s": 300}
    return {**members, "points": [{"point": point, "pdu": 1}], **more}


@contextmanager
def receiving(receiver: Receiver, port: int = 0) -> Iterator[Receiver]:
    """Serve for the length of a block, at `receiver.url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def _serve(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            answer = receiver.before(self.path)
            if answer is None:
                done = receiver.answer(method, self.path, self.headers, body)
                answer = receiver.after(self.path) or done
            status, document, headers = answer
            content = b"" if status == 304 else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
