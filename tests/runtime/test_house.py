"""The process's connections: what they keep while nobody uses them, and what becomes of those that were lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, text

from runtime.house import make_engine


@pytest.fixture
def engine(database: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """One connection, which counts as idle each time it is taken."""
    monkeypatch.setattr("runtime.house.IDLE_S", 0.0)
    made = make_engine(database.set(drivername="postgresql").render_as_string(hide_password=False), 1)
    yield made
    made.dispose()


def test_a_connection_that_was_idle_keeps_the_statements_that_it_has_prepared(engine: Engine) -> None:
    for _ in range(7):
        with engine.begin() as connection:
            connection.execute(text("SELECT relname FROM pg_class WHERE relname = :kept"), {"kept": "account"})
    with engine.begin() as connection:
        known = connection.execute(text("SELECT statement FROM pg_prepared_statements")).scalars().all()
    assert [statement for statement in known if "pg_class" in statement]


def test_a_connection_that_was_lost_while_nobody_used_it_is_replaced(engine: Engine) -> None:
    with engine.begin() as connection:
        first = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    other = make_engine(engine.url.render_as_string(hide_password=False), 1)
    with other.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": first})
    other.dispose()
    with engine.begin() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar() != first
