"""Events about unpaid invoices."""

from __future__ import annotations

from events.catalogue.entry import EventType

EVENTS = (
    EventType("dunning_case.opened", "dunning_case", "An invoice is overdue, and steps will follow."),
    EventType("dunning_case.step_taken", "dunning_case", "A step was taken: a reminder, a new try, a suspension."),
    EventType("dunning_case.paused", "dunning_case", "Somebody put the steps on hold."),
    EventType("dunning_case.resumed", "dunning_case", "The steps go on."),
    EventType("dunning_case.recovered", "dunning_case", "The invoice was paid."),
    EventType("dunning_case.exhausted", "dunning_case", "All steps were taken, and the invoice is still unpaid."),
)
