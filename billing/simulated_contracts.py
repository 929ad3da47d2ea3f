"""What-if, the contract: what a subscription would have been at other prices, cut to some months.

A contract is tried as if it had been on the other prices since its beginning: what was agreed of a charge stays, its
quantities, pauses and end included; its price is another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from billing import breaks
from billing.breaks import Break
from billing.changes import default_quantity, in_force
from billing.items import ONE_OFF, USAGE, ZERO, AgreedTerm, Item, PriceTerms
from billing.periods import add_months, day_start
from core.period import Period

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Months:
    """Whole calendar months, each named by its first day; the last one counts too."""

    first: date
    last: date

    def period(self, time_zone: str) -> Period:
        """The months on the calendar of a zone."""
        return Period(day_start(self.first, time_zone), day_start(add_months(self.last, 1), time_zone))


@dataclass(frozen=True)
class Tried:
    """The prices that are tried, in one currency.

    Args:
        plan_id: whose they are; None for a list that belongs to no plan.
        prices: by charge code.
        quantities: of charges that a contract does not have, by charge code; of usage, what is used in a whole span.
        charges_from: charges whose quantity or usage is that of another charge of the contract, by charge code.
        discounts: per cent that is taken off, by charge code.
        add_on: whether they are for those alone who have this add-on.
    """

    plan_id: UUID | None
    prices: Mapping[str, PriceTerms]
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    charges_from: Mapping[str, str] = field(default_factory=dict)
    discounts: Mapping[str, Decimal] = field(default_factory=dict)
    add_on: bool = False


@dataclass(frozen=True)
class Obstacle:
    """Why a subscription cannot be priced; `charge_code` is None where all of it cannot."""

    charge_code: str | None
    code: str
    detail: str


@dataclass(frozen=True)
class Case:
    """A subscription that is tried.

    Args:
        period: the months, in its zone.
        tried, part: which prices are tried, and on how much of it.
        current: its items with what was billed on them, cut to the months.
        retried: the items that it would have, cut to the months; what stays as it is is left out.
        unknown: charges among `retried` whose usage nothing tells but events with the subscription's id.
        assumed: what is used in a whole span of them, by charge code.
    """

    subscription_id: UUID
    currency: str
    time_zone: str
    period: Period
    tried: Tried
    part: bool
    current: tuple[Item, ...]
    retried: tuple[Item, ...]
    unknown: frozenset[str] = frozenset()
    assumed: Mapping[str, Decimal] = field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def read(self) -> tuple[Item, ...]:
        """The items whose usage has to be read."""
        return (*self.current, *(item for item in self.retried if item.charge_code not in self.assumed))


def case(
    items: Sequence[Item], off: Sequence[Break], tried: Tried, months: Months, closed: datetime, *, part: bool = False
) -> Case:
    """A subscription as it is tried.

    Args:
        items: all of it, with terms as agreed, and with the claims that overlap the months.
        off: when nothing is billed.
        closed: usage up to then is known.
        part: only what is on the subscription of this very plan gets other prices: an add-on, or what a bundle
            contains. Else all does but its add-ons.
    """
    first = items[0]
    period = months.period(first.time_zone)
    made, unknown, obstacles = _retried(items, tried, part)
    assumed = {code: tried.quantities[code] for code in unknown if code in tried.quantities}

    def cut(some: Iterable[Item]) -> tuple[Item, ...]:
        billed = (replace(item, terms=breaks.billed(item.terms, off)) for item in some)
        found = (_cut(item, period, closed) for item in billed)
        return tuple(item for item in found if item.terms or item.claims)

    return Case(
        subscription_id=first.subscription_id,
        currency=next(iter(tried.prices.values())).currency,
        time_zone=first.time_zone,
        period=period,
        tried=tried,
        part=part,
        current=cut(items),
        retried=cut(made),
        unknown=frozenset(unknown) - assumed.keys(),
        assumed=assumed,
        obstacles=obstacles,
    )


def gives_way(price: PriceTerms, tried: Tried, part: bool) -> bool:
    """Whether a price of a contract gives way to those that are tried. What one customer alone pays for stays."""
    if part:
        return price.plan_id is not None and price.plan_id == tried.plan_id
    return price.version_id is not None and not price.add_on


def _replaced(items: Iterable[Item], tried: Tried, part: bool) -> list[Item]:
    return [item for item in items if any(gives_way(term.price, tried, part) for term in item.terms)]


def _retried(
    items: Sequence[Item], tried: Tried, part: bool
) -> tuple[list[Item], frozenset[str], tuple[Obstacle, ...]]:
    """The items at other prices, the charge codes of those whose usage nothing of the contract tells, and obstacles."""
    if tried.add_on and not part:
        return [], frozenset(), (Obstacle(None, "add_on_not_there", "This add-on is not on the subscription."),)
    gone = {item.charge_code: item for item in _replaced(items, tried, part)}
    replaced = [term for item in gone.values() for term in item.terms if gives_way(term.price, tried, part)]
    kept = {item.charge_code for item in items} - gone.keys()
    made: list[Item] = []
    unknown: set[str] = set()
    obstacles: list[Obstacle] = []
    for code, price in tried.prices.items():
        if code in kept:
            detail = "Something that would stay on the subscription has this charge code too."
            obstacles.append(Obstacle(code, "charge_code_collision", detail))
            continue
        source = gone.get(_source(code, price, gone.values(), tried))
        if price.kind == USAGE and (source is None or not _metered(source)):
            unknown.add(code)
        made.append(_item(items[0], code, price, source, replaced, tried, part))
    return made, frozenset(unknown), tuple(obstacles)


def _source(code: str, price: PriceTerms, gone: Iterable[Item], tried: Tried) -> str:
    """The charge code whose quantity and usage a charge goes on with: its own, that of the only other charge that
    counts by the same meter, or what was said.
    """
    if code in tried.charges_from:
        return tried.charges_from[code]
    codes = {item.charge_code for item in gone}
    if code in codes or price.meter is None:
        return code
    alike = [
        item.charge_code
        for item in gone
        if item.charge_code not in tried.prices
        and any(t.price.meter is not None and t.price.meter.meter_id == price.meter.meter_id for t in item.terms)
    ]
    return alike[0] if len(alike) == 1 else code


def _metered(item: Item) -> bool:
    return any(term.price.kind == USAGE for term in item.terms)


def _item(
    first: Item,
    code: str,
    price: PriceTerms,
    source: Item | None,
    replaced: Sequence[AgreedTerm],
    tried: Tried,
    part: bool,
) -> Item:
    """One charge at the price that is tried, over all the time that the contract had what it takes the place of."""
    life = _life(replaced)
    held = [t for t in source.terms if gives_way(t.price, tried, part)] if source is not None else []
    given = tried.quantities.get(code, default_quantity(price.kind))
    if held:
        life = _ended(life, held, replaced)
    terms = tuple(_terms(price, held, life, given, None if part else tried.discounts.get(code, ZERO)))
    if source is not None:
        return replace(source, charge_code=code, terms=terms, claims=())
    # Nothing is assigned to it: any id will do that no other item has.
    fresh = UUID(int=price.price_id.int ^ first.subscription_id.int)
    return replace(first, item_id=fresh, charge_code=code, terms=terms, claims=(), usage_zone=None)


def _terms(
    price: PriceTerms,
    held: Sequence[AgreedTerm],
    life: Sequence[tuple[datetime, datetime | None]],
    given: Decimal,
    discount: Decimal | None,
) -> Iterator[AgreedTerm]:
    """What was agreed of a charge, at another price; where nothing was, in a given quantity.

    Args:
        held: what was agreed of the charge.
        life: the stretches in which it is charged.
        discount: None for the one that it has.
    """
    alike = [term for term in held if term.price.kind == price.kind]
    if price.kind == ONE_OFF and alike:
        life = [(alike[0].start, alike[-1].end)]  # due once, when it was
    for start, end in life:
        turning = {i for t in alike for i in (t.start, t.end) if i is not None}
        inner = sorted(i for i in turning if i > start and (end is None or i < end))
        for here, until in zip([start, *inner], [*inner, end], strict=True):
            term = in_force(alike, here)
            off = term.discount if discount is None and term is not None else discount or ZERO
            yield AgreedTerm(
                here,
                until,
                price,
                given if term is None else term.quantity,
                ZERO if price.kind == USAGE else off,
            )


def _life(terms: Iterable[AgreedTerm]) -> list[tuple[datetime, datetime | None]]:
    """The stretches that terms cover together, in order."""
    found: list[tuple[datetime, datetime | None]] = []
    for term in sorted(terms, key=lambda t: t.start):
        before = found[-1] if found else None
        if before is not None and (before[1] is None or term.start <= before[1]):
            end = None if before[1] is None or term.end is None else max(before[1], term.end)
            found[-1] = (before[0], end)
        else:
            found.append((term.start, term.end))
    return found


def _ended(
    life: Sequence[tuple[datetime, datetime | None]], held: Sequence[AgreedTerm], replaced: Iterable[AgreedTerm]
) -> list[tuple[datetime, datetime | None]]:
    """The life of a charge that a contract has: it ends with it, unless the contract went on with other prices then.

    What is billed in advance may outlive the usage of a contract that has ended.
    """
    last = held[-1].end
    if last is None or any(term.start >= last for term in replaced):
        return list(life)
    return [(start, last if end is None else min(end, last)) for start, end in life if start < last]


def _cut(item: Item, period: Period, closed: datetime) -> Item:
    """An item with those spans alone that overlap the months; usage that is still to come is left out."""
    terms = (_cut_term(item, term, period, closed) for term in item.terms)
    claims = tuple(claim for claim in item.claims if claim.span.intersect(period))
    return replace(item, terms=tuple(term for term in terms if term is not None), claims=claims)


def _cut_term(item: Item, term: AgreedTerm, period: Period, closed: datetime) -> AgreedTerm | None:
    if term.price.kind == ONE_OFF:
        return term if term.start < period.end else None  # it is due at its very beginning, never later
    cadence = item.cadence(term.price)
    start = next(cadence.spans_from(period.start)).start
    end = next(cadence.spans_from(period.end - _TICK)).end
    if term.price.kind == USAGE and end > closed:
        end = period.end
    start, end = max(start, term.start), end if term.end is None else min(end, term.end)
    return replace(term, start=start, end=end) if start < end else None
