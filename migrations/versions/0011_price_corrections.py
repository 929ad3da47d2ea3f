"""Corrections of prices that were wrong from the start.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.rules import as_login, as_owner, audited, immutable, not_audited, tenant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLE = "price_correction"


def upgrade() -> None:
    as_owner()
    op.create_table(
        TABLE,
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("currencies", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "price_id"],
            ["price.provider_id", "price.id"],
            name=op.f("fk_price_correction_provider_id_price_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_price_correction")),
    )
    op.create_index("ix_price_correction_price", TABLE, ["provider_id", "price_id", "id"])
    tenant(TABLE, grants="select, insert")
    immutable(TABLE)
    audited(TABLE, ("price_id", "currencies", "reason"))
    as_login()


def downgrade() -> None:
    as_owner()
    not_audited(TABLE)
    op.drop_table(TABLE)
    as_login()
