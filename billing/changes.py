"""Changes of contract, on items as the engine sees them: what a preview asks about before anything is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from billing.items import AgreedTerm, Item
from billing.members import Members
from billing.periods import Interval, cadence
from core.errors import FieldError

NOW, PERIOD_END = "now", "period_end"
QUANTITIES_MOST = 200


@dataclass(frozen=True)
class Change:
    """An end, or other quantities by charge code."""

    cancel: bool = False
    quantities: Mapping[str, Decimal] = field(default_factory=dict)


def apply(items: Iterable[Item], change: Change, at: datetime) -> tuple[Item, ...]:
    """The items as they would be with a change from an instant on; what was agreed for later is replaced."""
    return tuple(_changed(item, change, at) for item in items)


def _changed(item: Item, change: Change, at: datetime) -> Item:
    quantity = change.quantities.get(item.charge_code)
    in_force = _in_force(item.terms, at)
    if in_force is None or (quantity is None and not change.cancel):
        return item
    before = tuple(_until(item.terms, at))
    if change.cancel or quantity is None:
        return replace(item, terms=before)
    return replace(item, terms=(*before, AgreedTerm(at, None, in_force.price, quantity)))


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
