"""Everything that can fall due, in one table: how it is found, which queue it goes to, what is done.

Both the schedule of live providers and the driver of sandbox clocks read it. Its order is the order in which things
due at the same instant are done.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jobs import billing, deliveries, mails, reactions
from jobs.clock import Drive
from jobs.kinds import Kind, one, whole
from services import invoicing, runs

# What services wake by a word that is not a kind's own name.
ALSO = {"events": ("reactions", "fan_out")}


def drive(provider_id: UUID, _: Sequence[UUID]) -> None:
    """Drive a sandbox's clock, a slice of time at once, so that many sandboxes get their turns."""
    Drive(provider_id, TABLE, agents_self.lagging, agents_self.pass_over).run()


BUSINESS = (
    Kind(
        "billing_due",
        "billing",
        "SELECT provider_id, id, next_bill_at AS due_at FROM account WHERE next_bill_at IS NOT NULL",
        whole("billing_due", runs.start_due),
        business=True,
        batch=500,
    ),
    Kind(
        "billing_runs",
        "billing",
        "SELECT provider_id, id, as_of AS due_at FROM billing_run WHERE status = 'running'",
        billing.work_runs,
        business=True,
        slots=2,
    ),
)

SYSTEM = (
    Kind(
        "reactions",
        "money",
        "SELECT provider_id, id, coalesce(react_after, to_timestamp(0)) AS due_at FROM outbox_event"
        " WHERE reacted_at IS NULL",
        reactions.run,
        drained=True,
        batch=500,
    ),
    Kind(
        "fan_out",
        "delivery",
        "SELECT provider_id, id, to_timestamp(0) AS due_at FROM outbox_event WHERE fanned_out_at IS NULL",
        deliveries.fan_out,
        batch=500,
    ),
    Kind(
        "deliveries",
        "delivery",
        "SELECT provider_id, id, next_at AS due_at FROM delivery WHERE status IN ('pending', 'retrying')",
        deliveries.deliver,
        batch=500,
        slots=2,
    ),
    Kind(
        "invoice_pdfs",
        "billing",
        "SELECT provider_id, id, to_timestamp(0) AS due_at FROM invoice"
        " WHERE pdf_blob IS NULL AND finalized_at IS NOT NULL",
        one("invoice_pdfs", invoicing.make_pdf),
        slots=2,
    ),
    Kind(
        "mail",
        "delivery",
        "SELECT provider_id, id, next_at AS due_at FROM mail WHERE sent_at IS NULL AND NOT sandbox"
        " AND next_at IS NOT NULL",
        mails.send,
    ),
    Kind(
        "clock",
        "clock",
        "SELECT provider_id, provider_id AS id, coalesce(lease_until, to_timestamp(0)) AS due_at FROM test_clock"
        " WHERE status = 'advancing'",
        drive,
    ),
)

TABLE: tuple[Kind, ...] = BUSINESS + SYSTEM
KINDS = {kind.name: kind for kind in TABLE}
