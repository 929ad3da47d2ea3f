"""The rules every tenant table is born with: forced row-level security, a policy, grants.

Roles: `busbar_owner` owns everything and runs migrations and trigger functions; `busbar_app` serves one tenant at a
time; `busbar_dispatch` reads, over all tenants, only the columns that find work.
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

# An unset setting is NULL at first and an empty string after a transaction that had set it.
CURRENT_PROVIDER = "NULLIF(current_setting('busbar.provider', true), '')::uuid"


def as_owner() -> None:
    """What follows in this migration is made and owned by `busbar_owner`, and gives up rather than block traffic."""
    op.execute("SET LOCAL ROLE busbar_owner")
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '10min'")


def as_login() -> None:
    """Back to the login role, which keeps alembic's own table."""
    op.execute("RESET ROLE")


def tenant(table: str, *, key: str = "provider_id", grants: str, dispatch: Sequence[str] = ()) -> None:
    """Close a table to all but its own tenant.

    Args:
        key: the column that names the provider.
        grants: what the application's role may do.
        dispatch: columns that the dispatching role may read over all tenants.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant ON {table} TO busbar_app, busbar_owner "
        f"USING ({key} = {CURRENT_PROVIDER}) WITH CHECK ({key} = {CURRENT_PROVIDER})"
    )
    open_to(table, grants=grants, dispatch=dispatch)
    if dispatch:
        op.execute(f"CREATE POLICY dispatch ON {table} FOR SELECT TO busbar_dispatch USING (true)")


def open_to(table: str, *, grants: str, dispatch: Sequence[str] = ()) -> None:
    """The grants of a table, without a policy (global tables)."""
    op.execute(f"GRANT {grants} ON {table} TO busbar_app")
    if dispatch:
        op.execute(f"GRANT SELECT ({', '.join(dispatch)}) ON {table} TO busbar_dispatch")


def audited(table: str, columns: Sequence[str]) -> None:
    """A change of these columns leaves a row of the audit trail (I12)."""
    arguments = ", ".join(f"'{column}'" for column in columns)
    for when, rows in (
        ("INSERT", "NEW TABLE AS new_rows"),
        ("UPDATE", "NEW TABLE AS new_rows OLD TABLE AS old_rows"),
        ("DELETE", "OLD TABLE AS old_rows"),
    ):
        op.execute(
            f"CREATE TRIGGER audit_{when.lower()} AFTER {when} ON {table} REFERENCING {rows} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION busbar_audit({arguments})"
        )


def not_audited(table: str) -> None:
    """Take the triggers of `audited` off a table."""
    for when in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER audit_{when} ON {table}")


def immutable(table: str) -> None:
    """Rows of this table are facts: added, never changed or deleted."""
    op.execute(
        f"CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION busbar_immutable()"
    )
