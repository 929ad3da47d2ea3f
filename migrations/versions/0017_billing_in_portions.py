"""Billing runs: a large payer in portions, a trail of changes, arrivals that say where to look again.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

from alembic import op

from migrations.rules import CURRENT_PROVIDER, as_login, as_owner

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# As 0008: the tenant is read once a statement. These are written by the thousand.
BULK = ("audit", "billed_span", "billing_run_payer", "charge", "invoice", "invoice_line", "outbox_event", "transfer")
# A change of what counts for an item is an arrival: what was rated before it is rated again.
ASSIGNMENT_CHANGED = """
CREATE FUNCTION busbar_assignment_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_at := clock_timestamp();
  RETURN NEW;
END $$
"""
NEXT = "billing_run_payer (provider_id, run_id, {}) WHERE status = 'pending'"


def upgrade() -> None:
    as_owner()
    _compare_with(f"(SELECT {CURRENT_PROVIDER})")
    # A claim is born with the charge that names it, and nothing has changed yet; its shrinking and release are changes.
    op.execute("DROP TRIGGER audit_insert ON billed_span")
    # Payers are billed in the order of their documents' numbers, so that numbers can follow while billing goes on.
    op.execute("DROP INDEX ix_billing_run_payer_next")
    op.execute(f"CREATE INDEX ix_billing_run_payer_next ON {NEXT.format('tries, bill_on, payer_id')}")
    _arrivals()
    as_login()


def _arrivals() -> None:
    """Where something has come since a span was rated."""
    op.execute("CREATE INDEX ix_usage_event_received ON usage_event (provider_id, subscription_id, received_at)")
    op.execute("ALTER TABLE assignment ADD COLUMN changed_at timestamptz NOT NULL DEFAULT clock_timestamp()")
    op.execute("ALTER TABLE register ADD COLUMN replayed_at timestamptz, ADD COLUMN replayed_from timestamptz")
    op.execute(ASSIGNMENT_CHANGED)
    op.execute(
        "CREATE TRIGGER changed BEFORE UPDATE OF span ON assignment FOR EACH ROW"
        " EXECUTE FUNCTION busbar_assignment_changed()"
    )


def _compare_with(provider: str) -> None:
    for table in BULK:
        condition = f"provider_id = {provider}"
        op.execute(f"ALTER POLICY tenant ON {table} USING ({condition}) WITH CHECK ({condition})")


def downgrade() -> None:
    as_owner()
    op.execute("DROP TRIGGER changed ON assignment")
    op.execute("DROP FUNCTION busbar_assignment_changed()")
    op.execute("ALTER TABLE register DROP COLUMN replayed_from, DROP COLUMN replayed_at")
    op.execute("ALTER TABLE assignment DROP COLUMN changed_at")
    op.execute("DROP INDEX ix_usage_event_received")
    op.execute("DROP INDEX ix_billing_run_payer_next")
    op.execute(f"CREATE INDEX ix_billing_run_payer_next ON {NEXT.format('tries, payer_id')}")
    op.execute(
        "CREATE TRIGGER audit_insert AFTER INSERT ON billed_span REFERENCING NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION busbar_audit('status', 'span')"
    )
    _compare_with(CURRENT_PROVIDER)
    as_login()
