"""Billing runs: a large payer in portions, a trail of changes, arrivals that say where to look again.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

from migrations.rules import as_login, as_owner

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    as_owner()
    as_login()


def downgrade() -> None:
    as_owner()
    as_login()
