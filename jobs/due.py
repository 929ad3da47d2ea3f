"""Everything that can fall due, in one table: how it is found, which queue it goes to, what is done.

Both the schedule of live providers and the driver of sandbox clocks read it. Its order is the order in which things
due at the same instant are done.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from jobs import billing, deliveries, mails, migrations, money, reactions, simulations, usage_days
from jobs.clock import Drive
from jobs.kinds import Kind, one, whole
from services import (
    agents_self,
    contract_changes,
    document_mails,
    dunning,
    fixed_terms,
    idempotency,
    inbound,
    invoicing,
    portal_sessions,
    provisioning,
    runs,
    spending,
    subscription_steps,
    trials,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# What services wake by a word that is not a kind's own name.
ALSO = {"events": ("reactions", "fan_out")}


def drive(provider_id: UUID, _: Sequence[UUID]) -> None:
    """Drive a sandbox's clock, a slice of time at once, so that many sandboxes get their turns."""
    Drive(provider_id, [kind for kind in TABLE if kind.driven], agents_self.lagging, agents_self.pass_over).run()


BUSINESS = (
    Kind(
        "subscription_start",
        "billing",
        "SELECT provider_id, id, start_at AS due_at FROM subscription"
        " WHERE status = 'pending' AND start_at IS NOT NULL",
        one("subscription_start", subscription_steps.start_due),
        business=True,
    ),
    Kind(
        "change",
        "billing",
        "SELECT provider_id, id, effective_at AS due_at FROM scheduled_change WHERE status = 'scheduled'",
        one("change", contract_changes.apply_scheduled),
        business=True,
    ),
    Kind(
        "trial",
        "billing",
        "SELECT provider_id, id, trial_next_at AS due_at FROM subscription WHERE trial_next_at IS NOT NULL",
        one("trial", trials.work),
        business=True,
    ),
    Kind(
        "term",
        "billing",
        "SELECT provider_id, id, term_next_at AS due_at FROM subscription WHERE term_next_at IS NOT NULL",
        one("term", fixed_terms.work),
        business=True,
    ),
    Kind(
        "version_migrations",
        "billing",
        "SELECT provider_id, id, created_at AS due_at FROM version_migration"
        " WHERE status IN ('previewing', 'scheduling', 'withdrawing')",
        migrations.work,
        business=True,
        slots=2,
    ),
    Kind(
        "provisioning",
        "delivery",
        "SELECT provider_id, id, next_at AS due_at FROM provisioning_request"
        " WHERE status = 'open' AND next_at IS NOT NULL",
        one("provisioning", provisioning.ask_again),
        business=True,
    ),
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
    Kind(
        "statements",
        "billing",
        "SELECT provider_id, id, next_statement_at AS due_at FROM account WHERE next_statement_at IS NOT NULL",
        one("statements", document_mails.statement),
        business=True,
    ),
    Kind(
        "spending",
        "billing",
        "SELECT provider_id, id, look_at AS due_at FROM spending_news",
        whole("spending", spending.look),
        business=True,
        batch=500,
    ),
    Kind(
        "overdue",
        "money",
        "SELECT i.provider_id, i.id, i.due_at FROM invoice i WHERE i.status = 'open' AND NOT EXISTS ("
        "SELECT 1 FROM dunning_case d WHERE d.provider_id = i.provider_id AND d.invoice_id = i.id)",
        one("overdue", dunning.open_case),
        business=True,
    ),
    Kind(
        "dunning",
        "money",
        "SELECT provider_id, id, next_at AS due_at FROM dunning_case WHERE status = 'open' AND next_at IS NOT NULL",
        one("dunning", dunning.work),
        business=True,
    ),
    Kind(
        "usage_days",
        "billing",
        f"SELECT provider_id, provider_id AS id, until + interval '{(DAY + usage_days.AFTER) // HOUR} hours' AS due_at"  # noqa: S608
        " FROM summed_usage",
        usage_days.sum_up,
        business=True,
        # Nothing hangs on it but time: the clock would stop at each day of a provider that has no usage.
        driven=False,
    ),
)

SYSTEM = (
    Kind(
        "inbound",
        "money",
        "SELECT provider_id, id, next_at AS due_at FROM inbound_event WHERE status = 'pending'",
        one("inbound", inbound.handle),
        drained=True,
    ),
    Kind(
        "attempts",
        "money",
        "SELECT provider_id, id, next_at AS due_at FROM payment_attempt WHERE next_at IS NOT NULL",
        money.attempts,
        drained=True,
        slots=2,
    ),
    Kind(
        "refunds",
        "money",
        "SELECT provider_id, id, next_at AS due_at FROM refund WHERE next_at IS NOT NULL",
        money.give_back,
        drained=True,
    ),
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
        "simulations",
        "billing",
        "SELECT provider_id, id, to_timestamp(0) AS due_at FROM simulation WHERE status = 'running'",
        simulations.work,
    ),
    Kind(
        "mail",
        "delivery",
        "SELECT provider_id, id, next_at AS due_at FROM mail WHERE sent_at IS NULL AND NOT sandbox"
        " AND next_at IS NOT NULL",
        mails.send,
    ),
    Kind(
        "remembered_answers",
        "delivery",
        # By answer, found by its provider: one deletion takes all of a provider's that are past their life.
        "SELECT provider_id, provider_id AS id, expires_at AS due_at FROM idempotency_record",
        whole("remembered_answers", idempotency.forget_expired),
        batch=500,
    ),
    Kind(
        "ended_visits",
        "delivery",
        "SELECT provider_id, provider_id AS id, expires_at AS due_at FROM portal_link"
        " UNION ALL SELECT provider_id, provider_id, expires_at FROM portal_session",
        whole("ended_visits", portal_sessions.forget_ended),
        batch=500,
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
