"""The floor of a billing run: the time that PostgreSQL needs for the same rows, into the same tables, by COPY.

The rows of a finished run are written to files, removed, and copied back by the superuser, whom no policy binds:
indexes, references and exclusion constraints work as ever, triggers of ours do not. Reading and encoding the rows is
not in the time, nor is anything that finds out what they are.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg

# Which rows of each table a run made, references before what refers to them.
ROWS = {
    "billing_run_payer": "t.run_id = %(run)s",
    "invoice": "t.run_id = %(run)s",
    "invoice_line": "EXISTS (SELECT 1 FROM invoice i WHERE i.provider_id = t.provider_id AND i.id = t.invoice_id"
    " AND i.run_id = %(run)s)",
    "billed_span": "t.recorded_at > %(since)s",
    "charge": "t.recorded_at > %(since)s",
    "transfer": "t.recorded_at > %(since)s",
    "outbox_event": "t.recorded_at > %(since)s",
    "audit": "t.recorded_at > %(since)s",
}


@dataclass(frozen=True)
class Floor:
    """How many rows were copied, and in which time."""

    rows: int
    seconds: float


def copy(url: str, provider_id: UUID, run_id: UUID, directory: Path) -> Floor:
    """Take a run's rows out and copy them back, table by table, in one transaction and one connection."""
    with psycopg.connect(url, autocommit=True) as connection:
        since = connection.execute(
            "SELECT recorded_at FROM billing_run WHERE provider_id = %s AND id = %s", (provider_id, run_id)
        ).fetchone()
        assert since is not None
        parameters = {"provider": provider_id, "run": run_id, "since": since[0]}
        for table, condition in ROWS.items():
            _out(connection, table, condition, parameters, directory / table)
        _remove(connection, parameters)
        connection.execute("CHECKPOINT")
        begun = time.perf_counter()
        rows = _back(connection, directory)
        seconds = time.perf_counter() - begun
        for table in ROWS:
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    return Floor(rows, seconds)


def _out(connection: psycopg.Connection, table: str, condition: str, parameters: dict[str, object], path: Path) -> None:
    query = (
        f"COPY (SELECT t.* FROM {table} t WHERE t.provider_id = %(provider)s AND {condition}) TO STDOUT (FORMAT binary)"
    )
    with path.open("wb") as file, connection.cursor().copy(query, parameters) as rows:
        for data in rows:
            file.write(data)


def _remove(connection: psycopg.Connection, parameters: dict[str, object]) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = 'replica'")  # nothing of ours keeps rows from going
        for table in sorted(ROWS, key=lambda table: table != "invoice_line"):  # lines are found by their invoices
            own = f"t.provider_id = %(provider)s AND {ROWS[table]}"
            connection.execute(f"DELETE FROM {table} t WHERE {own}", parameters)
    for table in ROWS:
        connection.execute(f"VACUUM ANALYZE {table}")
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def _back(connection: psycopg.Connection, directory: Path) -> int:
    rows = 0
    with connection.transaction():
        for table in ROWS:
            cursor = connection.cursor()
            with (directory / table).open("rb") as file, cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as to:
                while data := file.read(1 << 20):
                    to.write(data)
            rows += cursor.rowcount
    return rows
