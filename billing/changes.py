"""Changes of contract, on items as the engine sees them: what a preview asks about before anything is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from billing.items import USAGE, ZERO, AgreedTerm, Item, PriceTerms
from billing.members import Members
from billing.periods import Interval, cadence
from core.errors import FieldError

NOW, PERIOD_END = "now", "period_end"
QUANTITIES_MOST = 200


@dataclass(frozen=True)
class Change:
    """An end, or other quantities by charge code, or other prices.

    `prices` are those of another plan version, by charge code: what they do not name ends. Quantities that are not
    given stay.
    """

    cancel: bool = False
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    prices: Mapping[str, PriceTerms] | None = None


def default_quantity(kind: str) -> Decimal:
    """What is agreed on of a charge that nobody named: one, and of usage nothing."""
    return Decimal(0) if kind == USAGE else Decimal(1)


def apply(items: Iterable[Item], change: Change, at: datetime) -> tuple[Item, ...]:
    """The items as they would be with a change from an instant on; what was agreed for later is replaced.

    Args:
        items: with one, maybe without terms, for each charge code of the change's prices.
    """
    return tuple(_changed(item, change, at) for item in items)


def _changed(item: Item, change: Change, at: datetime) -> Item:
    in_force = _in_force(item.terms, at)
    before = tuple(_until(item.terms, at))
    if change.cancel:
        return replace(item, terms=before)
    price = in_force.price if in_force is not None else None
    if change.prices is not None:
        price = change.prices.get(item.charge_code)
        if price is None:
            return replace(item, terms=before)
    elif item.charge_code not in change.quantities:
        return item
    if price is None:
        return item
    quantity = change.quantities.get(item.charge_code)
    if quantity is None:
        same = in_force is not None and in_force.price.kind == price.kind
        quantity = in_force.quantity if in_force is not None and same else default_quantity(price.kind)
    discount = in_force.discount if in_force is not None and change.prices is None else ZERO
    return replace(item, terms=(*before, AgreedTerm(at, None, price, quantity, discount)))


def _in_force(terms: Sequence[AgreedTerm], at: datetime) -> AgreedTerm | None:
    return next((t for t in terms if t.start <= at and (t.end is None or at < t.end)), None)


def _until(terms: Sequence[AgreedTerm], at: datetime) -> Iterable[AgreedTerm]:
    for term in terms:
        if term.start < at:
            yield term if term.end is not None and term.end <= at else replace(term, end=at)


def period_end(
    intervals: Iterable[Interval], anchor: str, started_at: datetime, time_zone: str, now: datetime
) -> datetime | None:
    """The end of the current span; of several intervals the one that ends last. None where nothing recurs."""
    at = max(now, started_at)
    ends = [cadence(interval, anchor, started_at, time_zone).span_at(at).end for interval in intervals]
    return max(ends, default=None)


def read_quantities(value: object, pointer: str, errors: list[FieldError]) -> dict[str, Decimal]:
    """Read quantities by charge code; what is wrong is added to `errors`.

    Codes: `object_expected`, `too_long`, `quantity_negative`, and those of decimal strings.
    """
    members = Members(value, pointer, errors)
    if not isinstance(value, Mapping):
        return {}
    if len(value) > QUANTITIES_MOST:
        errors.append(FieldError(pointer, "too_long", f"Give at most {QUANTITIES_MOST}."))
        return {}
    quantities = {name: members.decimal(name, sign="any") for name in value}
    for name, quantity in quantities.items():
        if quantity < 0:
            members.refuse(name, "quantity_negative", "A quantity is zero or more.")
    return quantities


def read_effective(value: object, pointer: str, errors: list[FieldError]) -> str | datetime | None:
    """Read when a change takes effect: `now`, `period_end`, or `{"at": instant}`.

    Codes: `effective_unknown`, and those of an object's member `at`.
    """
    if value in (NOW, PERIOD_END):
        return str(value)
    if not isinstance(value, Mapping):
        errors.append(FieldError(pointer, "effective_unknown", 'Use "now", "period_end" or {"at": …}.'))
        return None
    members = Members(value, pointer, errors)
    at = members.instant("at")
    members.close()
    return at
