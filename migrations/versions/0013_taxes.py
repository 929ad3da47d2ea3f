"""Taxes: prices that include them, and what a line keeps of how it was taxed.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.rules import as_login, as_owner

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
    as_login()


def downgrade() -> None:
    as_owner()
    op.execute(guards().INVOICE_FROZEN.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    for column in ("tax_details", "charged_amount"):
        op.drop_column("invoice_line", column)
    for table in ("invoice_line", "charge", "price"):
        op.drop_column(table, "tax_inclusive")
    as_login()
