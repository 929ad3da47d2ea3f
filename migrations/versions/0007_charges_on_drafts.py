"""Billing in sets: charges are stored with their lines, the audit trail is written in one pass, work is found in order.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from alembic import op

from migrations.rules import as_login, as_owner

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# I1: a charge may begin on the line of a draft, as a billing run knows both at once; on no other document. Whole
# statements are looked at, so that bulk work stays bulk.
CHARGE_BEGINS = """
CREATE FUNCTION busbar_charge_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM new_rows WHERE released_at IS NOT NULL) THEN
    RAISE EXCEPTION 'a charge does not begin by being released' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF EXISTS (SELECT 1 FROM new_rows c JOIN invoice_line l ON l.provider_id = c.provider_id AND l.id = c.invoice_line_id
             JOIN invoice i ON i.provider_id = l.provider_id AND i.id = l.invoice_id WHERE i.status <> 'draft') THEN
    RAISE EXCEPTION 'a charge does not join a finalized document' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$
"""

# I12, put together for each statement: only the columns that are told are looked at, and what was before and after is
# joined by a plan that is made for the rows at hand. A kept plan was made for the first call's one or two rows, and took
# the square of their number.
AUDIT = """
CREATE OR REPLACE FUNCTION busbar_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE
  business timestamptz := coalesce(NULLIF(current_setting('busbar.now', true), '')::timestamptz, clock_timestamp());
  who text := coalesce(NULLIF(current_setting('busbar.actor', true), ''), 'database:' || session_user);
  request text := NULLIF(current_setting('busbar.request', true), '');
  told_n text := (SELECT 'jsonb_build_object(' || string_agg(format('%L, n.%I', k, k), ', ') || ')' FROM unnest(TG_ARGV) k);
  told_o text := (SELECT 'jsonb_build_object(' || string_agg(format('%L, o.%I', k, k), ', ') || ')' FROM unnest(TG_ARGV) k);
  row_n text := (SELECT 'ROW(' || string_agg(format('n.%I', k), ', ') || ')' FROM unnest(TG_ARGV) k);
  row_o text := (SELECT 'ROW(' || string_agg(format('o.%I', k), ', ') || ')' FROM unnest(TG_ARGV) k);
  into_audit text := 'INSERT INTO audit (provider_id, at, actor, request_id, object_kind, object_id, action, before, after) ';
BEGIN
  IF TG_OP = 'INSERT' THEN
    EXECUTE into_audit || 'SELECT n.provider_id, $1, $2, $3, $4, n.id, ''created'', NULL, ' || told_n || ' FROM new_rows n'
    USING business, who, request, TG_TABLE_NAME;
  ELSIF TG_OP = 'UPDATE' THEN
    EXECUTE into_audit || 'SELECT n.provider_id, $1, $2, $3, $4, n.id, ''changed'', ' || told_o || ', ' || told_n
      || ' FROM new_rows n JOIN old_rows o ON o.provider_id = n.provider_id AND o.id = n.id WHERE '
      || row_n || ' IS DISTINCT FROM ' || row_o
    USING business, who, request, TG_TABLE_NAME;
  ELSE
    EXECUTE into_audit || 'SELECT o.provider_id, $1, $2, $3, $4, o.id, ''deleted'', ' || told_o || ', NULL FROM old_rows o'
    USING business, who, request, TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END $$
"""

# What a run has still to do, in the order in which it is done: the next few are read, not all of them each time.
INDEXES = (
    "ix_billing_run_payer_next ON billing_run_payer (provider_id, run_id, tries, payer_id) WHERE status = 'pending'",
    "ix_invoice_to_finalize ON invoice (provider_id, run_id, bill_on, account_id, currency, id) WHERE status = 'draft' AND finalizes",
)


def ground() -> ModuleType:
    """The migration that made the function before; its name is no identifier."""
    return import_module("migrations.versions.0001_ground")


def upgrade() -> None:
    as_owner()
    op.execute(AUDIT)
    for index in INDEXES:
        op.execute(f"CREATE INDEX {index}")
    op.execute("DROP INDEX ix_billing_run_payer_open")
    op.execute(CHARGE_BEGINS)
    op.execute("DROP TRIGGER charge_frozen ON charge")
    op.execute(
        "CREATE TRIGGER charge_frozen BEFORE UPDATE OR DELETE ON charge FOR EACH ROW EXECUTE FUNCTION busbar_charge_frozen()"
    )
    op.execute(
        "CREATE TRIGGER charge_begins AFTER INSERT ON charge REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT "
        "EXECUTE FUNCTION busbar_charge_begins()"
    )
    as_login()


def downgrade() -> None:
    as_owner()
    op.execute(ground().AUDIT.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    op.execute(
        "CREATE INDEX ix_billing_run_payer_open ON billing_run_payer (provider_id, run_id) WHERE status = 'pending'"
    )
    op.execute("DROP INDEX ix_invoice_to_finalize")
    op.execute("DROP INDEX ix_billing_run_payer_next")
    op.execute("DROP TRIGGER charge_begins ON charge")
    op.execute("DROP TRIGGER charge_frozen ON charge")
    op.execute(
        "CREATE TRIGGER charge_frozen BEFORE INSERT OR UPDATE OR DELETE ON charge FOR EACH ROW EXECUTE FUNCTION busbar_charge_frozen()"
    )
    op.execute("DROP FUNCTION busbar_charge_begins()")
    as_login()
