"""Prices and the parts of an amount in words a customer understands, whatever the pricing model.

A model that is not known here is told by the members of its price, so that a new one is never a broken page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.decimals import EXACT
from exports.figures import Figures

MODELS = {
    "flat": "Fixed price",
    "per_unit": "Price per unit",
    "graduated": "Graduated price",
    "volume": "Price by volume",
    "stairstep": "Price in steps",
    "package": "Price per package",
    "percentage": "Percentage",
    "graduated_percentage": "Graduated percentage",
    "time_of_use": "Price by time of use",
    "matrix": "Price by kind of use",
    "indexed": "Price by an index",
    "committed_amount": "Committed amount",
}
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AROUND = {
    "minimum_amount_price": "Raised to the minimum of {}",
    "maximum_amount_price": "Brought down to the maximum of {}",
    "min_price": "{events} raised to the minimum of {}",
    "max_price": "{events} brought down to the maximum of {}",
    "fixed_price": "{events} at {}",
    "amount_price": "Fixed price",
}
# Members of a price that say how it is applied, not what it costs.
_SILENT = (
    "model",
    "tiers",
    "bands",
    "cells",
    "otherwise",
    "charge_flat_at_zero",
    "prorate_tiers",
    "draws",
    "dimensions",
)


@dataclass(frozen=True)
class Step:
    """One row of the calculation."""

    words: str
    price: str
    amount: str


@dataclass(frozen=True)
class Tier:
    """One row of a price list."""

    reach: str
    unit_price: str
    flat_price: str


@dataclass(frozen=True)
class PriceWords:
    """Tells prices in a locale and currency."""

    figures: Figures

    def step(self, part: Mapping[str, Any], unit: str, number: int) -> Step:
        """One part of an amount; from the second on it follows another."""
        amount = self._money(part["exact"])
        if "quantity" not in part:
            return Step(self._without_quantity(part), "", amount)
        words = self._quantity(part["quantity"], unit)
        words += "".join(f", {told}" for told in _told(part))
        if "flat_price" in part and "unit_price" in part:
            words += f" and {self._money(part['flat_price'])} once"
        return Step(words if number == 0 else f"then {words}", self._price_of(part), amount)

    def _without_quantity(self, part: Mapping[str, Any]) -> str:
        for name, words in _AROUND.items():
            if name in part:
                return words.format(self._money(part[name]), events=_events(part.get("events", "0")))
        return "Fixed price"

    def _price_of(self, part: Mapping[str, Any]) -> str:
        if "unit_price" in part:
            return self._money(part["unit_price"])
        if "rate" in part:
            return self._rate(part["rate"])
        if "packages" in part:
            return f"{self._money(part['package_price'])} for {part['packages']} packages"
        return self._money(part["flat_price"]) if "flat_price" in part else ""

    def tiers(self, spec: Mapping[str, Any], unit: str) -> list[Tier]:
        """A price as a price list."""
        rows = [*self._by_quantity(spec, unit), *self._by_band(spec), *self._by_cell(spec)]
        if "otherwise" in spec:
            name = str(spec["otherwise"].get("name", "otherwise")).replace("_", " ")
            rows.append(Tier(name.capitalize(), self._money(spec["otherwise"]["unit_price"]), ""))
        return [*rows, *self._plain(spec, unit)]

    def _by_quantity(self, spec: Mapping[str, Any], unit: str) -> Iterator[Tier]:
        floor = ""
        for tier in spec.get("tiers", ()):
            ceiling = self._quantity(tier["up_to"], unit) if tier.get("up_to") is not None else ""
            reach = f"Up to {ceiling}" if not floor else (f"{floor} to {ceiling}" if ceiling else f"Above {floor}")
            flat = self._money(tier["flat_price"]) if Decimal(tier.get("flat_price", "0")) else ""
            price = self._rate(tier["rate"]) if "rate" in tier else self._money(tier.get("unit_price", "0"))
            if spec["model"] == "stairstep":
                price = ""
            yield Tier(reach if floor or ceiling else "Any quantity", price, flat)
            floor = ceiling

    def _by_band(self, spec: Mapping[str, Any]) -> Iterator[Tier]:
        for band in spec.get("bands", ()):
            hours = f"{band.get('from', '00:00')} to {band.get('to', '24:00')}"
            when = ", ".join(_days(band.get("days")) + _listed(band.get("months")))
            yield Tier(
                f"{band['name'].replace('_', ' ').capitalize()}: {hours}, {when}", self._money(band["unit_price"]), ""
            )

    def _by_cell(self, spec: Mapping[str, Any]) -> Iterator[Tier]:
        for cell in spec.get("cells", ()):
            reach = ", ".join(f"{name} {cell[name]}" for name in spec["dimensions"])
            yield Tier(reach, self._money(cell["unit_price"]), "")

    def _plain(self, spec: Mapping[str, Any], unit: str) -> Iterator[Tier]:
        """Prices that do not depend on where usage falls, and members that are told by their names."""
        for name, value in spec.items():
            if name == "unit_price":
                yield Tier(f"Each {unit or 'unit'}", self._money(value), "")
            elif name == "amount_price":
                yield Tier("Whole span", "", self._money(value))
            elif name == "rate":
                yield Tier("Of the amount", self._rate(value), "")
            elif name.endswith("_price"):
                yield Tier(_named(name.removesuffix("_price")), "", self._money(value))
            elif name not in _SILENT and isinstance(value, str | int):
                yield Tier(_named(name), "", str(value))

    def _quantity(self, text: str, unit: str) -> str:
        return self.figures.quantity(EXACT.create_decimal(text), unit)

    def _rate(self, text: str) -> str:
        return self.figures.rate(EXACT.create_decimal(text))

    def _money(self, text: str) -> str:
        """An exact amount or a unit price in major units, with its sign and all its places."""
        return self.figures.exact_money(EXACT.create_decimal(text))


def _told(part: Mapping[str, Any]) -> Iterator[str]:
    """What a part is of: a band, a cell, a slot of an index."""
    if "band" in part:
        yield str(part["band"]).replace("_", " ")
    for name, value in part.get("cell", {}).items():
        yield f"{name} {value}"
    if "index" in part:
        yield f"index {part['index']}"
    flags = {
        "otherwise": "any other",
        "overage": "above the commitment",
        "free": "free",
        "estimated": "at an estimated price",
        "unused": "committed and not used",
    }
    yield from (words for name, words in flags.items() if part.get(name))


def _events(count: str) -> str:
    return "1 event" if count == "1" else f"{count} events"


def _days(days: Sequence[str] | None) -> list[str]:
    """`Mon to Fri`, `Mon, Wed`, `every day`."""
    wanted = [day for day in _WEEK if day in (days or _WEEK)]
    if len(wanted) == len(_WEEK):
        return ["every day"]
    first = _WEEK.index(wanted[0])
    together = len(wanted) > 2 and wanted == list(_WEEK[first : first + len(wanted)])
    names = [day.capitalize() for day in wanted]
    return [f"{names[0]} to {names[-1]}" if together else ", ".join(names)]


def _listed(values: Sequence[Any] | None) -> list[str]:
    return [" ".join(str(value) for value in values)] if values else []


def _named(name: str) -> str:
    return name.replace("_", " ").capitalize()
