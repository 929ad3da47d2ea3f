"""Charges that draw usage from a committed amount.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from alembic import op

from migrations.rules import as_login, as_owner

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BEFORE = "'recurring', 'one_off', 'usage', 'credit', 'adjustment'"


def upgrade() -> None:
    _kinds(f"{BEFORE}, 'drawdown'")


def downgrade() -> None:
    # What was drawn stays in the books: charges are never deleted.
    _kinds(BEFORE, "NOT VALID")


def _kinds(kinds: str, validity: str = "") -> None:
    as_owner()
    op.execute("ALTER TABLE charge DROP CONSTRAINT ck_charge_kind")
    op.execute(f"ALTER TABLE charge ADD CONSTRAINT ck_charge_kind CHECK (kind IN ({kinds})) {validity}")
    as_login()
