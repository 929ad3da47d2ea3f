"""Device families as data: which register sits where, in which scale, and what identifies the device.

A profile is a TOML file in `agents/profiles/`. Nothing is concluded from a protocol's own types: real devices answer
energy as INTEGER, and their scales, moduli and sentinels are known only from the vendor's MIB. `{unit}` in a source
stands for the number of the unit in a chain.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from core.decimals import EXACT, format_decimal
from core.errors import Misconfigured

Raw = int | str


@dataclass(frozen=True)
class Register:
    """One register.

    Args:
        source: its OID, or the OID of its column where the place is a row of a table.
        scale: factor from what the device says to `unit`.
        kind: `counter` rises until it wraps at `modulus` (in the device's own steps); `gauge` goes up and down.
        sentinels: what the device says when it has no value.
        reset_source: where it tells since when the register counts, in `reset_format`.
    """

    name: str
    source: str
    scale: Decimal
    unit: str
    kind: str
    modulus: int | None
    sentinels: frozenset[str]
    signed: bool
    reset_source: str | None
    reset_format: str | None

    def in_unit(self, unit: int) -> Register:
        """The same register with its sources filled in for one unit of a chain."""
        reset_source = self.reset_source and self.reset_source.format(unit=unit)
        return replace(self, source=self.source.format(unit=unit), reset_source=reset_source)

    @property
    def modulus_in_unit(self) -> str | None:
        """Where a counter begins anew at zero, in `unit`."""
        return None if self.modulus is None else format_decimal(EXACT.multiply(Decimal(self.modulus), self.scale))

    @property
    def resolution(self) -> str | None:
        """The smallest step of a counter, in `unit`."""
        return format_decimal(self.scale) if self.kind == "counter" else None

    def value(self, raw: Raw | None) -> str | None:
        """The value in `unit` as a decimal string, or None where there is no reading.

        No reading is: an absent register, a sentinel, a text, a negative value of an unsigned register, a counter
        beyond its modulus. None of these is ever a zero.
        """
        if not isinstance(raw, int) or str(raw) in self.sentinels or (raw < 0 and not self.signed):
            return None
        if self.modulus is not None and raw >= self.modulus:
            return None
        return format_decimal(EXACT.multiply(Decimal(raw), self.scale))

    def reset_at(self, raw: Raw | None, zone: ZoneInfo) -> datetime | None:
        """Since when the register counts, from the device's own text, read in the device's zone."""
        if not isinstance(raw, str) or self.reset_format is None or raw in self.sentinels:
            return None
        try:
            return datetime.strptime(raw, self.reset_format).replace(tzinfo=zone).astimezone(UTC)
        except ValueError:
            return None


@dataclass(frozen=True)
class SerialSource:
    """A place where a serial number may stand; `only_unit` limits it to one unit of a chain."""

    source: str
    only_unit: int | None
    pattern: re.Pattern[str] | None


@dataclass(frozen=True)
class Identity:
    """Where the device says who it is. Serial sources are tried in order."""

    serials: tuple[SerialSource, ...]
    boots: str
    uptime: str
    uptime_scale: Decimal
    placeholders: frozenset[str]

    def sources(self, unit: int) -> list[str]:
        """Everything to ask for beside the registers of a unit."""
        return [self.uptime, self.boots, *(source for source, _ in self._serials_of(unit))]

    def serial(self, values: Mapping[str, Raw], unit: int) -> str | None:
        """The first serial number that is there and is neither a placeholder nor all zeros."""
        for source, pattern in self._serials_of(unit):
            found = str(values.get(source, "")).strip()
            if pattern is not None:
                match = pattern.search(found)
                found = match.group(1) if match else ""
            if found not in self.placeholders and found.strip("0"):
                return found
        return None

    def uptime_s(self, values: Mapping[str, Raw]) -> str | None:
        """Seconds since the last start, as a decimal string."""
        raw = values.get(self.uptime)
        return format_decimal(EXACT.multiply(Decimal(raw), self.uptime_scale)) if isinstance(raw, int) else None

    def boot_count(self, values: Mapping[str, Raw]) -> int | None:
        """How often the device was started."""
        raw = values.get(self.boots)
        return raw if isinstance(raw, int) else None

    def _serials_of(self, unit: int) -> list[tuple[str, re.Pattern[str] | None]]:
        return [(s.source.format(unit=unit), s.pattern) for s in self.serials if s.only_unit in (None, unit)]


@dataclass(frozen=True)
class Rating:
    """Where a unit says what it carries at most; `scale` makes watts of it."""

    source: str
    scale: Decimal

    def watts(self, values: Mapping[str, Raw], unit: int) -> str | None:
        """The rating of one unit, or None where it does not tell."""
        raw = values.get(self.source.format(unit=unit))
        return format_decimal(EXACT.multiply(Decimal(raw), self.scale)) if isinstance(raw, int) and raw > 0 else None


@dataclass(frozen=True)
class OutletTable:
    """Outlets as rows: the columns that tell unit and number of a row."""

    unit_column: str
    number_column: str
    registers: tuple[Register, ...]


@dataclass(frozen=True)
class Profile:
    """A device family."""

    name: str
    title: str
    collector: str
    units_max: int
    identity: Identity
    facts: Mapping[str, str]
    registers: tuple[Register, ...]
    outlets: OutletTable | None
    rating: Rating | None = None


def names() -> list[str]:
    """The profiles that come with the agent."""
    folder = resources.files("agents") / "profiles"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


@cache
def load(name: str) -> Profile:
    """A profile by name.

    Raises:
        Misconfigured: there is no such profile, or its file breaks the form.
    """
    if name not in names():
        raise Misconfigured(f"there is no profile {name!r}; known: {', '.join(names())}")
    text = (resources.files("agents") / "profiles" / f"{name}.toml").read_text()
    try:
        return _profile(tomllib.loads(text))
    except (KeyError, ValueError, TypeError) as error:
        raise Misconfigured(f"profile {name}: {error!r}") from error


def _profile(document: Mapping[str, Any]) -> Profile:
    outlets = document.get("outlets")
    return Profile(
        name=document["name"],
        title=document["title"],
        collector=document["collector"],
        units_max=document["units_max"],
        identity=_identity(document["identity"]),
        facts=document.get("facts", {}),
        registers=tuple(_register(item) for item in document["registers"]),
        outlets=outlets
        and OutletTable(
            unit_column=outlets["unit_column"],
            number_column=outlets["number_column"],
            registers=tuple(_register(item) for item in outlets["registers"]),
        ),
        rating=Rating(rating["source"], Decimal(rating["scale"])) if (rating := document.get("rating")) else None,
    )


def _identity(item: Mapping[str, Any]) -> Identity:
    return Identity(
        serials=tuple(
            SerialSource(s["source"], s.get("only_unit"), re.compile(s["pattern"]) if "pattern" in s else None)
            for s in item["serials"]
        ),
        boots=item["boots"],
        uptime=item["uptime"],
        uptime_scale=Decimal(item["uptime_scale"]),
        placeholders=frozenset(item["placeholders"]),
    )


def _register(item: Mapping[str, Any]) -> Register:
    if item["kind"] not in ("counter", "gauge"):
        raise ValueError(f"kind {item['kind']!r}")
    return Register(
        name=item["register"],
        source=item["source"],
        scale=Decimal(item["scale"]),
        unit=item["unit"],
        kind=item["kind"],
        modulus=int(item["modulus"]) if "modulus" in item else None,
        sentinels=frozenset(item.get("sentinels", ())),
        signed=item.get("signed", False),
        reset_source=item.get("reset_source"),
        reset_format=item.get("reset_format"),
    )
