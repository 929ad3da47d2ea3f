"""The shape of an aggregation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from billing.metering.slots import Part, Slot


@dataclass(frozen=True)
class Example:
    """A contract test: event quantities by slot, and the quantity they must become."""

    name: str
    slots: Sequence[Sequence[str]]
    quantity: str


class Aggregation(Protocol):
    """One way to make a quantity of slots.

    `parts` says what of a slot is read, so that a store computes nothing else. `reduce` is pure; it is given the
    slots of one span in order of time, empty ones included, and answers in the slots' unit. No slots are zero usage.
    """

    @property
    def name(self) -> str: ...

    @property
    def parts(self) -> frozenset[Part]: ...

    @property
    def examples(self) -> Sequence[Example]: ...

    def reduce(self, slots: Sequence[Slot]) -> Decimal: ...
