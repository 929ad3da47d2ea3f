"""Real PostgreSQL for every test that asks for it: a throw-away cluster, a migrated template, a copy per worker.

A test makes its own provider, so nothing needs cleaning up: tenancy keeps tests apart as it keeps tenants apart.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine, insert, text
from sqlalchemy.engine import URL, make_url

from core.ids import new_id
from models.providers import Provider, Seller, TestClock
from runtime import house as houses
from runtime import migrations
from runtime.house import House
from runtime.settings import Settings
from runtime.unit import founding, unit
from services.cipher import Cipher
from services.context import Context, Kit
from stores import usage

CHECKOUT = Path(__file__).resolve().parent.parent
TEMPLATE = "busbar_template"
SANDBOX_NOW = datetime(2026, 1, 15, tzinfo=UTC)

# The same examples each time, and no verdict by how fast the machine is: what was green stays green until the code
# changes. `pytest --hypothesis-profile explore` looks for new counterexamples, with ten times as many by default.
UNHURRIED = [HealthCheck.too_slow]
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=UNHURRIED)
settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=UNHURRIED)
settings.load_profile("repeatable")


def _cluster_dir() -> Path:
    """One cluster per checkout, kept between runs; it starts when a test first needs it."""
    tag = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"busbar-tests-{os.getuid()}-{tag}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The cluster outlives a run, so that the next starts at once; `make test` leaves nothing behind."""
    if os.environ.get("STOP_TEST_CLUSTER") and not hasattr(session.config, "workerinput"):
        from embedded import postgres

        postgres.stop(_cluster_dir())
        shutil.rmtree(_cluster_dir(), ignore_errors=True)


def _schema_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted((CHECKOUT / "migrations").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _admin(url: str) -> Engine:
    return create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")


def _copy(admin: Engine, name: str, template: str) -> None:
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))


@pytest.fixture(scope="session")
def cluster() -> URL:
    """The URL of the test cluster's superuser, with the migrated template made."""
    from embedded import postgres

    directory = _cluster_dir()
    directory.mkdir(parents=True, exist_ok=True)
    outside = os.environ.get("TEST_DATABASE_URL")
    url = outside or postgres.ensure(directory, durable=False)
    admin = _admin(url)
    template = f"{TEMPLATE}_{_schema_hash()}"
    with (directory / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with admin.connect() as connection:
            made = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :n"), {"n": template}).scalar()
        if not made:
            _make_template(admin, template)
    admin.dispose()
    return make_url(url)


def _make_template(admin: Engine, template: str) -> None:
    draft = f"{template}_draft"
    _copy(admin, draft, "template1")
    engine = houses.make_engine(str(admin.url.set(database=draft).render_as_string(hide_password=False)), 2)
    migrations.upgrade(engine)
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{draft}" RENAME TO "{template}"'))


@pytest.fixture(scope="session")
def database(cluster: URL, worker_id: str) -> Iterator[URL]:
    """This worker's own database, migrated."""
    name = f"busbar_{worker_id}_{os.getpid()}"
    admin = _admin(cluster.render_as_string(hide_password=False))
    with (_cluster_dir() / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a template with a copy under way cannot be copied again
        _copy(admin, name, f"{TEMPLATE}_{_schema_hash()}")
    yield cluster.set(database=name)
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
    admin.dispose()


@pytest.fixture(scope="session")
def keys() -> str:
    return "k1:" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture(scope="session")
def environment(database: URL, keys: str) -> dict[str, str]:
    """What a program started by a test needs to work on this worker's database."""
    return {
        "BUSBAR_DATABASE_URL": database.set(drivername="postgresql").render_as_string(hide_password=False),
        "BUSBAR_SECRET_KEYS": keys,
        "BUSBAR_PRIVATE_WEBHOOKS": "yes",
    }


@pytest.fixture(scope="session")
def house(database: URL, keys: str) -> Iterator[House]:
    """The process's connections, on this worker's database; doors under test use the same."""
    url = database.set(drivername="postgresql").render_as_string(hide_password=False)
    settings = Settings(database_url=url, secret_keys=keys, private_webhooks=True)
    kit = Kit(Cipher.parse(keys), public_url="http://busbar.test", webhooks_may_be_private=True)
    opened = House(settings, houses.make_engine(url, 6), kit)
    patch = pytest.MonkeyPatch()
    patch.setattr("runtime.unit.house", lambda: opened)
    patch.setattr("runtime.house.house", lambda: opened)
    yield opened
    patch.undo()
    opened.engine.dispose()


def make_provider(
    house: House, *, sandbox: bool = True, now: datetime = SANDBOX_NOW, time_zone: str = "Europe/Amsterdam"
) -> UUID:
    """A provider with its default seller (21 % VAT) and, for a sandbox, its clock."""
    provider_id = new_id()
    with founding(provider_id, actor="test", within=house) as session:
        session.execute(
            insert(Provider).values(
                id=provider_id,
                name="Test DC",
                sandbox=sandbox,
                country="NL",
                time_zone=time_zone,
                currency="EUR",
                created_at=now,
            )
        )
        session.execute(
            insert(Seller).values(
                provider_id=provider_id,
                id=new_id(),
                name="Test DC",
                legal_name="Test DC B.V.",
                country="NL",
                tax_rate=21,
                is_default=True,
                created_at=now,
            )
        )
        if sandbox:
            session.execute(insert(TestClock).values(provider_id=provider_id, now=now))
        usage.backend().make_room(session, provider_id, now)
    return provider_id


@pytest.fixture
def provider_id(house: House) -> UUID:
    """A fresh sandbox provider; its clock stands at 2026-01-15T00:00Z."""
    return make_provider(house)


Open = Callable[..., AbstractContextManager[Context]]


@pytest.fixture
def open_unit(house: House, provider_id: UUID) -> Open:
    """`with open_unit() as ctx:` is one committed transaction of this test's provider."""

    def opener(provider: UUID | None = None, **options: object) -> AbstractContextManager[Context]:
        return unit(provider or provider_id, actor="test", within=house, **options)  # type: ignore[arg-type]

    return opener


@pytest.fixture
def ctx(open_unit: Open) -> Iterator[Context]:
    """One transaction that is committed when the test ends."""
    with open_unit() as opened:
        yield opened


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name (about 100 characters)."""
    path = Path(tempfile.mkdtemp(prefix="bb"))
    yield path
    with contextlib.suppress(OSError):
        shutil.rmtree(path)
