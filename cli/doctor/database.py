"""The database: whether it answers, is new enough, has the roles and the schema, keeps the time, and what waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from cli.doctor.finding import Finding, bad, good, warning
from embedded import postgres
from jobs.schedule import leading
from runtime import migrations
from runtime.house import House, database_url, make_engine, make_kit
from runtime.settings import Settings
from runtime.unit import dispatch, unit
from services import sealed
from services.clock import system_now

VERSION_LEAST = 150000
OFFSET_MAX = timedelta(seconds=2)
WAITS_LONG = timedelta(minutes=5)
ROLES = ("busbar_owner", "busbar_app", "busbar_dispatch")
LATE = (
    "SELECT (SELECT count(*) FROM outbox_event WHERE reacted_at IS NULL AND react_after < :before),"
    " (SELECT count(*) FROM delivery WHERE status IN ('pending', 'retrying') AND next_at < :before),"
    " (SELECT count(*) FROM delivery WHERE status = 'dead'),"
    " (SELECT count(*) FROM test_clock WHERE status = 'failed')"
)


def look(settings: Settings) -> Iterator[Finding]:
    """Everything about the database, as far as it answers."""
    if settings.embedded_database and not postgres.running(settings.data_dir):
        yield warning("database", "the embedded PostgreSQL does not run", "`busbar serve` starts it.")
        return
    engine = make_engine(database_url(settings), 2)
    try:
        with engine.connect() as connection:
            yield _version(connection, settings)
            yield _clock(connection)
            yield from _roles(connection)
            schema = _schema(engine, settings)
            yield schema
            if schema.state == "good":
                yield _partitions(connection)
                yield _schedule(engine)
                yield from _tenants(House(settings, engine, make_kit(settings)))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        yield bad("database", f"does not answer: {reason}", "Check BUSBAR_DATABASE_URL and that the server runs.")
    finally:
        engine.dispose()


def _version(connection: Connection, settings: Settings) -> Finding:
    number, name, fsync = connection.execute(
        text("SELECT current_setting('server_version_num')::int, version(), current_setting('fsync')")
    ).one()
    where = "embedded" if settings.embedded_database else "configured"
    shown = f"{' '.join(name.split()[:2])} ({where})"
    if number < VERSION_LEAST:
        return bad("database", shown, "Busbar needs PostgreSQL 15 or newer.")
    if fsync != "on":
        return bad("database", f"{shown}, fsync is off", "Set fsync = on: what was answered must be on the disk.")
    return good("database", shown)


def _clock(connection: Connection) -> Finding:
    theirs = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    offset = theirs - system_now()
    shown = f"{offset.total_seconds() * 1000:+.0f} ms between the database's clock and ours"
    if abs(offset) > OFFSET_MAX:
        return bad("clock", shown, "Run a time service (chrony, systemd-timesyncd) on both machines.")
    return good("clock", shown)


def _roles(connection: Connection) -> Iterator[Finding]:
    rows = connection.execute(
        text(
            "SELECT rolname, rolbypassrls OR rolsuper AS strong, pg_has_role(current_user, oid, 'MEMBER') AS ours"
            " FROM pg_roles WHERE rolname = ANY(:names)"
        ),
        {"names": list(ROLES)},
    ).all()
    known = {row.rolname: row for row in rows}
    for role in ROLES:
        row = known.get(role)
        if row is None:
            yield bad("roles", f"{role} does not exist", "Run `busbar migrate` as a user who may create roles.")
        elif row.strong:
            yield bad("roles", f"{role} passes by the tenants' policies", f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS")
        elif not row.ours:
            yield bad("roles", f"our user may not become {role}", f"GRANT {role} TO the user of BUSBAR_DATABASE_URL")
    if len(known) == len(ROLES):
        yield good("roles", "owner, application and dispatch are there")


def _schema(engine: Engine, settings: Settings) -> Finding:
    applied, head = migrations.applied(engine), migrations.head()
    if applied == head:
        return good("migrations", f"at {head}")
    if applied is None:
        return bad("migrations", "the database is empty", "Run `busbar migrate`.")
    if applied not in migrations.known():
        return bad("migrations", f"at {applied}, which this version does not know", "Run the version that made it.")
    advice = "`busbar serve` does it." if settings.embedded_database else "Run `busbar migrate`."
    return bad("migrations", f"at {applied}, this version needs {head}", advice)


def _partitions(connection: Connection) -> Finding:
    rows = connection.execute(
        text(
            "SELECT parent.relname, count(*), max(child.relname) FROM pg_inherits"
            " JOIN pg_class parent ON parent.oid = inhparent JOIN pg_class child ON child.oid = inhrelid"
            " WHERE parent.relname IN ('reading', 'usage_event') GROUP BY 1 ORDER BY 1"
        )
    ).all()
    shown = ", ".join(f"{row[0]}: {row[1]} months, the last {row[2].rpartition('_')[2]}" for row in rows)
    return good("partitions", shown or "none yet; each month's is made with its first reading")


def _schedule(engine: Engine) -> Finding:
    with leading(engine) as lead:
        if lead is None:
            return good("schedule", "a worker keeps it")
    return warning("schedule", "no worker keeps it", "Start `busbar serve`, or `busbar worker` beside it.")


def _tenants(home: House) -> Iterator[Finding]:
    with dispatch(within=home) as session:
        providers = list(session.scalars(text("SELECT id FROM provider ORDER BY id")))
        late = session.execute(text(LATE), {"before": system_now() - WAITS_LONG}).one()
    older = lost = 0
    for provider_id in providers:
        with unit(provider_id, actor="cli", within=home) as ctx:
            state = sealed.inspect(ctx)
        older, lost = older + state.older, lost + state.lost
    if lost:
        yield bad("secrets", f"{lost} stored secrets have no key", "Add the missing keys to BUSBAR_SECRET_KEYS.")
    if older:
        yield warning("secrets", f"{older} stored secrets use an older key", "Run `busbar secrets rotate`.")
    yield from _waiting(*late)
    yield good("providers", f"{len(providers)}")


def _waiting(reactions: int, deliveries: int, dead: int, clocks: int) -> Iterator[Finding]:
    if reactions or deliveries:
        shown = f"{reactions} reactions and {deliveries} webhooks wait for over five minutes"
        yield warning("work", shown, "See that workers run, and what their logs say.")
    if dead:
        yield warning(
            "webhooks", f"{dead} deliveries are dead", "See GET /v1/webhook-endpoints/{id}/deliveries; replay."
        )
    if clocks:
        yield warning("sandboxes", f"{clocks} clocks stopped", "GET /v1/test-clock says why; advance again.")
