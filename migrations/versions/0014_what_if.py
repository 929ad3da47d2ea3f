"""What-if: prices tried on the usage of past months; what a plan offers in its place and beside it.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.rules import as_login, as_owner, audited, not_audited, tenant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

AUDITED = {
    "simulation": ("status", "plan_version_id", "prices", "chosen", "first_month", "last_month"),
    "plan_offer": ("plan_id", "offered_plan_id", "kind", "position"),
}


def upgrade() -> None:
    as_owner()
    simulations()
    plan_offers()
    for table, columns in AUDITED.items():
        audited(table, columns)
    as_login()


def own() -> list[sa.SchemaItem]:
    """The columns of every tenant table."""
    return [
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
    ]


def ref(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """A reference to a row of the same tenant."""
    return sa.ForeignKeyConstraint(
        ["provider_id", column],
        [f"{target}.provider_id", f"{target}.id"],
        name=op.f(f"fk_{table}_provider_id_{column}"),
    )


def simulations() -> None:
    op.create_table(
        "simulation",
        *own(),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=True),
        sa.Column("prices", postgresql.JSONB(), nullable=True),
        sa.Column("chosen", postgresql.JSONB(), nullable=False),
        sa.Column("assumed", postgresql.JSONB(), nullable=False),
        sa.Column("first_month", sa.Date(), nullable=False),
        sa.Column("last_month", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        sa.Column("subscriptions_total", sa.Integer(), nullable=False),
        sa.Column("subscriptions_done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("place", postgresql.JSONB(), nullable=True),
        sa.Column("found", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("(plan_version_id IS NULL) <> (prices IS NULL)", name=op.f("ck_simulation_tried")),
        sa.CheckConstraint("first_month <= last_month", name=op.f("ck_simulation_months")),
        sa.CheckConstraint("status IN ('running', 'done')", name=op.f("ck_simulation_status")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_simulation_provider_id")),
        ref("simulation", "plan_version_id", "plan_version"),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_simulation")),
    )
    op.create_index(
        "uq_simulation_external_id",
        "simulation",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_index(
        "ix_simulation_working", "simulation", ["created_at"], postgresql_where=sa.text("status = 'running'")
    )
    tenant("simulation", grants="select, insert, update", dispatch=("provider_id", "id", "status", "created_at"))


def plan_offers() -> None:
    op.create_table(
        "plan_offer",
        *own(),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("offered_plan_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('successor', 'companion')", name=op.f("ck_plan_offer_kind")),
        sa.CheckConstraint("plan_id <> offered_plan_id", name=op.f("ck_plan_offer_other")),
        ref("plan_offer", "plan_id", "plan"),
        ref("plan_offer", "offered_plan_id", "plan"),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_plan_offer")),
        sa.UniqueConstraint(
            "provider_id", "plan_id", "offered_plan_id", name=op.f("uq_plan_offer_provider_id_plan_id_offered_plan_id")
        ),
    )
    tenant("plan_offer", grants="select, insert, delete")


def downgrade() -> None:
    as_owner()
    for table in AUDITED:
        not_audited(table)
        op.drop_table(table)
    as_login()
