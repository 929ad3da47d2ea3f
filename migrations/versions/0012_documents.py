"""Documents as payers want them: how they are grouped, cost centres, statements on a schedule, files in mails.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.rules import as_login, as_owner

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ACCOUNT = ("invoice_grouping", "statement_schedule", "next_statement_at")
NO_LIST = sa.text("'[]'::jsonb")


def upgrade() -> None:
    as_owner()
    op.add_column("account", sa.Column("invoice_grouping", sa.Text(), server_default="payer", nullable=False))
    op.add_column("account", sa.Column("statement_schedule", postgresql.JSONB(), nullable=True))
    op.add_column("account", sa.Column("next_statement_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_account_invoice_grouping"),
        "account",
        "invoice_grouping IN ('payer', 'subscription', 'purchase_order')",
    )
    op.create_check_constraint(
        op.f("ck_account_next_statement_at"), "account", "next_statement_at IS NULL OR payer_id = id"
    )
    op.create_index(
        "ix_account_next_statement_at",
        "account",
        ["next_statement_at"],
        postgresql_where=sa.text("next_statement_at IS NOT NULL"),
    )
    op.execute(f"GRANT UPDATE ({', '.join(ACCOUNT)}) ON account TO busbar_app")
    op.execute("GRANT SELECT (next_statement_at) ON account TO busbar_dispatch")
    op.add_column("subscription_item", sa.Column("cost_centre", sa.Text(), nullable=True))
    op.create_index(
        "ix_subscription_item_cost_centre",
        "subscription_item",
        ["provider_id", "subscription_id"],
        postgresql_where=sa.text("cost_centre IS NOT NULL"),
    )
    op.execute("GRANT UPDATE (cost_centre) ON subscription_item TO busbar_app")
    op.add_column("invoice", sa.Column("cost_centres", postgresql.JSONB(), server_default=NO_LIST, nullable=False))
    op.add_column("mail", sa.Column("attachments", postgresql.JSONB(), server_default=NO_LIST, nullable=False))
    as_login()


def downgrade() -> None:
    as_owner()
    op.drop_column("mail", "attachments")
    op.drop_column("invoice", "cost_centres")
    op.drop_index("ix_subscription_item_cost_centre", "subscription_item")
    op.drop_column("subscription_item", "cost_centre")
    op.drop_index("ix_account_next_statement_at", "account")
    for column in ACCOUNT:
        op.drop_column("account", column)
    as_login()
