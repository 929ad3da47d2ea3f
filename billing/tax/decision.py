"""What a charge is taxed with, as a value: a category and its rates, with the legal ground where one is due.

Source: EN 16931-1, BG-23 (one breakdown per category and rate) and BG-30; UNCL 5305 for the category codes; the code
list VATEX for the reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from core.decimals import exact, format_decimal

HUNDRED = Decimal(100)
STANDARD, ZERO_RATED, EXEMPT, REVERSE_CHARGE, EXPORT, OUTSIDE_SCOPE, INTRA_COMMUNITY = (
    "S",
    "Z",
    "E",
    "AE",
    "G",
    "O",
    "K",
)
CATEGORIES = (STANDARD, ZERO_RATED, EXEMPT, REVERSE_CHARGE, EXPORT, OUTSIDE_SCOPE, INTRA_COMMUNITY)
DEFAULT_NAME = "VAT"


@dataclass(frozen=True, order=True)
class TaxRate:
    """A category and its rate: what has a sum of its own on a document.

    Args:
        category: `S` standard, `Z` zero, `E` exempt, `AE` reverse charge, `G` export, `O` outside the scope,
            `K` supply within the Community.
        rate: per cent; only `S` has one above zero.
        jurisdiction: who takes it, where several take one each on the same base (`"US-NY, New York City"`).
        name: of the tax where it is sold (`"VAT"`, `"Sales tax"`).
        reason: the VATEX code of why no tax is due, where there is one.
        note: the legal ground, for people. Name, reason and note tell nothing apart: a document has one sum of a
            category and rate.

    Raises:
        ValueError: a rate beyond 0 to 100, or one above zero of a category that has none.
    """

    category: str
    rate: Decimal
    jurisdiction: str = ""
    name: str = field(default=DEFAULT_NAME, compare=False)
    reason: str = field(default="", compare=False)
    note: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= HUNDRED:
            raise ValueError("a tax rate is between 0 and 100 per cent")
        if self.rate and self.category != STANDARD:
            raise ValueError(f"a rate of the category {self.category} is zero")


@dataclass(frozen=True)
class Tax:
    """The tax decision of one charge: one rate, or several of one category on the same base (state, county, city).

    Raises:
        ValueError: no rates, two categories, or one place twice.
    """

    rates: tuple[TaxRate, ...]

    def __post_init__(self) -> None:
        if not self.rates or len({rate.category for rate in self.rates}) != 1:
            raise ValueError("a charge is taxed in one category")
        if len(set(self.rates)) != len(self.rates):
            raise ValueError("each place takes its tax once")

    @property
    def category(self) -> str:
        """The category of all its rates."""
        return self.rates[0].category

    @cached_property
    def rate(self) -> Decimal:
        """All rates together, in per cent."""
        with exact():
            return sum((rate.rate for rate in self.rates), Decimal(0))


def flat_rate(rate: Decimal, name: str = DEFAULT_NAME) -> TaxRate:
    """The one configured rate as a category: standard above zero, zero-rated at zero."""
    return TaxRate(STANDARD if rate > 0 else ZERO_RATED, rate, name=name)


def flat(rate: Decimal, name: str = DEFAULT_NAME) -> Tax:
    """A decision for the one configured rate."""
    return Tax((flat_rate(rate, name),))


def details_json(tax: Tax) -> dict[str, Any] | None:
    """What a line keeps of a decision beside its category and rate; None where these and the name say it all."""
    (first, *more) = tax.rates
    if not more and not (first.jurisdiction or first.reason or first.note):
        return None
    return {"rates": [rate_json(rate) for rate in tax.rates]}


def taxed(category: str, rate: Decimal, details: Mapping[str, Any] | None, name: str) -> Tax:
    """The decision that a line was taxed by, from what the line keeps; `name` where it kept none."""
    if details is None:
        return Tax((TaxRate(category, rate, name=name),))
    return Tax(tuple(map(read_rate, details["rates"])))


def rate_json(rate: TaxRate) -> dict[str, Any]:
    """A rate as JSON; members that say nothing are left out."""
    words = {"jurisdiction": rate.jurisdiction, "reason": rate.reason, "note": rate.note}
    told = {name: value for name, value in words.items() if value}
    return {"category": rate.category, "rate": format_decimal(rate.rate), "name": rate.name, **told}


def read_rate(stored: Mapping[str, Any]) -> TaxRate:
    """What `rate_json` wrote; further members are passed over."""
    words = {name: stored.get(name, "") for name in ("jurisdiction", "reason", "note")}
    return TaxRate(stored["category"], Decimal(stored["rate"]), name=stored["name"], **words)
