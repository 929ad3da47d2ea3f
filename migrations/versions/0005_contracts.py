"""Trials, fixed and minimum terms, pauses, re-anchoring, and what a price of one contract alone comes from.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.rules import as_login, as_owner, audited, immutable, not_audited, tenant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(astext_type=sa.Text())
INSTANT = postgresql.TIMESTAMP(timezone=True)
AUDITED_BEFORE = ("status", "start_at", "ended_at", "plan_version_id", "quantities")
AUDITED = (*AUDITED_BEFORE, "trial", "trial_ends_at", "term", "term_ends_at", "minimum_term", "minimum_ends_at")
COLUMNS = {
    "anchored_at": INSTANT,
    "trial": JSON,
    "trial_ends_at": INSTANT,
    "trial_next_at": INSTANT,
    "term": JSON,
    "term_started_at": INSTANT,
    "term_ends_at": INSTANT,
    "term_next_at": INSTANT,
    "minimum_term": JSON,
    "minimum_ends_at": INSTANT,
}
TIMELINES = {"subscription_break": ("reason", sa.Text(), True), "subscription_anchor": ("agreed_at", INSTANT, False)}


def upgrade() -> None:
    as_owner()
    for name, kind in COLUMNS.items():
        op.add_column("subscription", sa.Column(name, kind, nullable=True))
    for name in ("trial_next_at", "term_next_at"):
        op.create_index(
            f"ix_subscription_{name.removesuffix('_next_at')}",
            "subscription",
            [name],
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
        op.execute(f"GRANT SELECT ({name}) ON subscription TO busbar_dispatch")
    not_audited("subscription")
    audited("subscription", AUDITED)
    op.add_column("price", sa.Column("origin", JSON, nullable=True))
    op.add_column("plan_version", sa.Column("trial", JSON, nullable=True))
    for table, (column, kind, nullable) in TIMELINES.items():
        timeline(table, sa.Column(column, kind, nullable=nullable))
    op.create_check_constraint(
        op.f("ck_subscription_break_reason"), "subscription_break", "reason IN ('trial', 'pause', 'term')"
    )
    as_login()


def timeline(table: str, column: sa.Column[object]) -> None:
    """A table of append-only rows about a subscription, each from an instant on."""
    op.create_table(
        table,
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("from_at", INSTANT, nullable=False),
        column,
        sa.Column("recorded_at", INSTANT, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id", "subscription_id"],
            ["subscription.provider_id", "subscription.id"],
            name=op.f(f"fk_{table}_provider_id_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f(f"pk_{table}")),
    )
    op.create_index(f"ix_{table}_subscription", table, ["provider_id", "subscription_id"])
    tenant(table, grants="select, insert")
    immutable(table)
    audited(table, ("subscription_id", "from_at", column.name))


def downgrade() -> None:
    as_owner()
    for table in TIMELINES:
        op.drop_table(table)
    op.drop_column("plan_version", "trial")
    op.drop_column("price", "origin")
    not_audited("subscription")
    audited("subscription", AUDITED_BEFORE)
    for name in COLUMNS:
        op.drop_column("subscription", name)
    as_login()
