"""What the catalogue says about a type of event."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EventType:
    """A type of event.

    Attributes:
        type: `invoice.finalized`: the thing, then what happened to it.
        kind: the kind of the object it is about, as in `core.ids.PREFIXES`.
        meaning: what happened, as a sentence.
    """

    type: str
    kind: str
    meaning: str
