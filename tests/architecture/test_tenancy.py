"""Tenancy, enumerated: every relation, partition, foreign key, view and owner in the database is looked at (I10)."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from models import Base
from runtime.house import House
from runtime.unit import dispatch, unit
from tests.conftest import make_provider

GLOBAL = {"provider", "app_user", "alembic_version"}
POLICY = "NULLIF(current_setting('busbar.provider'::text, true), ''::text))::uuid"


@pytest.fixture
def catalog(house: House) -> Connection:
    """A superuser's look at the catalogue of the migrated database, with a month of partitions made."""
    with house.engine.connect() as connection:
        connection.execute(
            text("SELECT busbar_partition(t, '2026-01-01') FROM unnest(ARRAY['reading', 'usage_event']) t")
        )
        connection.commit()
        yield connection


def relations(connection: Connection, kinds: str) -> list[str]:
    statement = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = ANY(:kinds)"
    return list(connection.execute(text(statement), {"kinds": list(kinds)}).scalars())


def test_every_relation_forces_row_level_security(catalog: Connection) -> None:
    statement = """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND NOT (relrowsecurity AND relforcerowsecurity)
    """
    assert set(catalog.execute(text(statement)).scalars()) <= {"app_user", "alembic_version"}


def test_every_tenant_table_has_the_one_policy(catalog: Connection) -> None:
    rows = catalog.execute(
        text(
            "SELECT tablename, policyname, qual, with_check, roles::text[] FROM pg_policies WHERE schemaname = 'public'"
        )
    ).all()
    tenant = {r.tablename: r for r in rows if r.policyname == "tenant"}
    assert set(tenant) == {t for t in Base.metadata.tables if t != "app_user"}
    for table, policy in tenant.items():
        key = "id" if table == "provider" else "provider_id"
        assert policy.qual == policy.with_check
        assert policy.qual.strip("()").startswith(f"{key} = "), table
        assert POLICY in policy.qual, table
        assert set(policy.roles) == {"busbar_app", "busbar_owner"}
    others = {r.policyname: r for r in rows if r.policyname != "tenant"}
    assert set(others) == {"dispatch"}
    assert all(list(r.roles) == ["busbar_dispatch"] for r in rows if r.policyname == "dispatch")


def test_every_tenant_table_has_its_provider_in_its_key(catalog: Connection) -> None:
    for table in Base.metadata.sorted_tables:
        if table.name not in GLOBAL:
            assert "provider_id" in table.c, table.name
            assert "provider_id" in {c.name for c in table.primary_key}, table.name


def test_every_reference_between_tenant_tables_holds_the_provider(catalog: Connection) -> None:
    statement = """
        SELECT c.conname, src.relname AS source, dst.relname AS target,
               array(SELECT attname FROM pg_attribute
                     WHERE attrelid = c.conrelid AND attnum = ANY (c.conkey)) AS here,
               array(SELECT attname FROM pg_attribute
                     WHERE attrelid = c.confrelid AND attnum = ANY (c.confkey)) AS there
        FROM pg_constraint c JOIN pg_class src ON src.oid = c.conrelid JOIN pg_class dst ON dst.oid = c.confrelid
        WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
    """
    keys = catalog.execute(text(statement)).all()
    assert len(keys) > 50
    for key in keys:
        if key.target not in GLOBAL:
            assert "provider_id" in key.here, key.conname
            assert "provider_id" in key.there, key.conname


def test_the_application_has_no_grants_on_partitions_and_owns_nothing(catalog: Connection) -> None:
    partitions = (
        catalog.execute(text("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")).scalars().all()
    )
    assert any(name.startswith("reading_p_") for name in partitions)
    for name in partitions:
        for role in ("busbar_app", "busbar_dispatch"):
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                allowed = catalog.execute(
                    text(
                        "SELECT has_table_privilege(:role, :name, :right)"
                        " OR has_any_column_privilege(:role, :name, :column)"
                    ),
                    {"role": role, "name": name, "right": right, "column": "SELECT" if right == "DELETE" else right},
                ).scalar_one()
                assert not allowed, (role, name, right)
    statement = """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
        AND relname NOT LIKE 'alembic_version%' AND pg_get_userbyid(relowner) <> 'busbar_owner'
    """
    assert catalog.execute(text(statement)).scalars().all() == []


def test_no_role_bypasses_and_there_are_no_views(catalog: Connection) -> None:
    roles = catalog.execute(
        text(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'busbar\\_%' AND (rolsuper OR rolbypassrls OR rolcanlogin)"
        )
    )
    assert roles.scalars().all() == []
    assert relations(catalog, "vm") == []


def test_security_definer_functions_are_the_known_ones_with_a_fixed_path(catalog: Connection) -> None:
    statement = "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    found = {row.proname: row.proconfig for row in catalog.execute(text(statement))}
    assert set(found) <= {"busbar_audit", "busbar_partition", "busbar_lines_frozen", "busbar_allocated"}
    assert all(config and any(c.startswith("search_path=pg_catalog") for c in config) for config in found.values())


def test_the_dispatching_role_reads_only_what_finds_work(catalog: Connection) -> None:
    statement = """
        SELECT table_name, column_name, privilege_type FROM information_schema.column_privileges
        WHERE grantee = 'busbar_dispatch' AND table_schema = 'public'
    """
    rows = catalog.execute(text(statement)).all()
    assert {r.privilege_type for r in rows} == {"SELECT"}
    secret = {"body", "data", "payload", "credentials", "secret", "evidence", "inputs", "email", "to", "value"}
    assert not {(r.table_name, r.column_name) for r in rows if r.column_name in secret}


def test_without_a_provider_there_are_no_rows(house: House, provider_id: UUID) -> None:
    with house.engine.connect() as connection:
        connection.execute(text("SELECT set_config('role', 'busbar_app', true)"))
        for table in Base.metadata.sorted_tables:
            if table.name != "app_user":
                assert connection.execute(text(f'SELECT count(*) FROM "{table.name}"')).scalar_one() == 0, table.name


def test_one_provider_neither_reads_nor_writes_another(house: House, provider_id: UUID) -> None:
    other = make_provider(house)
    with unit(provider_id, actor="test", within=house) as ctx:
        rows = ctx.session.execute(text("SELECT DISTINCT provider_id FROM seller")).scalars().all()
        assert rows == [provider_id]
        changed = ctx.session.execute(text("UPDATE seller SET name = 'mine now' WHERE provider_id = :o"), {"o": other})
        assert changed.rowcount == 0
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        unit(provider_id, actor="test", within=house) as ctx,
    ):
        ctx.session.execute(
            text(
                "INSERT INTO site (provider_id, id, code, name, time_zone, created_at)"
                " VALUES (:o, gen_random_uuid(), 'x', 'x', 'UTC', :now)"
            ),
            {"o": other, "now": ctx.now},
        )


def test_partitions_cannot_be_read_directly(house: House, provider_id: UUID, catalog: Connection) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        unit(provider_id, actor="test", within=house) as ctx,
    ):
        ctx.session.execute(text("SELECT * FROM reading_p_202601"))


def test_the_dispatching_role_cannot_read_what_rows_say(house: House) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), dispatch(within=house) as session:
        session.execute(text("SELECT data FROM outbox_event"))
    with pytest.raises(ProgrammingError, match="permission denied"), dispatch(within=house) as session:
        session.execute(text("UPDATE outbox_event SET reacted_at = NULL"))
