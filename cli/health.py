"""Whether this process can do its work: the database answers, has this version's schema, and the queue answers.

A queue that is down does not make the service unready: requests are served, and the schedule catches up later.
"""

from __future__ import annotations

from typing import Any

import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from jobs.hints import connect
from runtime import house as houses
from runtime import migrations
from runtime.house import House


def readiness(home: House) -> dict[str, dict[str, Any]]:
    """The checks by name: `ok`, and a word on what is wrong."""
    return {"database": _database(home), "migrations": _migrations(home), "queue": _queue(home)}


def _database(home: House) -> dict[str, Any]:
    try:
        with home.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return {"ok": False, "detail": type(error).__name__}
    return {"ok": True}


def _migrations(home: House) -> dict[str, Any]:
    try:
        applied = migrations.applied(home.engine)
    except SQLAlchemyError as error:
        return {"ok": False, "detail": type(error).__name__}
    head = migrations.head()
    return {"ok": applied == head, "applied": applied, "head": head}


def _queue(home: House) -> dict[str, Any]:
    try:
        with connect(houses.queue_url(home.settings)) as client:
            client.ping()
    except redis.RedisError as error:
        return {"ok": False, "detail": type(error).__name__}
    return {"ok": True}
