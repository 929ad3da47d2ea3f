"""Signed webhook deliveries in the background: at least once, in no promised order, with growing pauses.

The signature is Stripe's: `t=<unix time>,v1=<hmac sha256 of "t.body">`, made anew for each try.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

import httpx

from standins.gateway.store import Account, Store

PAUSES_S = (1, 2, 5, 10, 30, 60, 300, 1800, 3600)
GIVE_UP_AFTER_TRIES = 80
TIMEOUT_S = 10.0
POLL_S = 0.2
# An address made before the server's port is known names this host; the embedder tells where it is now.
MOVABLE_HOST = "busbar.sandbox"


class Deliverer:
    """Takes due deliveries and sends them, a few at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="deliver")

    def start(self) -> None:
        threading.Thread(target=self._run, name="deliveries", daemon=True).start()

    def _run(self) -> None:
        while True:
            for seq, key, event, endpoint, tries in self._take():
                self._pool.submit(self._send, seq, key, event, endpoint, tries)
            time.sleep(POLL_S)

    def _take(self) -> list[tuple[int, str, str, str, int]]:
        if self._store.setting("webhooks_paused"):
            return []
        now = time.time()
        with self._store.transaction():
            sql = "SELECT seq, key, event, endpoint, tries FROM delivery WHERE done = 0 AND due <= ? ORDER BY due"
            due = self._store.rows(f"{sql} LIMIT 20", now)
            for row in due:
                # Whoever is killed while sending leaves a delivery that comes back by itself.
                self._store.rows("UPDATE delivery SET due = ? WHERE seq = ?", now + 3 * TIMEOUT_S, row[0])
        return [(int(r[0]), str(r[1]), str(r[2]), str(r[3]), int(r[4])) for r in due]

    def _send(self, seq: int, key: str, event_id: str, endpoint_id: str, tries: int) -> None:
        account = Account(self._store, key)
        event, endpoint = account.get("event", event_id), account.get("webhook_endpoint", endpoint_id)
        secret = self._store.setting(f"secret:{key}:{endpoint_id}")
        if event is None or endpoint is None or secret is None:
            self._store.rows("UPDATE delivery SET done = 1 WHERE seq = ?", seq)
            return
        status = self._post(self.address(endpoint["url"]), json.dumps(event, indent=2), secret)
        done = 200 <= status < 300 or tries + 1 >= GIVE_UP_AFTER_TRIES
        due = time.time() + PAUSES_S[min(tries, len(PAUSES_S) - 1)]
        self._store.rows(
            "UPDATE delivery SET tries = ?, status = ?, done = ?, due = ? WHERE seq = ?",
            tries + 1, status, int(done), due, seq,
        )  # fmt: skip

    def address(self, url: str) -> str:
        """Where to deliver: as registered, or at the running server for an address of the movable host."""
        parts, base = urlsplit(url), self._store.setting("base_url")
        if parts.hostname != MOVABLE_HOST or base is None:
            return url
        to = urlsplit(base)
        return urlunsplit((to.scheme, to.netloc, parts.path, parts.query, ""))

    def _post(self, url: str, body: str, secret: str) -> int:
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": sign(body, secret)}
        try:
            return self._client.post(url, content=body.encode(), headers=headers).status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            return 0


def sign(body: str, secret: str, at: int | None = None) -> str:
    """The `Stripe-Signature` header for a body."""
    at = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"
