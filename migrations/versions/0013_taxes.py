"""Taxes: prices that include them, what a line keeps of how it was taxed, rates, certificates, engines outside.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.rules import as_login, as_owner, audited, not_audited, tenant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# I3, I4: a document is whole when it leaves the draft. Its charges add up to what its lines were priced at, its lines'
# net amounts to its own; only prices that include their tax leave something to round, a minor unit per tax at most.
WHOLE = """
  IF OLD.status = 'draft' AND NEW.status = 'open' THEN
    SELECT coalesce(sum(l.amount), 0), coalesce(sum(l.charged_amount), 0), coalesce(bool_or(l.tax_inclusive), false)
    INTO lines, charged, inclusive FROM invoice_line l
    WHERE l.provider_id = NEW.provider_id AND l.invoice_id = NEW.id;
    SELECT coalesce(sum(c.amount), 0) INTO charges FROM charge c
    JOIN invoice_line l ON l.provider_id = c.provider_id AND l.id = c.invoice_line_id
    WHERE l.provider_id = NEW.provider_id AND l.invoice_id = NEW.id;
    IF lines <> NEW.net_amount OR charges <> charged
       OR NEW.tax_amount <> (SELECT coalesce(sum((t->>'tax_amount')::bigint), 0) FROM jsonb_array_elements(NEW.taxes) t)
       OR abs(NEW.rounding_amount) > (CASE WHEN inclusive THEN jsonb_array_length(NEW.taxes) ELSE 0 END)
       OR NEW.seller_snapshot IS NULL OR NEW.buyer_snapshot IS NULL THEN
      RAISE EXCEPTION 'document % does not add up: net %, lines %, charged %, charges %', NEW.id, NEW.net_amount, lines, charged, charges
        USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;
  RETURN NEW;
