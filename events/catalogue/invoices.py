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
    EventType("invoice.written_off", "invoice", "Nobody expects an invoice to be paid. Money may still come."),
    EventType("credit_note.created", "credit_note", "A billing run made the draft of a credit note."),
    EventType("credit_note.issued", "credit_note", "A credit note got its number and became the payer's credit."),
    EventType("credit_note.discarded", "credit_note", "The draft of a credit note was thrown away."),
    EventType("invoice.discarded", "invoice", "A draft was thrown away; it never had a number."),
)
