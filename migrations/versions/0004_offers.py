"""Add-ons, bundles, charges that are due once, and moves to another plan version.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.rules import as_login, as_owner, tenant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DISCOUNT = "discount BETWEEN 0 AND 100"
AUDITED = {
    "add_on_base_plan": ("plan_id", "base_plan_id"),
    "one_off_charge": ("subscription_id", "at", "quantity", "withdrawn_at"),
    "subscription_part": ("subscription_id", "plan_version_id", "discount", "from_at", "removed_at"),
    "version_migration": ("status", "plan_version_id", "filter", "effective"),
}
# Audited since 0003, now with what was added here.
AUDITED_MORE = {
    "plan": (("code", "name"), ("code", "name", "kind", "one_of", "quantity_least", "quantity_most")),
    "subscription_item_term": (
        ("item_id", "from_at", "price_id", "quantity", "ended"),
        ("item_id", "from_at", "price_id", "quantity", "discount", "ended"),
    ),
}
TABLES = (
    "version_migration_subscription",
    "version_migration",
    "one_off_charge",
    "subscription_part",
    "bundle_component",
    "add_on_base_plan",
)


def upgrade() -> None:
    as_owner()
    columns()
    offers()
    parts()
    one_offs()
    moves()
    rules()
    as_login()


def columns() -> None:
    op.add_column("plan", sa.Column("kind", sa.Text(), server_default="base", nullable=False))
    op.add_column("plan", sa.Column("one_of", sa.Text(), nullable=True))
    op.add_column("plan", sa.Column("quantity_least", sa.Numeric(38, 12), nullable=True))
    op.add_column("plan", sa.Column("quantity_most", sa.Numeric(38, 12), nullable=True))
    op.create_check_constraint(op.f("ck_plan_kind"), "plan", "kind IN ('base', 'add_on', 'bundle')")
    op.create_check_constraint(
        op.f("ck_plan_add_on"),
        "plan",
        "kind = 'add_on' OR (one_of IS NULL AND quantity_least IS NULL AND quantity_most IS NULL)",
    )
    op.create_check_constraint(op.f("ck_plan_quantity"), "plan", "quantity_least <= quantity_most")
    for table in ("subscription_item_term", "charge"):
        op.add_column(table, sa.Column("discount", sa.Numeric(38, 12), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(op.f("ck_subscription_item_term_discount"), "subscription_item_term", DISCOUNT)
    op.alter_column("price", "plan_version_id", nullable=True)
    op.create_check_constraint(op.f("ck_price_version"), "price", "kind = 'one_off' OR plan_version_id IS NOT NULL")


def own(*, entity: bool = True) -> list[sa.SchemaItem]:
    """The columns of every tenant table."""
    recorded = sa.Column(
        "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )
    ids = [sa.Column("id", sa.Uuid(), nullable=False)] if entity else []
    return [sa.Column("provider_id", sa.Uuid(), nullable=False), *ids, recorded]


def resource() -> list[sa.SchemaItem]:
    """What every resource carries."""
    return [
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
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


def offers() -> None:
    op.create_table(
        "add_on_base_plan",
        *own(),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("base_plan_id", sa.Uuid(), nullable=False),
        ref("add_on_base_plan", "plan_id", "plan"),
        ref("add_on_base_plan", "base_plan_id", "plan"),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_add_on_base_plan")),
        sa.UniqueConstraint(
            "provider_id", "plan_id", "base_plan_id", name=op.f("uq_add_on_base_plan_provider_id_plan_id_base_plan_id")
        ),
    )
    op.create_table(
        "bundle_component",
        *own(),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("quantities", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("discount", sa.Numeric(38, 12), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(DISCOUNT, name=op.f("ck_bundle_component_discount")),
        ref("bundle_component", "plan_version_id", "plan_version"),
        ref("bundle_component", "plan_id", "plan"),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_bundle_component")),
        sa.UniqueConstraint(
            "provider_id",
            "plan_version_id",
            "plan_id",
            name=op.f("uq_bundle_component_provider_id_plan_version_id_plan_id"),
        ),
    )
    op.create_index("ix_bundle_component_plan", "bundle_component", ["provider_id", "plan_id"])


def parts() -> None:
    op.create_table(
        "subscription_part",
        *own(),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("discount", sa.Numeric(38, 12), server_default=sa.text("0"), nullable=False),
        sa.Column("from_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("removed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('component', 'add_on')", name=op.f("ck_subscription_part_role")),
        sa.CheckConstraint(DISCOUNT, name=op.f("ck_subscription_part_discount")),
        ref("subscription_part", "subscription_id", "subscription"),
        ref("subscription_part", "plan_id", "plan"),
        ref("subscription_part", "plan_version_id", "plan_version"),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_subscription_part")),
    )
    op.create_index(
        "uq_subscription_part_plan",
        "subscription_part",
        ["provider_id", "subscription_id", "plan_id"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index(
        "ix_subscription_part_version",
        "subscription_part",
        ["provider_id", "plan_version_id"],
        postgresql_where=sa.text("removed_at IS NULL"),
    )


def one_offs() -> None:
    op.create_table(
        "one_off_charge",
        *own(),
        *resource(),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(38, 12), nullable=False),
        sa.Column("withdrawn_at", sa.TIMESTAMP(timezone=True), nullable=True),
        ref("one_off_charge", "subscription_id", "subscription"),
        ref("one_off_charge", "item_id", "subscription_item"),
        ref("one_off_charge", "price_id", "price"),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_one_off_charge")),
        sa.UniqueConstraint("provider_id", "item_id", name=op.f("uq_one_off_charge_provider_id_item_id")),
    )
    op.create_index("ix_one_off_charge_subscription", "one_off_charge", ["provider_id", "subscription_id"])
    external("one_off_charge")


def moves() -> None:
    op.create_table(
        "version_migration",
        *own(),
        *resource(),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("filter", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("effective", postgresql.JSONB(), nullable=False),
        sa.Column("preview_only", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('previewing', 'previewed', 'scheduling', 'done', 'withdrawing', 'withdrawn')",
            name=op.f("ck_version_migration_status"),
        ),
        ref("version_migration", "plan_id", "plan"),
        ref("version_migration", "plan_version_id", "plan_version"),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_version_migration")),
    )
    external("version_migration")
    op.create_index("ix_version_migration_plan", "version_migration", ["provider_id", "plan_id"])
    op.create_index(
        "ix_version_migration_working",
        "version_migration",
        ["created_at"],
        postgresql_where=sa.text("status IN ('previewing', 'scheduling', 'withdrawing')"),
    )
    moved()


def moved() -> None:
    table = "version_migration_subscription"
    amounts = ("recurring_before", "recurring_after", "usage_before", "usage_after", "once_after")
    op.create_table(
        table,
        *own(entity=False),
        sa.Column("migration_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("from_version_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in amounts),
        sa.Column("effective_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("change_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'previewed', 'scheduled', 'failed')", name=op.f(f"ck_{table}_status")
        ),
        sa.CheckConstraint("(status = 'failed') = (reason IS NOT NULL)", name=op.f(f"ck_{table}_reason")),
        ref(table, "migration_id", "version_migration"),
        ref(table, "subscription_id", "subscription"),
        ref(table, "from_version_id", "plan_version"),
        ref(table, "change_id", "scheduled_change"),
        sa.PrimaryKeyConstraint("provider_id", "migration_id", "subscription_id", name=op.f(f"pk_{table}")),
    )
    op.create_index(f"ix_{table}_status", table, ["provider_id", "migration_id", "status", "subscription_id"])


def rules() -> None:
    tenant("add_on_base_plan", grants="select, insert, delete")
    tenant("bundle_component", grants="select, insert")
    tenant("subscription_part", grants="select, insert, update (plan_version_id, from_at, removed_at)")
    tenant("one_off_charge", grants="select, insert, update (withdrawn_at, metadata, external_id)")
    tenant(
        "version_migration",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "status", "created_at"),
    )
    tenant("version_migration_subscription", grants="select, insert, update")
    op.execute(
        "CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON bundle_component"
        " FOR EACH ROW EXECUTE FUNCTION busbar_immutable()"
    )
    for table, audited in AUDITED.items():
        audit(table, audited)
    for table, (_, after) in AUDITED_MORE.items():
        audit_no_more(table)
        audit(table, after)


def audit(table: str, audited: tuple[str, ...]) -> None:
    arguments = ", ".join(f"'{column}'" for column in audited)
    for when, rows in (
        ("INSERT", "NEW TABLE AS new_rows"),
        ("UPDATE", "NEW TABLE AS new_rows OLD TABLE AS old_rows"),
        ("DELETE", "OLD TABLE AS old_rows"),
    ):
        op.execute(
            f"CREATE TRIGGER audit_{when.lower()} AFTER {when} ON {table} REFERENCING {rows} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION busbar_audit({arguments})"
        )


def audit_no_more(table: str) -> None:
    for when in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER audit_{when} ON {table}")


def downgrade() -> None:
    as_owner()
    for table, (before, _) in AUDITED_MORE.items():
        audit_no_more(table)
        audit(table, before)
    for table in TABLES:
        op.drop_table(table)
    op.drop_constraint(op.f("ck_price_version"), "price")
    op.alter_column("price", "plan_version_id", nullable=False)
    for table in ("subscription_item_term", "charge"):
        op.drop_column(table, "discount")
    for column in ("kind", "one_of", "quantity_least", "quantity_most"):
        op.drop_column("plan", column)
    as_login()
