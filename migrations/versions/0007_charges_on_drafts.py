"""A charge may be stored with the draft's line it stands on: a billing run knows both at once.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from alembic import op

from migrations.rules import as_login, as_owner

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# I1: as before, a charge joins only a draft. Whole statements are looked at, so that bulk work stays bulk.
CHARGE_BEGINS = """
CREATE FUNCTION busbar_charge_begins() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
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


def upgrade() -> None:
    as_owner()
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
    op.execute("DROP TRIGGER charge_begins ON charge")
    op.execute("DROP TRIGGER charge_frozen ON charge")
    op.execute(
        "CREATE TRIGGER charge_frozen BEFORE INSERT OR UPDATE OR DELETE ON charge FOR EACH ROW EXECUTE FUNCTION busbar_charge_frozen()"
    )
    op.execute("DROP FUNCTION busbar_charge_begins()")
    as_login()
