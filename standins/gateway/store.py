"""What the stand-in remembers, in one SQLite file. One request is one transaction; a kill loses none that answered."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    created INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (key, id));
CREATE INDEX IF NOT EXISTS object_of_kind ON object (key, kind, seq);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    created REAL NOT NULL, PRIMARY KEY (key, name));
CREATE TABLE IF NOT EXISTS delivery (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, event TEXT NOT NULL, endpoint TEXT NOT NULL,
    due REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0, status INTEGER, done INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (done, due);
CREATE TABLE IF NOT EXISTS fault (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, route TEXT NOT NULL, fault TEXT NOT NULL, times INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def fresh_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


class Store:
    """The file, and the one lock that makes requests follow each other."""

    def __init__(self, path: str | Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, args).fetchall()

    def row(self, sql: str, *args: Any) -> tuple[Any, ...] | None:
        found = self.rows(sql, *args)
        return found[0] if found else None

    def setting(self, name: str) -> str | None:
        found = self.row("SELECT value FROM setting WHERE name = ?", name)
        return None if found is None else str(found[0])

    def set(self, name: str, value: str | None) -> None:
        self.rows("DELETE FROM setting WHERE name = ?", name)
        if value is not None:
            self.rows("INSERT INTO setting VALUES (?, ?)", name, value)

    def take_fault(self, key: str, route: str) -> str | None:
        """The fault that was switched on for the next request of this route, used up by one."""
        with self._lock:
            found = self.row(
                "SELECT seq, fault FROM fault WHERE route IN (?, '*') AND (key IS NULL OR key = ?) AND times > 0"
                " ORDER BY seq LIMIT 1",
                route,
                key,
            )
            if found is None:
                return None
            self.rows("UPDATE fault SET times = times - 1 WHERE seq = ?", found[0])
            return str(found[1])


class Account:
    """One secret key's own world in the store."""

    def __init__(self, store: Store, key: str) -> None:
        self.store, self.key = store, key

    def add(self, kind: str, prefix: str, body: Json) -> Json:
        """A new object with its id, kind and time."""
        made = {"id": fresh_id(prefix), "object": kind, "created": int(time.time()), "livemode": False, **body}
        self.store.rows(
            "INSERT INTO object (key, kind, id, created, body) VALUES (?, ?, ?, ?, ?)",
            self.key, kind, made["id"], made["created"], json.dumps(made),
        )  # fmt: skip
        return made

    def save(self, body: Json) -> Json:
        self.store.rows("UPDATE object SET body = ? WHERE key = ? AND id = ?", json.dumps(body), self.key, body["id"])
        return body

    def get(self, kind: str, ident: str) -> Json | None:
        found = self.store.row("SELECT body FROM object WHERE key = ? AND kind = ? AND id = ?", self.key, kind, ident)
        return None if found is None else json.loads(found[0])

    def delete(self, ident: str) -> None:
        self.store.rows("DELETE FROM object WHERE key = ? AND id = ?", self.key, ident)

    def newest(self, kind: str) -> Iterator[Json]:
        """All objects of a kind, newest first."""
        sql = "SELECT body FROM object WHERE key = ? AND kind = ? ORDER BY seq DESC"
        return (json.loads(body) for (body,) in self.store.rows(sql, self.key, kind))

    def tell(self, type_: str, subject: Json) -> None:
        """Write an event, and a delivery for each endpoint that wants its type."""
        event = self.add(
            "event",
            "evt",
            {
                "api_version": API_VERSION,
                "type": type_,
                "data": {"object": subject},
                "pending_webhooks": 0,
                "request": {"id": None, "idempotency_key": None},
            },
        )
        for endpoint in self.newest("webhook_endpoint"):
            wanted = endpoint["enabled_events"]
            if endpoint["status"] == "enabled" and ("*" in wanted or type_ in wanted):
                self.deliver(event["id"], endpoint["id"])

    def deliver(self, event: str, endpoint: str) -> None:
        sql = "INSERT INTO delivery (key, event, endpoint, due) VALUES (?, ?, ?, ?)"
        self.store.rows(sql, self.key, event, endpoint, time.time())


API_VERSION = "2026-10-28.endive"
