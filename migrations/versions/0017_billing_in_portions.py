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
NEXT = "billing_run_payer (provider_id, run_id, {}) WHERE status = 'pending'"


def upgrade() -> None:
    as_owner()
    _compare_with(f"(SELECT {CURRENT_PROVIDER})")
    # A claim is born with the charge that names it, and nothing has changed yet; its shrinking and release are changes.
    op.execute("DROP TRIGGER audit_insert ON billed_span")
    # Payers are billed in the order of their documents' numbers, so that numbers can follow while billing goes on.
    op.execute("DROP INDEX ix_billing_run_payer_next")
    op.execute(f"CREATE INDEX ix_billing_run_payer_next ON {NEXT.format('tries, bill_on, payer_id')}")
    as_login()


def _compare_with(provider: str) -> None:
    for table in BULK:
        condition = f"provider_id = {provider}"
        op.execute(f"ALTER POLICY tenant ON {table} USING ({condition}) WITH CHECK ({condition})")


def downgrade() -> None:
    as_owner()
    op.execute("DROP INDEX ix_billing_run_payer_next")
    op.execute(f"CREATE INDEX ix_billing_run_payer_next ON {NEXT.format('tries, payer_id')}")
    op.execute(
        "CREATE TRIGGER audit_insert AFTER INSERT ON billed_span REFERENCING NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION busbar_audit('status', 'span')"
    )
    _compare_with(CURRENT_PROVIDER)
    as_login()
