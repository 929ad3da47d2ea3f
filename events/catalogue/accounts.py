"""Events about accounts."""

from __future__ import annotations

from events.catalogue.entry import EventType

EVENTS = (
    EventType("account.created", "account", "An account was made."),
    EventType("account.updated", "account", "An account was changed."),
    EventType("account.statement_made", "account", "A payer's statement of what is not billed yet was made."),
)
