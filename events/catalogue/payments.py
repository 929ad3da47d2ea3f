"""Events about payments, methods, refunds and credit."""

from __future__ import annotations

from events.catalogue.entry import EventType

EVENTS = (
    EventType("payment_method.attached", "payment_method", "A way to take an account's money was added."),
    EventType("payment_method.detached", "payment_method", "A way to take an account's money was removed."),
    EventType("payment.succeeded", "payment", "Money was taken."),
    EventType("payment.received", "payment", "Money that came by itself was recorded."),
    EventType("payment.failed", "payment_attempt", "A try to take money failed."),
    EventType("refund.succeeded", "refund", "Money was given back."),
    EventType("credit.used", "account", "An account's credit settled an invoice."),
)
