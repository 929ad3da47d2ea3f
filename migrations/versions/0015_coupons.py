"""Coupons, and what they take off charges.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.rules import as_login, as_owner, audited, immutable, not_audited, tenant

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

AUDITED = {
    "coupon": (
        *("name", "percent", "amounts", "spans", "redemptions_most", "redeemable_from", "redeemable_until"),
        "archived_at",
    ),
    "coupon_code": ("coupon_id", "code", "account_id", "redemptions_most", "redeemable_until", "disabled_at"),
    "coupon_redemption": ("coupon_id", "code_id", "subscription_id", "starts_at", "withdrawn_at", "counts"),
}
TABLES = ("coupon_redemption", "coupon_code", "coupon_plan", "coupon_product", "coupon")
NO_LIST = sa.text("'[]'::jsonb")


def upgrade() -> None:
    as_owner()
    coupons()
    chosen("product")
    chosen("plan")
    codes()
    redemptions()
    close()
    for table, columns in AUDITED.items():
        audited(table, columns)
    for table in ("charge", "invoice_line"):
        op.add_column(table, sa.Column("reductions", postgresql.JSONB(), server_default=NO_LIST, nullable=False))
    op.create_index(
        "ix_charge_reduced",
        "charge",
        ["provider_id", "subscription_id"],
        postgresql_where=sa.text("reductions <> '[]'::jsonb"),
    )
    as_login()


def own(table: str) -> list[sa.SchemaItem]:
    """The columns of every tenant table."""
    return [
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f(f"pk_{table}")),
    ]


def resource(table: str) -> list[sa.SchemaItem]:
    """The columns of every resource."""
    return [
        *own(table),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
    ]


def instant(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.TIMESTAMP(timezone=True), nullable=nullable)


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


def limited(table: str) -> list[sa.SchemaItem]:
    """How often something may be redeemed, and how often it was: held under concurrency by the row and its CHECK."""
    return [
        sa.Column("redemptions_most", sa.Integer(), nullable=True),
        sa.Column("redeemed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("redeemed >= 0 AND redeemed <= redemptions_most", name=op.f(f"ck_{table}_redeemed")),
        instant("redeemable_until"),
    ]


def coupons() -> None:
    op.create_table(
        "coupon",
        *resource("coupon"),
        *limited("coupon"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("percent", sa.Numeric(38, 12), nullable=True),
        sa.Column("amounts", postgresql.JSONB(), nullable=True),
        sa.Column("spans", sa.Integer(), nullable=True),
        sa.Column("stacking_order", sa.Integer(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("once_per", sa.Text(), server_default="account", nullable=False),
        sa.Column("automatic", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        instant("redeemable_from"),
        instant("archived_at"),
        sa.CheckConstraint("(percent IS NULL) <> (amounts IS NULL)", name=op.f("ck_coupon_one_of")),
        sa.CheckConstraint("percent > 0 AND percent <= 100", name=op.f("ck_coupon_percent")),
        sa.CheckConstraint("spans >= 1", name=op.f("ck_coupon_spans")),
        sa.CheckConstraint("once_per IN ('account', 'subscription')", name=op.f("ck_coupon_once_per")),
        sa.CheckConstraint("redeemable_until > redeemable_from", name=op.f("ck_coupon_window")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_coupon_provider_id")),
    )
    external("coupon")
    op.create_index(
        "ix_coupon_automatic",
        "coupon",
        ["provider_id", "id"],
        postgresql_where=sa.text("automatic AND archived_at IS NULL"),
    )


def chosen(what: str) -> None:
    """The products or plans that a coupon is for."""
    table = f"coupon_{what}"
    op.create_table(
        table,
        *own(table),
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column(f"{what}_id", sa.Uuid(), nullable=False),
        ref(table, "coupon_id", "coupon"),
        ref(table, f"{what}_id", what),
        sa.UniqueConstraint(
            "provider_id", "coupon_id", f"{what}_id", name=op.f(f"uq_{table}_provider_id_coupon_id_{what}_id")
        ),
    )
    immutable(table)


def codes() -> None:
    table = "coupon_code"
    op.create_table(
        table,
        *resource(table),
        *limited(table),
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        instant("disabled_at"),
        ref(table, "coupon_id", "coupon"),
        ref(table, "account_id", "account"),
    )
    external(table)
    op.create_index("uq_coupon_code_code", table, ["provider_id", sa.text("upper(code)")], unique=True)
    op.create_index("ix_coupon_code_coupon", table, ["provider_id", "coupon_id", "id"])


def redemptions() -> None:
    table = "coupon_redemption"
    op.create_table(
        table,
        *own(table),
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("coupon_id", "subscription_id", "account_id")),
        sa.Column("code_id", sa.Uuid(), nullable=True),
        sa.Column("once_per", sa.Text(), nullable=False),
        instant("starts_at"),
        instant("withdrawn_at"),
        sa.Column("counts", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        instant("created_at", nullable=False),
        sa.CheckConstraint("once_per IN ('account', 'subscription')", name=op.f("ck_coupon_redemption_once_per")),
        sa.CheckConstraint("counts OR withdrawn_at IS NOT NULL", name=op.f("ck_coupon_redemption_counts")),
        ref(table, "coupon_id", "coupon"),
        ref(table, "code_id", "coupon_code"),
        ref(table, "subscription_id", "subscription"),
        ref(table, "account_id", "account"),
    )
    for name, whose, condition in (
        ("account", "account_id", "counts AND once_per = 'account'"),
        ("subscription", "subscription_id", "counts"),
    ):
        op.create_index(
            f"uq_{table}_{name}",
            table,
            ["provider_id", "coupon_id", whose],
            unique=True,
            postgresql_where=sa.text(condition),
        )
    op.create_index(f"ix_{table}_subscription", table, ["provider_id", "subscription_id", "id"])


def close() -> None:
    limits = "redemptions_most, redeemed, redeemable_until, external_id, metadata"
    tenant("coupon", grants=f"select, insert, update (name, redeemable_from, archived_at, {limits})")
    for table in ("coupon_product", "coupon_plan"):
        tenant(table, grants="select, insert")
    tenant("coupon_code", grants=f"select, insert, update (disabled_at, {limits})")
    tenant("coupon_redemption", grants="select, insert, update (withdrawn_at, counts)")


def downgrade() -> None:
    as_owner()
    op.drop_index("ix_charge_reduced", "charge")
    for table in ("invoice_line", "charge"):
        op.drop_column(table, "reductions")
    for table in AUDITED:
        not_audited(table)
    for table in TABLES:
        op.drop_table(table)
    as_login()