END $$
"""


# Two rates of one place, class and jurisdiction exclude each other while both are valid. Equality of many columns is
# that of their hash, since the embedded database has no btree_gist.
PLACE = (
    "md5(provider_id::text || chr(31) || country || chr(31) || lower(region) || chr(31) || lower(county) || chr(31) ||"
    " lower(city) || chr(31) || tax_class || chr(31) || lower(jurisdiction))::uuid"
)
NO_OVERLAP = (
    "ALTER TABLE tax_rate ADD CONSTRAINT ex_tax_rate_valid EXCLUDE USING gist "
    f"(uuidrange({PLACE}, {PLACE}, '[]') WITH &&, daterange(valid_from, valid_to, '[]') WITH &&)"
)
AUDITED = {
    "tax_rate": ("country", "region", "county", "city", "tax_class", "rate", "category", "valid_from", "valid_to"),
    "tax_certificate": ("account_id", "number", "country", "region", "valid_from", "valid_to"),
}
SELLER = ("legal_name", "tax_id", "tax_rate", "bank", "payment_terms_days")
SELLER_TAXES = ("tax_engine", "tax_registrations", "tax_ids_checked", "tax_endpoint")
ACCOUNT = ("name", "email", "mode", "currency", "country", "time_zone", "tax_id", "payer_id")
ACCOUNT_TAXES = ("tax_status", "tax_id_checked_on", "tax_id_check")
NONE = sa.text("''")


def guards() -> ModuleType:
    """The migration that made the function before; its name is no identifier."""
    return import_module("migrations.versions.0003_guards")


def invoice_frozen() -> str:
    """The guard of documents, with the new end."""
    head, _, _ = guards().INVOICE_FROZEN.partition("  IF OLD.status = 'draft' AND NEW.status = 'open' THEN\n")
    declared = head.replace("  charges bigint;\n", "  charges bigint;\n  charged bigint;\n  inclusive boolean;\n")
    return declared.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION") + WHOLE.lstrip("\n")


def upgrade() -> None:
    as_owner()
    for table in ("price", "charge", "invoice_line"):
        op.add_column(table, sa.Column("tax_inclusive", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    # A table that is written anew by a change of type is filled whatever policies and triggers say.
    op.add_column(
        "invoice_line", sa.Column("charged_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.execute("ALTER TABLE invoice_line ALTER COLUMN charged_amount DROP DEFAULT")
    op.execute("ALTER TABLE invoice_line ALTER COLUMN charged_amount TYPE bigint USING amount")
    op.add_column("invoice_line", sa.Column("tax_details", postgresql.JSONB(), nullable=True))
    op.execute(invoice_frozen())
    parties()
    rates()
    certificates()
    answers()
    for table, columns in AUDITED.items():
        audited(table, columns)
    audit_anew("seller", (*SELLER, *SELLER_TAXES))
    audit_anew("account", (*ACCOUNT, *ACCOUNT_TAXES))
    as_login()


def audit_anew(table: str, columns: tuple[str, ...]) -> None:
    """Tell of these columns from now on."""
    not_audited(table)
    audited(table, columns)


def parties() -> None:
    """What the decision needs to know of products, sellers and payers."""
    op.add_column("product", sa.Column("nature", sa.Text(), server_default="service", nullable=False))
    op.create_check_constraint(op.f("ck_product_nature"), "product", "nature IN ('service', 'goods', 'property')")
    op.add_column("seller", sa.Column("tax_engine", sa.Text(), server_default="flat_rate", nullable=False))
    op.add_column(
        "seller",
        sa.Column("tax_registrations", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
    )
    op.add_column("seller", sa.Column("tax_ids_checked", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("seller", sa.Column("tax_endpoint", sa.Text(), nullable=True))
    op.add_column("seller", sa.Column("tax_endpoint_secret", sa.LargeBinary(), nullable=True))
    op.add_column("account", sa.Column("tax_status", sa.Text(), nullable=True))
    op.add_column("account", sa.Column("tax_id_checked_on", sa.Date(), nullable=True))
    op.add_column("account", sa.Column("tax_id_check", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_account_tax_status"), "account", "tax_status IN ('business', 'consumer')")
    op.execute("GRANT UPDATE (tax_status, tax_id_checked_on, tax_id_check) ON account TO busbar_app")


def resource(table: str) -> list[sa.SchemaItem]:
    """The columns of every resource."""
    return [
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f(f"pk_{table}")),
    ]


def valid(table: str) -> list[sa.SchemaItem]:
    """From which day to which, both included."""
    return [
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f(f"ck_{table}_valid")),
    ]


def external(table: str) -> None:
    """`external_id` is unique per provider and kind."""
    op.create_index(
        f"uq_{table}_external_id",
        table,
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )


def rates() -> None:
    """A provider's own rates."""
    op.create_table(
        "tax_rate",
        *resource("tax_rate"),
        sa.Column("country", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), server_default=NONE, nullable=False) for name in ("region", "county", "city")),
        sa.Column("tax_class", sa.Text(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), server_default=NONE, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rate", sa.Numeric(38, 12), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("stacked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        *valid("tax_rate"),
        sa.CheckConstraint("rate >= 0 AND rate <= 100", name=op.f("ck_tax_rate_rate")),
        sa.CheckConstraint(
            "category IN ('S', 'Z', 'E') AND (category = 'S' OR rate = 0)", name=op.f("ck_tax_rate_category")
        ),
        sa.CheckConstraint("category <> 'E' OR note IS NOT NULL", name=op.f("ck_tax_rate_note")),
        sa.CheckConstraint("(county = '' AND city = '') OR region <> ''", name=op.f("ck_tax_rate_region")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_tax_rate_provider_id")),
    )
    op.execute(NO_OVERLAP)
    op.create_index("ix_tax_rate_country", "tax_rate", ["provider_id", "country"])
    external("tax_rate")
    tenant("tax_rate", grants="select, insert, update (external_id, metadata, name, note, valid_to), delete")


def certificates() -> None:
    """Papers that exempt accounts."""
    texts = (("number", False), ("country", False), ("tax_class", True), ("reason", True), ("note", True))
    op.create_table(
        "tax_certificate",
        *resource("tax_certificate"),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=nullable) for name, nullable in texts),
        sa.Column("region", sa.Text(), server_default=NONE, nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        *valid("tax_certificate"),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_tax_certificate_provider_id_account_id"),
        ),
    )
    op.create_index("ix_tax_certificate_account", "tax_certificate", ["provider_id", "account_id", "id"])
    external("tax_certificate")
    tenant("tax_certificate", grants="select, insert, update (external_id, metadata, document, valid_to)")


def answers() -> None:
    """What engines outside have answered."""
    op.create_table(
        "tax_answer",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("question", postgresql.JSONB(), nullable=False),
        sa.Column("answer", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("provider_id", "sha256", name=op.f("pk_tax_answer")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_tax_answer_provider_id")),
    )
    tenant("tax_answer", grants="select, insert")


def downgrade() -> None:
    as_owner()
    audit_anew("account", ACCOUNT)
    audit_anew("seller", SELLER)
    for table in AUDITED:
        not_audited(table)
    for table in ("tax_answer", "tax_certificate", "tax_rate"):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_account_tax_status"), "account")
    for column in ACCOUNT_TAXES:
        op.drop_column("account", column)
    for column in (*SELLER_TAXES, "tax_endpoint_secret"):
        op.drop_column("seller", column)
    op.drop_constraint(op.f("ck_product_nature"), "product")
    op.drop_column("product", "nature")
    op.execute(guards().INVOICE_FROZEN.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    for column in ("tax_details", "charged_amount"):
        op.drop_column("invoice_line", column)
    for table in ("invoice_line", "charge", "price"):
        op.drop_column(table, "tax_inclusive")
    as_login()
