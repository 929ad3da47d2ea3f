"""How sure we are of a consumption, and how much of it is how sure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum

from core.decimals import EXACT, format_decimal


class Quality(StrEnum):
    """The quality of one interval, or of a piece cut from it."""

    MEASURED = "measured"
    """Two readings of one counter."""
    INTERPOLATED = "interpolated"
    """The total is measured, its split over the cut is assumed to be even."""
    ESTIMATED = "estimated"
    """No counter ran over this stretch: a swap, a reset, a reboot."""
    SUBSTITUTED = "substituted"
    """Entered by a person."""
    INVALID = "invalid"
    """The step cannot be consumption; an estimate is billed in its place and both amounts are kept."""


ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Shares:
    """A quantity, split by quality. The first four add up to `total`, what is billed.

    `invalid` is beside them: what refused steps would have read (it may be negative). It is shown, never billed; the
    estimate that is billed in its place is in `estimated`.
    """

    measured: Decimal = ZERO
    interpolated: Decimal = ZERO
    estimated: Decimal = ZERO
    substituted: Decimal = ZERO
    invalid: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        add = EXACT.add
        return add(add(self.measured, self.interpolated), add(self.estimated, self.substituted))

    def __add__(self, other: Shares) -> Shares:
        add = EXACT.add
        return Shares(
            add(self.measured, other.measured),
            add(self.interpolated, other.interpolated),
            add(self.estimated, other.estimated),
            add(self.substituted, other.substituted),
            add(self.invalid, other.invalid),
        )

    def __neg__(self) -> Shares:
        return self.scaled(Decimal(-1))

    def scaled(self, factor: Decimal) -> Shares:
        """Every share times an exact factor: a change of unit, or a sign."""
        by = EXACT.multiply
        return Shares(
            by(self.measured, factor),
            by(self.interpolated, factor),
            by(self.estimated, factor),
            by(self.substituted, factor),
            by(self.invalid, factor),
        )

    def as_json(self) -> dict[str, str]:
        """Decimal strings by quality, as the API shows them."""
        return {name: format_decimal(getattr(self, name)) for name in SHARES}

    @classmethod
    def from_json(cls, value: Mapping[str, str]) -> Shares:
        return cls(**{name: Decimal(value.get(name, "0")) for name in SHARES})


SHARES = tuple(f.name for f in fields(Shares))
NONE = Shares()


def summed(many: Iterable[Shares]) -> Shares:
    """Many shares together."""
    found = NONE
    for shares in many:
        if shares is not NONE:
            found = shares if found is NONE else found + shares
    return found
