"""Readings whose unit is suspect are kept aside.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

from migrations.rules import as_login, as_owner

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BEFORE = "'conflict', 'unknown_point'"


def upgrade() -> None:
    _causes(f"{BEFORE}, 'unit_suspect'")


def downgrade() -> None:
    # What was kept aside stays there: a person may still want to see it.
    _causes(BEFORE, "NOT VALID")


def _causes(causes: str, validity: str = "") -> None:
    as_owner()
    op.execute("ALTER TABLE reading_quarantine DROP CONSTRAINT ck_reading_quarantine_cause")
    op.execute(
        f"ALTER TABLE reading_quarantine ADD CONSTRAINT ck_reading_quarantine_cause CHECK (cause IN ({causes})) {validity}"
    )
    as_login()
