"""Quantities: decimals with a unit, quantised in one place, converted by exact factors."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from core.decimals import EXACT, ROUNDING
from core.errors import Invalid

QUANTUM = Decimal("0.000001")
PLACES = Decimal("0.000000000001")

# unit -> (dimension, factor to the dimension's base unit)
_UNITS: dict[str, tuple[str, Decimal]] = {
    "Wh": ("energy", Decimal(1)),
    "kWh": ("energy", Decimal(1000)),
    "MWh": ("energy", Decimal(1_000_000)),
    "W": ("power", Decimal(1)),
    "kW": ("power", Decimal(1000)),
    "octets": ("data", Decimal(1)),
    "B": ("data", Decimal(1)),
    "kB": ("data", Decimal(1000)),
    "MB": ("data", Decimal(1000**2)),
    "GB": ("data", Decimal(1000**3)),
    "TB": ("data", Decimal(1000**4)),
    "KiB": ("data", Decimal(1024)),
    "MiB": ("data", Decimal(1024**2)),
    "GiB": ("data", Decimal(1024**3)),
    "TiB": ("data", Decimal(1024**4)),
}


def quantize_quantity(value: Decimal) -> Decimal:
    """Cut a measured quantity to a millionth, half away from zero: the one rounding of metering."""
    return value.quantize(QUANTUM, rounding=ROUND_HALF_UP, context=_QUANTIZE)


def quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """A level, as it is made by a division: twelve places, half away from zero; what a stored quantity can hold."""
    return (
        ROUNDING.divide(dividend, divisor).quantize(PLACES, rounding=ROUND_HALF_UP, context=_QUANTIZE).normalize(EXACT)
    )


def dimension(unit: str) -> str | None:
    """What a unit measures (`"energy"`), or None for a unit Busbar only counts (`"hours"`, `"each"`)."""
    known = _UNITS.get(unit)
    return known[0] if known else None


def units_of(measured: str) -> tuple[str, ...]:
    """The units that measure a thing: `units_of("energy")`."""
    return tuple(unit for unit, (each, _) in _UNITS.items() if each == measured)


def convertible(source: str, target: str) -> bool:
    """Whether `convert` can go from one unit to the other."""
    return source == target or (dimension(source) is not None and dimension(source) == dimension(target))


def factor(source: str, target: str) -> Decimal:
    """How many `target` one `source` is, exactly: `factor("Wh", "kWh")` is 0.001.

    Raises:
        Invalid: `unit_mismatch`, when the units measure different things.
        decimal.Inexact: the factor has no finite decimal form.
    """
    if source == target:
        return Decimal(1)
    if not convertible(source, target):
        raise Invalid("unit_mismatch", f"{source} cannot be converted to {target}.")
    return EXACT.divide(_UNITS[source][1], _UNITS[target][1])


def convert(value: Decimal, source: str, target: str) -> Decimal:
    """The same quantity in another unit, exact."""
    return EXACT.multiply(value, factor(source, target))


_QUANTIZE = EXACT.copy()
_QUANTIZE.clear_traps()
