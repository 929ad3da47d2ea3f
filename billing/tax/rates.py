"""Rates by place, class of products and day; those of the European Union are shipped."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from billing.tax.decision import DEFAULT_NAME, STANDARD, Tax, TaxRate
from billing.tax.facts import ALWAYS, Place, Validity


@dataclass(frozen=True)
class PlacedRate:
    """A rate where and while it holds. A `stacked` one is taken beside those of wider places, any other instead."""

    place: Place
    tax_class: str
    tax: TaxRate
    valid: Validity = ALWAYS
    stacked: bool = False

    @property
    def level(self) -> int:
        """How narrow its place is: 0 a country, 3 a city."""
        parts = (self.place.region, self.place.county, self.place.city)
        return max((i for i, part in enumerate(parts, start=1) if part), default=0)


class RateTable:
    """Rates to look up; those given first (a provider's own) go before the others, place and class by place and class.

    Args:
        own: a provider's rates.
        shipped: what is used where a provider has none of a class that hold in a country on a day.
    """

    def __init__(self, own: Iterable[PlacedRate], shipped: Iterable[PlacedRate] = ()) -> None:
        self._tables = [_by_country(own), _by_country(shipped)]

    def find(self, place: Place, tax_class: str, on: date) -> Tax | None:
        """What is taken in a place of a class of products on a day; None where that is not known.

        A region that is no part of its country's VAT territory has its own rates, or none.
        """
        outside = not in_union(place) and place.country in european_union().members
        for table in self._tables:
            holding = [
                rate
                for rate in table.get((place.country, tax_class), ())
                if rate.valid.holds(on) and place.within(rate.place) and (rate.level or not outside)
            ]
            if holding:
                return _stack(holding)
        return None


def _by_country(rates: Iterable[PlacedRate]) -> Mapping[tuple[str, str], list[PlacedRate]]:
    found: defaultdict[tuple[str, str], list[PlacedRate]] = defaultdict(list)
    for rate in rates:
        found[rate.place.country, rate.tax_class].append(rate)
    return found


def _stack(rates: list[PlacedRate]) -> Tax:
    """From the widest place to the narrowest; zero says nothing beside a rate above it."""
    taken: list[TaxRate] = []
    for level in sorted({rate.level for rate in rates}):
        here = [rate for rate in rates if rate.level == level]
        kept = [] if any(not rate.stacked for rate in here) else taken
        taken = kept + [rate.tax for rate in here]
    above = sorted({tax for tax in taken if tax.category == STANDARD}, key=taken.index)
    return Tax(tuple(above or taken[:1]))


@dataclass(frozen=True)
class Shipped:
    """The file of the European Union: its rates, the regions that are no part of its territory, source and date."""

    rates: tuple[PlacedRate, ...]
    outside: Mapping[str, frozenset[str]]
    members: frozenset[str]
    source: str
    as_of: date


@cache
def european_union() -> Shipped:
    """What is shipped, read once."""
    read = tomllib.loads(files("billing.tax").joinpath("eu.toml").read_text(encoding="utf-8"))
    rates = tuple(
        rate
        for code, classes in read["rates"].items()
        for tax_class, entries in classes.items()
        for rate in _series(Place(*code.split("-")), tax_class, entries)
    )
    return Shipped(
        rates=rates,
        outside={country: frozenset(regions) for country, regions in read["outside"].items()},
        members=frozenset(rate.place.country for rate in rates),
        source=read["source"],
        as_of=read["as_of"],
    )


def in_union(place: Place) -> bool:
    """Whether a place is part of the Union's VAT territory."""
    union = european_union()
    return place.country in union.members and place.region.upper() not in union.outside.get(place.country, ())


def _series(place: Place, tax_class: str, entries: list[dict[str, Any]]) -> Iterable[PlacedRate]:
    """Each holds until the day before the next one."""
    ends = [entry["from"] - timedelta(days=1) for entry in entries[1:]] + [None]
    for entry, end in zip(entries, ends, strict=True):
        tax = TaxRate(STANDARD, Decimal(entry["rate"]), name=DEFAULT_NAME)
        yield PlacedRate(place, tax_class, tax, Validity(entry["from"], entry.get("until", end)))
