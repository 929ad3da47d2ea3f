"""Links and sessions of the customer pages are swept once they open nothing any more.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

from alembic import op

from migrations.rules import as_login, as_owner

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = ("portal_link", "portal_session")


def upgrade() -> None:
    as_owner()
    for table in TABLES:
        op.execute(f"GRANT DELETE ON {table} TO busbar_app")
        op.execute(f"GRANT SELECT (expires_at) ON {table} TO busbar_dispatch")
        op.execute(f"CREATE INDEX ix_{table}_expires_at ON {table} (expires_at)")
    as_login()


def downgrade() -> None:
    as_owner()
    for table in TABLES:
        op.execute(f"DROP INDEX ix_{table}_expires_at")
        op.execute(f"REVOKE SELECT (expires_at) ON {table} FROM busbar_dispatch")  # noqa: S608 (our own tables)
        op.execute(f"REVOKE DELETE ON {table} FROM busbar_app")
    as_login()
