"""The local spool: every reading is on disk before it is sent, and stays until the server has acknowledged it.

SQLite with a write-ahead log and `synchronous=FULL`: once `put` returns, a killed process or a lost machine loses
nothing. When the spool outgrows its cap, detail goes first: registers are cumulative, so a missing reading between
two others changes no total. What a total does depend on is kept: hour and day boundaries, and both sides of every
change of identity or falling register.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

from agents.readings import Reading

BYTES_MAX_DEFAULT = 64 * 1024 * 1024
PARKED_MAX = 10_000
# After thinning the spool is this much below its cap, so that not every reading thins again.
THIN_TO = 0.9

SCHEMA = """
CREATE TABLE IF NOT EXISTS reading (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    point TEXT NOT NULL, register TEXT NOT NULL, at TEXT NOT NULL,
    rank INTEGER NOT NULL, body TEXT NOT NULL,
    UNIQUE (point, register, at)
);
CREATE INDEX IF NOT EXISTS reading_order ON reading (rank, at);
CREATE TABLE IF NOT EXISTS latest (
    point TEXT NOT NULL, register TEXT NOT NULL, identity TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (point, register)
);
CREATE TABLE IF NOT EXISTS parked (
    id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS device (
    name TEXT PRIMARY KEY, last_ok_at TEXT, last_error TEXT, failures INTEGER NOT NULL, latency_ms INTEGER
);
"""


class Rank(IntEnum):
    """What a reading is worth keeping for, least first."""

    DETAIL = 0
    HOUR = 1
    DAY = 2
    EDGE = 3


@dataclass(frozen=True)
class Spooled:
    """A reading that waits, as the JSON object to send."""

    seq: int
    body: dict[str, Any]


@dataclass
class Health:
    """How polling one device goes. `failures` counts those since the last success; times are RFC 3339."""

    name: str
    last_ok_at: str | None = None
    last_error: str | None = None
    failures: int = 0
    latency_ms: int | None = None


class Spool:
    """One file; used by one process (the state directory is locked)."""

    def __init__(self, path: Path, bytes_max: int = BYTES_MAX_DEFAULT) -> None:
        self._bytes_max = bytes_max
        path.touch(mode=0o600, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)
        self._bytes = self._one("SELECT coalesce(sum(length(body)), 0) FROM reading")

    def close(self) -> None:
        """Close the file; everything put is in it."""
        self._db.close()

    def put(self, readings: Iterable[Reading], rank: Rank = Rank.DETAIL) -> None:
        """Keep readings, durably, in one transaction. A second one of the same point, register and second is not
        taken: the first stands, as on the server.

        Raises:
            sqlite3.Error: the disk is full or broken; nothing was kept.
        """
        with self._transaction():
            for reading in readings:
                self._insert(reading, rank)
        if self._bytes > self._bytes_max:
            self.thin()

    def _insert(self, reading: Reading, rank: Rank) -> None:
        body = json.dumps(reading.as_json(), separators=(",", ":"))
        key = (reading.point, reading.register)
        identity = json.dumps(reading.evidence.identity(), default=str)
        known = self._db.execute(
            "SELECT identity, value, seq FROM latest WHERE point = ? AND register = ?", key
        ).fetchone()
        # A power that falls is no edge: gauges carry no total.
        falls = known is not None and "energy" in reading.register and Decimal(reading.value) < Decimal(known[1])
        edge = known is None or known[0] != identity or falls
        if edge and known is not None:
            self._db.execute("UPDATE reading SET rank = ? WHERE seq = ?", (Rank.EDGE, known[2]))
        at = reading.as_json()["at"]
        inserted = self._db.execute(
            "INSERT OR IGNORE INTO reading (point, register, at, rank, body) VALUES (?, ?, ?, ?, ?)",
            (*key, at, Rank.EDGE if edge else rank, body),
        )
        if inserted.rowcount:
            self._bytes += len(body)
            self._db.execute(
                "INSERT OR REPLACE INTO latest (point, register, identity, value, seq) VALUES (?, ?, ?, ?, ?)",
                (*key, identity, reading.value, inserted.lastrowid),
            )

    def batch(self, limit: int) -> list[Spooled]:
        """The next readings to send: what totals depend on first and the newest of it first, since that is what a
        month's end waits for; in order of time within the batch."""
        rows = self._db.execute(
            "SELECT seq, body FROM (SELECT seq, body, at FROM reading ORDER BY rank > 0 DESC, at DESC, seq LIMIT ?)"
            " ORDER BY at, seq",
            (limit,),
        )
        return [Spooled(seq, json.loads(body)) for seq, body in rows]

    def settle(self, sent: Sequence[Spooled], refused: Sequence[tuple[Spooled, str, str]] = ()) -> None:
        """The server has answered for all of `sent`: it forgets them here, and parks those it refused.

        Args:
            refused: of `sent`, those with the server's code and detail. They are kept for people, not sent again.
        """
        with self._transaction():
            self._db.executemany(
                "INSERT INTO parked (body, code, detail) VALUES (?, ?, ?)",
                [(json.dumps(item.body), code, detail) for item, code, detail in refused],
            )
            self._db.execute("DELETE FROM parked WHERE id <= (SELECT max(id) FROM parked) - ?", (PARKED_MAX,))
            for item in sent:
                self._forget(item.seq)

    def _forget(self, seq: int) -> None:
        row = self._db.execute("DELETE FROM reading WHERE seq = ? RETURNING length(body)", (seq,)).fetchone()
        self._bytes -= row[0] if row else 0

    def thin(self) -> int:
        """Drop detail, then hour boundaries, oldest first, until below the cap; returns how many went. Day
        boundaries and edges stay even above the cap: without them totals would be wrong."""
        dropped = 0
        for rank in (Rank.DETAIL, Rank.HOUR):
            while self._bytes > self._bytes_max * THIN_TO:
                gone = self._drop_oldest(rank)
                dropped += gone
                if not gone:
                    break
        return dropped

    def _drop_oldest(self, rank: Rank, limit: int = 500) -> int:
        """The latest reading of a register is not dropped: it may become one side of an edge."""
        with self._transaction():
            rows = self._db.execute(
                "DELETE FROM reading WHERE seq IN (SELECT seq FROM reading WHERE rank = ?"
                " AND seq NOT IN (SELECT seq FROM latest) ORDER BY at LIMIT ?) RETURNING length(body)",
                (rank, limit),
            ).fetchall()
        self._bytes -= sum(size for (size,) in rows)
        return len(rows)

    def depth(self) -> int:
        """How many readings wait to be sent."""
        return self._one("SELECT count(*) FROM reading")

    def parked(self) -> list[tuple[dict[str, Any], str, str]]:
        """Readings the server refused, with its code and detail, oldest first."""
        rows = self._db.execute("SELECT body, code, detail FROM parked ORDER BY id")
        return [(json.loads(body), code, detail) for body, code, detail in rows]

    def note_devices(self, healths: Iterable[Health]) -> None:
        """Remember how the devices' last polls went, for `busbar-agent status`."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO device (name, last_ok_at, last_error, failures, latency_ms)"
                " VALUES (?, ?, ?, ?, ?)",
                [(h.name, h.last_ok_at, h.last_error, h.failures, h.latency_ms) for h in healths],
            )

    def devices(self) -> list[Health]:
        """The devices as last noted, by name."""
        rows = self._db.execute("SELECT name, last_ok_at, last_error, failures, latency_ms FROM device ORDER BY name")
        return [Health(*row) for row in rows]

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)

    def _one(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])


class _Transaction:
    """BEGIN, then COMMIT or ROLLBACK. (The module's own handling would begin late and read outside of it.)"""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:
            self._db.execute("ROLLBACK")
