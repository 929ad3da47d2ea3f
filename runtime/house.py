"""The process's connections: made once from the settings, used by the transaction helper."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError

from core.errors import Misconfigured
from runtime import settings as configuration
from runtime.settings import Settings
from services.cipher import Cipher
from services.context import Kit

IDLE_S = 1.0


@dataclass(frozen=True)
class House:
    """Settings, the database engine, and what the process lends to use cases."""

    settings: Settings
    engine: Engine
    kit: Kit


def open_house(settings: Settings) -> House:
    """Connect to what is configured, starting what is embedded.

    Raises:
        Misconfigured: something is missing or cannot start; the message says what to do.
    """
    return House(settings, make_engine(database_url(settings), settings.db_pool), make_kit(settings))


@cache
def house() -> House:
    """The house of this process."""
    return open_house(configuration.current())


def database_url(settings: Settings) -> str:
    """The configured PostgreSQL, or the embedded one, started if it is not running."""
    if settings.database_url:
        return settings.database_url
    from embedded import postgres

    return postgres.ensure(settings.data_dir)


def queue_url(settings: Settings) -> str:
    """The configured queue server, or the embedded one, started if it is not running."""
    if settings.queue_url:
        return settings.queue_url
    from embedded import valkey

    return valkey.ensure(settings.data_dir)


def sandbox_gateway_url(settings: Settings) -> str | None:
    """The card gateway of sandboxes: configured, embedded beside an embedded database, or none."""
    if settings.sandbox_gateway_url or not settings.embedded_database:
        return settings.sandbox_gateway_url
    from embedded import gateway

    return gateway.ensure(settings.data_dir)


def make_engine(url: str, pool: int) -> Engine:
    """An engine without session state, so that transaction pooling in front of the database works."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool,
        max_overflow=4,
        connect_args={"connect_timeout": 5, "application_name": "busbar"},
    )
    event.listen(engine, "checkout", _check_if_idle)
    event.listen(engine, "checkin", _note_use)
    return engine


def _check_if_idle(connection: Any, record: Any, proxy: Any) -> None:
    """Look whether a connection that was idle is still there; asking a busy one each time would double its work.

    The look ends with a commit, of nothing: after a rollback psycopg forgets all statements that it has prepared, and
    whoever works once a second, as the schedule does, would have each of them planned anew each time.
    """
    if monotonic() - record.info.get("used", 0.0) < IDLE_S:
        return
    try:
        connection.execute("")
        connection.commit()
    except psycopg.Error as error:
        raise DisconnectionError from error


def _note_use(connection: Any, record: Any) -> None:
    record.info["used"] = monotonic()


def make_kit(settings: Settings) -> Kit:
    return Kit(
        cipher=Cipher.parse(settings.secret_keys or _generated_keys(settings)),
        public_url=settings.public_url,
        sandbox_gateway_url=sandbox_gateway_url(settings),
        webhooks_may_be_private=settings.webhooks_may_be_private,
    )


def _generated_keys(settings: Settings) -> str:
    """A key of this installation's own, beside its embedded database."""
    if not settings.embedded_database:
        raise Misconfigured(
            "BUSBAR_SECRET_KEYS is needed with BUSBAR_DATABASE_URL. Make one with: "
            "python3 -c \"import base64,os; print('k1:'+base64.b64encode(os.urandom(32)).decode())\""
        )
    path: Path = settings.data_dir / "secret-keys"
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        fresh = f"k1:{base64.b64encode(os.urandom(32)).decode()}"
        draft = path.with_name(f"secret-keys.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(fresh)
        try:
            os.link(draft, path)  # whoever links first wins; the others read that key
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
