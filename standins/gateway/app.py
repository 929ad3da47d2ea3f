"""The HTTP of it: authentication, idempotency keys, faults, and the answer's shape."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
import time
from typing import Any

from flask import Flask, Response, request

from standins.gateway import authentication, control, form
from standins.gateway.form import Params
from standins.gateway.problems import Problem, invalid, unauthorized
from standins.gateway.routes import Route, find
from standins.gateway.store import Account, Store, fresh_id

KEY_LIFE_S = 24 * 3600
_KEY = re.compile(r"sk_test_[A-Za-z0-9_]{1,200}", re.ASCII)


class Gateway:
    """Answers requests, one transaction each."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._running: set[tuple[str, str]] = set()
        self._guard = threading.Lock()

    def answer(self, path: str) -> Response:
        try:
            key, found = _secret_key(), find(request.method, path)
            if found is None:
                raise invalid(f"Unrecognized request URL ({request.method}: /v1/{path}).", status=404)
            return self._serve(Account(self.store, key), *found)
        except Problem as problem:
            return _respond(problem.status, problem.body)

    def _serve(self, account: Account, route: Route, ident: str) -> Response:
        fault = self.store.take_fault(account.key, route.name)
        time.sleep(float(self.store.setting("latency_s") or 0))
        if fault == "rate_limit":
            raise Problem(429, "rate_limit_error", "Too many requests hit the API too quickly.", code="rate_limit")
        if fault == "server_error":
            raise Problem(500, "api_error", "Something went wrong on our end.")
        if fault == "no_answer_before":
            return _hang_up()
        status, body, replayed = self._once(account, route, ident)
        if fault == "no_answer":
            return _hang_up()
        if fault == "server_error_after":
            raise Problem(500, "api_error", "Something went wrong on our end.")
        return _respond(status, body, replayed)

    def _once(self, account: Account, route: Route, ident: str) -> tuple[int, Any, bool]:
        """Run the request, or give the answer that its idempotency key has already."""
        name = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
        if not name:
            return *self._run(account, route, ident, None), False
        slot = (account.key, name)
        with self._guard:
            if slot in self._running:
                raise Problem(
                    409,
                    "idempotency_error",
                    f"There is currently another in-progress request using this Idempotent Key: {name}",
                    code="idempotency_key_in_use",
                )
            self._running.add(slot)
        try:
            kept = self._kept(account, name)
            return (*kept, True) if kept else (*self._run(account, route, ident, name), False)
        finally:
            self._running.discard(slot)

    def _kept(self, account: Account, name: str) -> tuple[int, Any] | None:
        sql = "SELECT request, status, body FROM idempotency WHERE key = ? AND name = ? AND created > ?"
        row = self.store.row(sql, account.key, name, time.time() - KEY_LIFE_S)
        if row is None:
            return None
        if row[0] != _fingerprint():
            raise Problem(
                400,
                "idempotency_error",
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            )
        return int(row[1]), json.loads(row[2])

    def _run(self, account: Account, route: Route, ident: str, name: str | None) -> tuple[int, Any]:
        """The request and what is kept for its key, in one transaction. A decline is an answer, so it commits."""
        pairs = request.args if request.method == "GET" else request.form
        with self.store.transaction():
            try:
                params = Params(form.decode(pairs.items(multi=True)))
                status, body, keep = 200, route.handler(account, params, ident), True
            except Problem as problem:
                status, body, keep = problem.status, problem.body, problem.kept
            if name and keep:
                self.store.rows(
                    "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?)",
                    account.key, name, _fingerprint(), status, json.dumps(body), time.time(),
                )  # fmt: skip
        return status, body


def _secret_key() -> str:
    header = request.headers.get("Authorization", "")
    kind, _, value = header.partition(" ")
    if kind == "Basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except ValueError:
            value = ""
    if not value:
        raise unauthorized("You did not provide an API key. Use the Authorization header: Bearer sk_test_…")
    if not _KEY.fullmatch(value):
        raise unauthorized("Invalid API Key provided. This stand-in accepts keys that begin with sk_test_.")
    return value


def _fingerprint() -> str:
    text = json.dumps([request.method, request.path, sorted(request.form.items(multi=True))])
    return hashlib.sha256(text.encode()).hexdigest()


def _respond(status: int, body: Any, replayed: bool = False) -> Response:
    answer = Response(json.dumps(body, indent=2), status, mimetype="application/json")
    answer.headers["Request-Id"] = fresh_id("req")
    if replayed:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer


def _hang_up() -> Response:
    """Close the connection without a word: the caller cannot know whether anything was done."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500)


def create_app(store: Store) -> Flask:
    """The gateway's API below `/v1`, the bank's page, and what steers the stand-in below `/_control`."""
    app = Flask("gateway")
    gateway = Gateway(store)
    app.add_url_rule("/v1/<path:path>", "v1", gateway.answer, methods=["GET", "POST", "DELETE"])
    app.register_blueprint(authentication.blueprint(store), url_prefix=authentication.PATH)
    app.register_blueprint(control.blueprint(store), url_prefix="/_control")
    return app
