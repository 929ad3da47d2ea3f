"""Alembic's entry: one transaction per migration, on the connection that `runtime.migrations` gives."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection

from models import Base


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Partitions are made by a function as months come, so they are no part of the models."""
    return kind != "table" or name is None or "_p_" not in name


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        include_name=include_name,
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
