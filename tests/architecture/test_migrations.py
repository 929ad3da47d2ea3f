"""The schema moves only by migrations: forward, back, and equal to the models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL

from models import Base
from runtime import migrations
from runtime.house import House, make_engine
from runtime.settings import Settings
from runtime.unit import unit
from services.cipher import Cipher
from services.context import Kit
from stores.usage import backend
from tests.builders.metering import a_metered_point, an_event, hourly, send, take
from tests.builders.usage_days import days, days_by_hours, summed_until
from tests.conftest import SANDBOX_NOW, make_provider

DAY = datetime(2026, 1, 9, 22, tzinfo=UTC)


@pytest.fixture
def empty(cluster: URL, worker_id: str) -> Iterator[Engine]:
    """A database with nothing in it."""
    name = f"busbar_empty_{worker_id}"
    admin = create_engine(cluster.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template1'))
    engine = make_engine(cluster.set(database=name).render_as_string(hide_password=False), 2)
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


def things(engine: Engine) -> list[str]:
    """Whatever a migration may leave behind in the schema."""
    statement = """
        SELECT 'table ' || relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
        UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'type ' || typname FROM pg_type
        WHERE typnamespace = 'public'::regnamespace AND typtype IN ('r', 'e')
    """
    with engine.connect() as connection:
        return [name for name in connection.execute(text(statement)).scalars() if "alembic_version" not in name]


def test_from_empty_to_head_and_back_leaves_nothing(empty: Engine) -> None:
    migrations.upgrade(empty)
    assert migrations.applied(empty) == migrations.head()
    assert len(things(empty)) > 60
    migrations.downgrade(empty, "base")
    assert things(empty) == []
    migrations.upgrade(empty)
    assert migrations.applied(empty) == migrations.head()


def test_models_and_migrations_agree(house: object, database: URL) -> None:
    engine = make_engine(database.render_as_string(hide_password=False), 1)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_name": lambda name, kind, _: (
                    kind != "table" or ("_p_" not in (name or "") and name != "alembic_version")
                )
            },
        )
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert differences == []


def test_usage_that_is_there_already_is_summed_from_its_first_day_on(empty: Engine, keys: str) -> None:
    migrations.upgrade(empty)
    home = House(Settings(), empty, Kit(Cipher.parse(keys)))
    used, idle = make_provider(home), make_provider(home)
    with unit(used, actor="test", within=home) as ctx:
        metered = a_metered_point(ctx)
        take(ctx, *hourly(metered.point, DAY, ["10", "12", "15", "19"]))
        send(ctx, [an_event(metered, "e1", DAY + timedelta(days=2), "1")])
    migrations.downgrade(empty, "0018")
    migrations.upgrade(empty)
    with unit(used, actor="test", within=home) as ctx:
        assert (summed_until(ctx), days(ctx)) == (DAY.replace(hour=0), [])
        for _ in range(3):
            assert backend().sum_day(ctx.session, used, DAY + timedelta(days=3)) is not None
        assert len(days(ctx)) == 3
        assert days(ctx) == days_by_hours(ctx)
    with unit(idle, actor="test", within=home) as ctx:
        assert summed_until(ctx) == SANDBOX_NOW


def test_two_processes_that_migrate_at_once_do_not_collide(empty: Engine) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: migrations.upgrade(empty), range(2)))
    assert migrations.applied(empty) == migrations.head()
