"""Events about invoices and billing."""

from __future__ import annotations

from events.catalogue.entry import EventType

EVENTS = (
    EventType("invoice.created", "invoice", "A draft was made."),
    EventType("billing_run.awaiting_approval", "billing_run", "A run is done, and drafts of it wait for a person."),
    EventType("invoice.finalized", "invoice", "An invoice got its number and can no longer change."),
    EventType("invoice.paid", "invoice", "An invoice is settled in full."),
    EventType("invoice.reopened", "invoice", "An invoice that was paid is open again: its money went back."),
    EventType("invoice.overdue", "invoice", "An invoice was not paid when it was due."),
    EventType("invoice.voided", "invoice", "An invoice was made void; it keeps its number."),
    EventType("invoice.discarded", "invoice", "A draft was thrown away; it never had a number."),
)
