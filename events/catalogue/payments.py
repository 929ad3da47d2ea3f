"""Events about payments, methods, refunds and credit."""

from __future__ import annotations

from events.catalogue.entry import EventType

EVENTS = (
    EventType("payment_method.attached", "payment_method", "A way to take an account's money was added."),
    EventType("payment_method.updated", "payment_method", "Another way to take an account's money is its default."),
    EventType("payment_method.detached", "payment_method", "A way to take an account's money was removed."),
    EventType("payment.succeeded", "payment", "Money was received: by card, or recorded by hand."),
    EventType("payment.requires_action", "payment_attempt", "The customer has to authenticate before money is taken."),
    EventType("payment.failed", "payment_attempt", "A try to take money failed."),
    EventType("refund.succeeded", "refund", "Money was given back."),
    EventType("refund.failed", "refund", "The gateway could not give money back; it is on the payment again."),
)
