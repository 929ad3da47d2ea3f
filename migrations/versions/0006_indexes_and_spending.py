"""Price indexes; limits on spending.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.rules import as_login, as_owner, audited, not_audited, tenant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

AUDITED = {
    "price_index": ("code", "name", "unit", "currency", "slot_minutes"),
    "spending_limit": ("account_id", "subscription_id", "charge_code", "kind", "amount", "quantity", "removed_at"),
}
TABLES = ("spending_news", "spending_crossing", "spending_limit", "index_value", "price_index")


def upgrade() -> None:
    as_owner()
    indexes()
    limits()
    crossings()
    close()
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


def resource(table: str) -> list[sa.SchemaItem]:
    """The columns of every resource."""
    return [
        *own(),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f(f"pk_{table}")),
    ]


def ref(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """A reference to a row of the same tenant."""
    return sa.ForeignKeyConstraint(
        ["provider_id", column],
        [f"{target}.provider_id", f"{target}.id"],
        name=op.f(f"fk_{table}_provider_id_{column}"),
    )


def external(table: str) -> None:
    op.create_index(
        f"uq_{table}_external_id",
        table,
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )


def indexes() -> None:
    op.create_table(
        "price_index",
        *resource("price_index"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("slot_minutes", sa.Integer(), nullable=False),
        sa.CheckConstraint("slot_minutes IN (60, 15)", name=op.f("ck_price_index_slot_minutes")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_price_index_provider_id")),
        sa.UniqueConstraint("provider_id", "code", name=op.f("uq_price_index_provider_id_code")),
    )
    external("price_index")
    op.create_table(
        "index_value",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("index_id", sa.Uuid(), nullable=False),
        sa.Column("start_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("value", sa.Numeric(38, 12), nullable=False),
        sa.Column("superseded_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("superseded_at >= recorded_at", name=op.f("ck_index_value_superseded_at")),
        ref("index_value", "index_id", "price_index"),
        sa.PrimaryKeyConstraint("provider_id", "index_id", "start_at", "recorded_at", name=op.f("pk_index_value")),
    )
    op.create_index(
        "uq_index_value_current",
        "index_value",
        ["provider_id", "index_id", "start_at"],
        unique=True,
        postgresql_where=sa.text("superseded_at IS NULL"),
    )


def limits() -> None:
    table, kept = "spending_limit", sa.text("removed_at IS NULL")
    op.create_table(
        table,
        *resource(table),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("charge_code", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(3), nullable=True),
        sa.Column("quantity", sa.Numeric(38, 12), nullable=True),
        sa.Column("removed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('threshold', 'cap')", name=op.f("ck_spending_limit_kind")),
        sa.CheckConstraint("(amount IS NULL) <> (quantity IS NULL)", name=op.f("ck_spending_limit_one_of")),
        sa.CheckConstraint("(amount IS NULL) = (currency IS NULL)", name=op.f("ck_spending_limit_currency")),
        sa.CheckConstraint("amount > 0 AND quantity > 0", name=op.f("ck_spending_limit_above_zero")),
        sa.CheckConstraint("quantity IS NULL OR charge_code IS NOT NULL", name=op.f("ck_spending_limit_charge_code")),
        ref(table, "account_id", "account"),
        ref(table, "subscription_id", "subscription"),
    )
    external(table)
    op.create_index("ix_spending_limit_account", table, ["provider_id", "account_id"], postgresql_where=kept)
    op.create_index("ix_spending_limit_subscription", table, ["provider_id", "subscription_id"], postgresql_where=kept)


def crossings() -> None:
    table = "spending_crossing"
    op.create_table(
        table,
        *own(),
        sa.Column("limit_id", sa.Uuid(), nullable=False),
        sa.Column("start_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("end_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("reached_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("quantity", sa.Numeric(38, 12), nullable=True),
        sa.CheckConstraint("end_at > start_at", name=op.f(f"ck_{table}_span")),
        ref(table, "limit_id", "spending_limit"),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint(
            "provider_id", "limit_id", "start_at", name=op.f(f"uq_{table}_provider_id_limit_id_start_at")
        ),
    )
    op.create_table(
        "spending_news",
        *own(),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("from_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("look_at", sa.TIMESTAMP(timezone=True), nullable=False),
        ref("spending_news", "subscription_id", "subscription"),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_spending_news")),
    )
    op.create_index("ix_spending_news_look_at", "spending_news", ["provider_id", "look_at"])


def close() -> None:
    """Policies and grants, table by table."""
    tenant("price_index", grants="select, insert, update (external_id, metadata, name)")
    tenant("index_value", grants="select, insert, update (superseded_at)")
    tenant("spending_limit", grants="select, insert, update (external_id, metadata, removed_at)")
    tenant("spending_crossing", grants="select, insert")
    tenant("spending_news", grants="select, insert, delete", dispatch=("provider_id", "id", "look_at"))


def downgrade() -> None:
    as_owner()
    for table in AUDITED:
        not_audited(table)
    for table in TABLES:
        op.drop_table(table)
    as_login()
