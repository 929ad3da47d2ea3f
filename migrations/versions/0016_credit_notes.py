"""Credit notes, write-offs, and refunds of what was credited.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.credit_note_guards import (
    CHARGE_BEGINS,
    CHARGE_FROZEN,
    CLAIM_EMPTY,
    FROZEN,
    ISSUED,
    LINES_FROZEN,
    NO_VOID,
    SERIES_GAPLESS,
)
from migrations.rules import as_login, as_owner, audited, not_audited, tenant

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

NEW_FUNCTIONS = ("busbar_credit_note_frozen", "busbar_credit_note_issued", "busbar_credit_note_lines_frozen")
AUDITED = {
    "credit_note": ("status", "number", "total_amount", "invoice_id", "destination", "reason"),
}
WAITING = "ix_charge_waiting ON charge (provider_id, payer_id, due_at) WHERE invoice_line_id IS NULL"


def before(name: str) -> ModuleType:
    """An earlier migration; its name is no identifier."""
    return import_module(f"migrations.versions.{name}")


def invoice_frozen() -> str:
    """The guard of invoices; what was credited and written off is known after an invoice is final."""
    source: str = before("0013_taxes").invoice_frozen()
    return source.replace(
        "'pdf_blob', 'metadata'", "'pdf_blob', 'metadata', 'credited_amount', 'written_off_at', 'write_off_reason'"
    )


def upgrade() -> None:
    as_owner()
    notes()
    lines()
    neighbours()
    for function in (
        FROZEN,
        ISSUED,
        LINES_FROZEN,
        NO_VOID,
        CHARGE_FROZEN,
        CHARGE_BEGINS,
        SERIES_GAPLESS,
        CLAIM_EMPTY,
        invoice_frozen(),
    ):
        op.execute(function)
    for name, when, function in (
        ("credit_note_frozen", "BEFORE INSERT OR UPDATE OR DELETE ON credit_note", "busbar_credit_note_frozen"),
        ("credit_note_issued", "AFTER UPDATE OF status ON credit_note", "busbar_credit_note_issued"),
        ("credited_stands", "BEFORE UPDATE OF status ON invoice", "busbar_credited_stands"),
    ):
        op.execute(f"CREATE TRIGGER {name} {when} FOR EACH ROW EXECUTE FUNCTION {function}()")
    op.execute(
        "CREATE TRIGGER lines_added AFTER INSERT ON credit_note_line REFERENCING NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION busbar_credit_note_lines_frozen()"
    )
    op.execute(
        "CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON credit_note_line FOR EACH ROW EXECUTE FUNCTION busbar_immutable()"
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER number_from_series AFTER UPDATE OF number, sequence, series_id ON credit_note "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION busbar_number_from_series()"
    )
    for table, columns in AUDITED.items():
        audited(table, columns)
    as_login()


def key() -> list[sa.SchemaItem]:
    """The columns of every tenant table."""
    recorded = sa.text("clock_timestamp()")
    return [
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), server_default=recorded, nullable=False),
    ]


def refs(table: str, targets: dict[str, str]) -> list[sa.SchemaItem]:
    """References to rows of the same tenant, by column, and the primary key."""
    keys: list[sa.SchemaItem] = [
        sa.ForeignKeyConstraint(
            ["provider_id", column],
            [f"{target}.provider_id", f"{target}.id"],
            name=op.f(f"fk_{table}_provider_id_{column}"),
        )
        for column, target in targets.items()
    ]
    return [*keys, sa.PrimaryKeyConstraint("provider_id", "id", name=op.f(f"pk_{table}"))]


def checks(table: str, conditions: dict[str, str]) -> list[sa.SchemaItem]:
    """CHECK constraints by name."""
    return [sa.CheckConstraint(sql, name=op.f(f"ck_{table}_{name}")) for name, sql in conditions.items()]


def notes() -> None:
    text, instant, uuid, bigint = sa.Text(), sa.TIMESTAMP(timezone=True), sa.Uuid(), sa.BigInteger()
    op.create_table(
        "credit_note",
        *key(),
        sa.Column("external_id", text, nullable=True),
        sa.Column("metadata", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        *(sa.Column(name, uuid, nullable=False) for name in ("seller_id", "account_id")),
        *(sa.Column(name, uuid, nullable=True) for name in ("invoice_id", "run_id", "series_id")),
        sa.Column("status", text, server_default="draft", nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("grouping_key", text, server_default="", nullable=False),
        sa.Column("bill_on", sa.Date(), nullable=False),
        sa.Column("finalizes", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("destination", text, server_default="credit", nullable=False),
        *(sa.Column(name, text, nullable=True) for name in ("reason", "number", "template_version", "purchase_order")),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("issued_at", instant, nullable=True),
        *(sa.Column(f"{name}_amount", bigint, nullable=False) for name in ("net", "tax", "rounding", "total")),
        sa.Column("taxes", postgresql.JSONB(), nullable=False),
        sa.Column("corrects", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        *(sa.Column(f"{name}_snapshot", postgresql.JSONB(), nullable=True) for name in ("seller", "buyer")),
        sa.Column("pdf_blob", sa.LargeBinary(), nullable=True),
        *refs(
            "credit_note",
            {
                "seller_id": "seller",
                "account_id": "account",
                "invoice_id": "invoice",
                "run_id": "billing_run",
                "series_id": "number_series",
            },
        ),
        *checks(
            "credit_note",
            {
                "status": "status IN ('draft', 'issued', 'discarded')",
                "destination": "destination IN ('credit', 'payment_method')",
                "number": "(sequence IS NULL) = (number IS NULL)",
                "numbered": "(status = 'issued') = (number IS NOT NULL)",
                "issued": "(number IS NULL) = (issued_at IS NULL)",
                "total": "total_amount = net_amount + tax_amount + rounding_amount",
                "positive": "total_amount > 0",
                "origin": "(invoice_id IS NULL) <> (run_id IS NULL)",
            },
        ),
        sa.UniqueConstraint(
            "provider_id", "series_id", "sequence", name=op.f("uq_credit_note_provider_id_series_id_sequence")
        ),
    )
    for index in (
        "UNIQUE INDEX uq_credit_note_external_id ON credit_note (provider_id, external_id) WHERE external_id IS NOT NULL",
        "INDEX ix_credit_note_account ON credit_note (provider_id, account_id, id)",
        "INDEX ix_credit_note_invoice ON credit_note (provider_id, invoice_id) WHERE invoice_id IS NOT NULL",
        "INDEX ix_credit_note_run ON credit_note (provider_id, run_id) WHERE run_id IS NOT NULL",
        "INDEX ix_credit_note_to_issue ON credit_note (provider_id, run_id, bill_on, account_id, currency, id) WHERE status = 'draft' AND finalizes",
    ):
        op.execute(f"CREATE {index}")
    tenant("credit_note", grants="select, insert, update")


def lines() -> None:
    text, instant, uuid, bigint = sa.Text(), sa.TIMESTAMP(timezone=True), sa.Uuid(), sa.BigInteger()
    quantity = sa.Numeric(38, 12)
    op.create_table(
        "credit_note_line",
        *key(),
        sa.Column("credit_note_id", uuid, nullable=False),
        sa.Column("invoice_line_id", uuid, nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        *(sa.Column(name, text, nullable=False) for name in ("kind", "charge_code")),
        sa.Column("subscription_id", uuid, nullable=False),
        *(sa.Column(f"subscription_{name}", text, nullable=False) for name in ("name", "reference")),
        sa.Column("beneficiary_id", uuid, nullable=False),
        *(sa.Column(name, text, nullable=False) for name in ("beneficiary_name", "description")),
        *(sa.Column(name, instant, nullable=False) for name in ("start_at", "end_at")),
        sa.Column("quantity", quantity, nullable=True),
        sa.Column("unit", text, nullable=True),
        sa.Column("unit_price", quantity, nullable=True),
        *(sa.Column(name, bigint, nullable=False) for name in ("amount", "charged_amount")),
        sa.Column("tax_inclusive", sa.Boolean(), nullable=False),
        sa.Column("tax_category", text, nullable=False),
        sa.Column("tax_rate", quantity, nullable=False),
        sa.Column("tax_details", postgresql.JSONB(), nullable=True),
        *(sa.Column(name, text, nullable=True) for name in ("purchase_order", "cost_centre")),
        *refs(
            "credit_note_line",
            {
                "credit_note_id": "credit_note",
                "invoice_line_id": "invoice_line",
                "subscription_id": "subscription",
                "beneficiary_id": "account",
            },
        ),
        *(
            sa.UniqueConstraint(
                "provider_id",
                "credit_note_id",
                name,
                name=op.f(f"uq_credit_note_line_provider_id_credit_note_id_{name}"),
            )
            for name in ("position", "invoice_line_id")
        ),
    )
    op.execute(
        "CREATE INDEX ix_credit_note_line_invoice_line ON credit_note_line (provider_id, invoice_line_id) "
        "WHERE invoice_line_id IS NOT NULL"
    )
    tenant("credit_note_line", grants="select, insert")


def neighbours() -> None:
    """What invoices, charges, payments, refunds and sellers know of credit notes."""
    op.add_column("invoice", sa.Column("credited_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("invoice", sa.Column("written_off_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("invoice", sa.Column("write_off_reason", sa.Text(), nullable=True))
    # What is credited of a draft is nothing, whatever its total; of a final one at most its total.
    op.create_check_constraint(
        op.f("ck_invoice_credited"), "invoice", "credited_amount BETWEEN 0 AND greatest(total_amount, 0)"
    )
    op.add_column("seller", sa.Column("credit_note_prefix", sa.Text(), server_default="CN", nullable=False))
    for table, column, target in (
        ("charge", "credit_note_line_id", "credit_note_line"),
        ("payment", "credit_note_id", "credit_note"),
        ("refund", "credit_note_id", "credit_note"),
    ):
        op.add_column(table, sa.Column(column, sa.Uuid(), nullable=True))
        op.create_foreign_key(
            op.f(f"fk_{table}_provider_id_{column}"), table, target, ["provider_id", column], ["provider_id", "id"]
        )
    op.create_check_constraint(
        op.f("ck_charge_document"), "charge", "invoice_line_id IS NULL OR credit_note_line_id IS NULL"
    )
    op.execute("GRANT UPDATE (credit_note_line_id) ON charge TO busbar_app")
    op.execute("DROP INDEX ix_charge_waiting")
    op.execute(f"CREATE INDEX {WAITING} AND credit_note_line_id IS NULL")
    op.execute(
        "CREATE INDEX ix_charge_credit_note_line ON charge (provider_id, credit_note_line_id) WHERE credit_note_line_id IS NOT NULL"
    )
    op.execute("CREATE INDEX ix_charge_adjusts ON charge (provider_id, adjusts_id) WHERE adjusts_id IS NOT NULL")
    op.create_unique_constraint(
        op.f("uq_payment_provider_id_credit_note_id"), "payment", ["provider_id", "credit_note_id"]
    )
    op.execute(
        "CREATE INDEX ix_refund_credit_note ON refund (provider_id, credit_note_id) WHERE credit_note_id IS NOT NULL"
    )


def downgrade() -> None:
    as_owner()
    for table in AUDITED:
        not_audited(table)
    op.execute("DROP TRIGGER credited_stands ON invoice")
    op.execute("DROP FUNCTION busbar_credited_stands()")
    replaced = (
        before("0013_taxes").invoice_frozen(),
        before("0003_guards").SERIES_GAPLESS,
        before("0003_guards").CHARGE_FROZEN,
        before("0003_guards").CLAIM_EMPTY,
        before("0007_charges_on_drafts").CHARGE_BEGINS,
    )
    for function in replaced:
        op.execute(function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    op.execute("DROP INDEX ix_charge_adjusts")
    op.execute("DROP INDEX ix_charge_waiting")
    for table, column in (
        ("refund", "credit_note_id"),
        ("payment", "credit_note_id"),
        ("charge", "credit_note_line_id"),
    ):
        op.drop_column(table, column)
    op.execute(f"CREATE INDEX {WAITING}")
    op.drop_column("seller", "credit_note_prefix")
    for column in ("write_off_reason", "written_off_at", "credited_amount"):
        op.drop_column("invoice", column)
    op.drop_table("credit_note_line")
    op.drop_table("credit_note")
    for name in NEW_FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}()")
    as_login()
