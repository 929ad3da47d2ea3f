"""Changes of contract as they come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from billing.changes import Cancel, Pause
from services.parts_wanted import AddOn


@dataclass(frozen=True)
class Wanted:
    """A change as it comes in: one of an end, a pause, the end of a pause, the end of a trial, another day from which
    spans are counted; or one or more of another plan, add-ons that come or go (by reference), other quantities.
    """

    cancel: Cancel | None = None
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    plan: str | None = None
    pause: Pause | None = None
    resume: bool = False
    convert: bool = False
    align_on: date | None = None
    add: Sequence[AddOn] = ()
    remove: Sequence[str] = ()
