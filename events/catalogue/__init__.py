"""Every type of event there is. A room's types are in its own file; `data` is the object as the API shows it."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from events.catalogue.entry import EventType


@cache
def catalogue() -> dict[str, EventType]:
    """All event types by name."""
    found: dict[str, EventType] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for entry in getattr(importlib.import_module(f"{__name__}.{module}"), "EVENTS", ()):
            if entry.type in found:
                raise ValueError(f"the event {entry.type} stands twice in the catalogue")
            found[entry.type] = entry
    return found


def is_known(pattern: str) -> bool:
    """Whether a pattern, a type (`invoice.paid`) or a room (`invoice.*`), names any event there is."""
    return any(matches(pattern, name) for name in catalogue())


def matches(pattern: str, event_type: str) -> bool:
    """Whether an event's type is meant by a pattern."""
    return pattern == event_type or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))


__all__ = ["EventType", "catalogue", "is_known", "matches"]
