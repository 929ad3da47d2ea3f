"""Events about limits on spending."""

from __future__ import annotations

from events.catalogue.entry import EventType

EVENTS = (
    EventType("usage.threshold_reached", "spending_limit", "Usage has come to a threshold, once in a span."),
    EventType("usage.cap_reached", "spending_limit", "Usage has come to a cap, once in a span."),
)
