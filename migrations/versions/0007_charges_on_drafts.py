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

# I12, in one pass over the changed rows: to join what was before and after took the square of their number. A plan is
# kept from the first call, when a row or two were changed, so the statement must not depend on how many there are.
AUDIT = """
CREATE OR REPLACE FUNCTION busbar_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE
  business timestamptz := coalesce(NULLIF(current_setting('busbar.now', true), '')::timestamptz, clock_timestamp());
  who text := coalesce(NULLIF(current_setting('busbar.actor', true), ''), 'database:' || session_user);
  request text := NULLIF(current_setting('busbar.request', true), '');
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO audit (provider_id, at, actor, request_id, object_kind, object_id, action, before, after)
    SELECT n.provider_id, business, who, request, TG_TABLE_NAME, n.id, 'created', NULL,
           (SELECT jsonb_object_agg(k, n.j->k) FROM unnest(TG_ARGV) k)
    FROM (SELECT provider_id, id, to_jsonb(new_rows) AS j FROM new_rows) n;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO audit (provider_id, at, actor, request_id, object_kind, object_id, action, before, after)
    SELECT c.provider_id, business, who, request, TG_TABLE_NAME, c.id, 'changed', c.sides[1], c.sides[2]
    FROM (
      SELECT r.provider_id, r.id, array_agg((SELECT jsonb_object_agg(k, r.j->k) FROM unnest(TG_ARGV) k) ORDER BY r.side) AS sides
      FROM (
        SELECT provider_id, id, 1 AS side, to_jsonb(old_rows) AS j FROM old_rows
        UNION ALL
        SELECT provider_id, id, 2, to_jsonb(new_rows) FROM new_rows
      ) r
      GROUP BY r.provider_id, r.id
    ) c
    WHERE c.sides[1] IS DISTINCT FROM c.sides[2];
  ELSE
    INSERT INTO audit (provider_id, at, actor, request_id, object_kind, object_id, action, before, after)
    SELECT o.provider_id, business, who, request, TG_TABLE_NAME, o.id, 'deleted',
           (SELECT jsonb_object_agg(k, o.j->k) FROM unnest(TG_ARGV) k), NULL
    FROM (SELECT provider_id, id, to_jsonb(old_rows) AS j FROM old_rows) o;
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
