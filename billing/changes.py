"""Changes of contract, on values: what a preview shows and what is stored are made by the same function."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from billing import breaks
from billing.anchors import with_anchor
from billing.breaks import Break
from billing.early_termination import Minimum, charge_for
from billing.items import ADVANCE, RECURRING, USAGE, ZERO, AgreedTerm, Item, PriceTerms
from billing.members import Members, read_date
from core.errors import FieldError

NOW, PERIOD_END = "now", "period_end"
QUANTITIES_MOST = 200
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Cancel:
    """An end. With `credit` what was billed beyond it is given back, else what was begun in advance stays billed to
    the end of its span. `early` leaves a fixed term before it has run out.
    """

    credit: bool = True
    early: bool = False


@dataclass(frozen=True)
class Pause:
    """Nothing is billed from here on until it is resumed: at `until`, by a change of its own, where that is agreed."""

    until: datetime | None = None


@dataclass(frozen=True)
class Change:
    """One change of a contract: its end, a pause or the end of one, the end of its trial, another day from which its
    spans are counted, or other quantities by charge code and other prices.

    `prices` are what the charges that they name cost from then on, less `discounts` in per cent; quantities that are
    not given stay. What `ends` names is not charged any more. `align_at` is the first instant of a local day.
    """

    cancel: Cancel | None = None
    pause: Pause | None = None
    resume: bool = False
    convert: bool = False
    align_at: datetime | None = None
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    prices: Mapping[str, PriceTerms] = field(default_factory=dict)
    discounts: Mapping[str, Decimal] = field(default_factory=dict)
    ends: Collection[str] = ()


@dataclass(frozen=True)
class Contract:
    """A subscription as changes see it: what is agreed, and apart from it when nothing of that is billed.

    Args:
        items: with their terms as agreed, the breaks not taken out.
        minimum: where a minimum term was agreed upon.
    """

    items: tuple[Item, ...]
    breaks: tuple[Break, ...] = ()
    minimum: Minimum | None = None

    @property
    def billed(self) -> tuple[Item, ...]:
        """The items as billing takes them: without the breaks."""
        if not self.breaks:
            return self.items
        return tuple(replace(item, terms=breaks.billed(item.terms, self.breaks)) for item in self.items)


def default_quantity(kind: str) -> Decimal:
    """What is agreed on of a charge that nobody named: one, and of usage nothing."""
    return Decimal(0) if kind == USAGE else Decimal(1)


def apply(contract: Contract, change: Change, at: datetime) -> Contract:
    """The contract as it would be with a change from an instant on, which may lie in the past.

    Args:
        contract: with an item, maybe without terms, for each charge code of the change's prices.
    """
    if change.cancel is not None:
        return _cancelled(contract, change.cancel, at)
    if change.pause is not None:
        return replace(contract, breaks=breaks.with_break(contract.breaks, Break(at, None, breaks.PAUSE)))
    if change.resume:
        return replace(contract, breaks=breaks.until(contract.breaks, at, breaks.PAUSE))
    if change.convert:
        items = tuple(replace(item, anchored_at=at) for item in contract.items)
        return replace(contract, items=items, breaks=breaks.until(contract.breaks, at, breaks.TRIAL))
    if change.align_at is not None:
        aligned = (replace(i, anchors=with_anchor(i.anchors, change.align_at, at)) for i in contract.items)
        return replace(contract, items=tuple(aligned))
    return replace(contract, items=tuple(_changed(item, change, at) for item in contract.items))


def _cancelled(contract: Contract, cancel: Cancel, at: datetime) -> Contract:
    """Every item ends; one more begins where ending before the minimum term costs something."""
    keep = not cancel.credit and breaks.reason_at(contract.breaks, at - _TICK) is None
    ended = tuple(
        replace(item, terms=tuple(_until(item.terms, _billed_until(item, at) if keep else at)))
        for item in contract.items
    )
    minimum = contract.minimum
    costs = charge_for(contract.items, ended, minimum, at) if minimum is not None else None
    return replace(
        contract,
        items=(*ended, costs) if costs is not None else ended,
        breaks=breaks.until(contract.breaks, at),
        minimum=None,
    )


def _billed_until(item: Item, at: datetime) -> datetime:
    """Up to where what holds just before an instant is billed in advance."""
    term = in_force(item.terms, at - _TICK)
    if term is None or term.price.kind != RECURRING or term.price.timing != ADVANCE:
        return at
    return next(item.cadence(term.price).spans_from(at - _TICK)).end


def _changed(item: Item, change: Change, at: datetime) -> Item:
    """An item with other quantities or prices from an instant on, in all that was agreed on for later too."""
    code = item.charge_code
    before, after = tuple(_until(item.terms, at)), tuple(_from(item.terms, at))
    given = change.quantities.get(code)
    if code in change.ends:
        return replace(item, terms=before)
    if code in change.prices:
        terms = _repriced(
            after, AgreedTerm(at, None, change.prices[code], ZERO, change.discounts.get(code, ZERO)), given
        )
        return replace(item, terms=(*before, *terms))
    if given is None:
        return item
    return replace(item, terms=(*before, *(replace(term, quantity=given) for term in after)))


def _repriced(after: Sequence[AgreedTerm], new: AgreedTerm, given: Decimal | None) -> list[AgreedTerm]:
    """A new price without end. A quantity that is not given is what it was, where it was of the same kind."""
    instants = sorted({new.start, *(term.start for term in after)})
    terms = []
    quantity = default_quantity(new.price.kind)
    for start, end in zip(instants, [*instants[1:], None], strict=True):
        held = in_force(after, start)
        if held is not None and held.price.kind == new.price.kind:
            quantity = held.quantity
        terms.append(replace(new, start=start, end=end, quantity=quantity if given is None else given))
    return terms


def in_force(terms: Sequence[AgreedTerm], at: datetime) -> AgreedTerm | None:
    """The term that holds at an instant."""
    return next((t for t in terms if t.start <= at and (t.end is None or at < t.end)), None)


def _until(terms: Sequence[AgreedTerm], at: datetime) -> Iterable[AgreedTerm]:
    for term in terms:
        if term.start < at:
            yield term if term.end is not None and term.end <= at else replace(term, end=at)


def _from(terms: Sequence[AgreedTerm], at: datetime) -> Iterable[AgreedTerm]:
    for term in terms:
        if term.end is None or term.end > at:
            yield replace(term, start=max(term.start, at))


def period_end(items: Iterable[Item], now: datetime, codes: Collection[str] | None = None) -> datetime | None:
    """The end of the current span; of several the one that ends last. None where nothing recurs.

    Args:
        codes: the charges that count; None for all. What recurs by price counts before usage.
    """
    named = [(item, in_force(item.terms, now)) for item in items if codes is None or item.charge_code in codes]
    held = [(item, term.price) for item, term in named if term is not None and term.price.interval is not None]
    counted = [(item, price) for item, price in held if price.kind == RECURRING] or held
    return max((next(item.cadence(price).spans_from(now)).end for item, price in counted), default=None)


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


def read_cancel(value: object, pointer: str, errors: list[FieldError]) -> Cancel | None:
    """Read an end: true, or `{"credit": false, "early": true}`; false is none.

    Codes: `boolean_expected`, `member_unknown`.
    """
    if value is True:
        return Cancel()
    if value is False:
        return None
    members = _object_or_boolean(value, pointer, errors)
    cancel = Cancel(members.boolean("credit", default=True), members.boolean("early", default=False))
    members.close()
    return cancel


def read_pause(value: object, pointer: str, errors: list[FieldError]) -> Pause | None:
    """Read a pause: true, or `{"until": instant}`; false is none.

    Codes: `boolean_expected`, `member_unknown`, `instant_malformed`.
    """
    if value is True:
        return Pause()
    if value is False:
        return None
    members = _object_or_boolean(value, pointer, errors)
    pause = Pause(members.instant("until") if members.has("until") else None)
    members.raw("until")
    members.close()
    return pause


def read_align(value: object, pointer: str, errors: list[FieldError]) -> date | None:
    """Read the day from which spans are counted anew: `{"on": "2026-03-01"}`.

    Codes: `object_expected`, `member_required`, `date_malformed`, `member_unknown`.
    """
    members = Members(value, pointer, errors)
    given = members.required("on")
    day = read_date(given)
    if given is not None and day is None:
        members.refuse("on", "date_malformed", "Write a day such as 2026-03-01.")
    members.close()
    return day


def _object_or_boolean(value: object, pointer: str, errors: list[FieldError]) -> Members:
    if not isinstance(value, Mapping):
        errors.append(FieldError(pointer, "boolean_expected", "This is true, false or an object."))
        return Members({}, pointer, [])
    return Members(value, pointer, errors)
