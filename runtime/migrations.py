"""Moving the schema, from a process that has an engine."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

FOLDER = Path(__file__).resolve().parent.parent / "migrations"
LOCK = 0x6275_7362_6172  # "busbar": one migration at a time per database


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrate forward; waits for another process that migrates the same database."""
    with engine.connect() as guard:
        guard.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        try:
            with engine.connect() as connection:
                command.upgrade(_config(connection), revision)
                connection.commit()
        finally:
            guard.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})


def downgrade(engine: Engine, revision: str) -> None:
    """Migrate back."""
    with engine.connect() as connection:
        command.downgrade(_config(connection), revision)
        connection.commit()


def head() -> str:
    """The newest revision that this program knows."""
    revision = ScriptDirectory.from_config(_config(None)).get_current_head()
    assert revision is not None
    return revision


def applied(engine: Engine) -> str | None:
    """The revision the database is at."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def known() -> list[str]:
    """All revisions, the oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()][::-1]
