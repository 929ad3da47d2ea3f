"""Which plan versions a change of contract puts on a subscription and takes off it, and what that does to its items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from billing.changes import in_force
from billing.items import USAGE, ZERO, Item, PriceTerms
from billing.offers import ADD_ON, OWN, Part, collisions, wrong_quantities
from core.errors import FieldError


@dataclass(frozen=True)
class PartsChange:
    """What changes of the plans of a subscription.

    Args:
        offer: another plan with what it contains, in place of the own one and what that contains; add-ons stay.
        adds: add-ons that come.
        removes: the plans of add-ons that go.
        moves: versions of components or add-ons, each in place of the one of the same plan.
        instead_of: the own plan that `offer` was meant to take the place of; None for whichever there is by then.
    """

    offer: tuple[Part, ...] = ()
    adds: tuple[Part, ...] = ()
    removes: frozenset[UUID] = frozenset()
    moves: tuple[Part, ...] = ()
    instead_of: UUID | None = None

    @property
    def new(self) -> tuple[Part, ...]:
        """What stands on the subscription that did not before."""
        return (*self.offer, *self.moves, *self.adds)

    @property
    def whole(self) -> bool:
        """Whether it is about the subscription as a whole, not about one add-on or component alone."""
        return bool(self.offer or self.adds)

    @property
    def gone(self) -> frozenset[UUID]:
        """The plans whose part is taken off, or replaced by another version."""
        return self.removes | {part.plan_id for part in self.moves}

    def kept(self, standing: Iterable[Part]) -> tuple[Part, ...]:
        """What stays as it is of what stands on a subscription."""
        return tuple(
            part for part in standing if part.plan_id not in self.gone and not (self.offer and part.role != ADD_ON)
        )

    def after(self, standing: Sequence[Part]) -> tuple[Part, ...]:
        """What stands on a subscription with the change: what stays first."""
        were = {part.plan_id: part for part in standing}
        moved = (
            replace(part, role=were[part.plan_id].role, discount=were[part.plan_id].discount)
            for part in self.moves
            if part.plan_id in were
        )
        return (*self.kept(standing), *self.offer, *moved, *self.adds)


def unfit(standing: Sequence[Part], change: PartsChange, quantities: Mapping[str, Decimal]) -> list[FieldError]:
    """Why a change cannot be made on what stands on a subscription.

    Codes: `add_on_not_there`, `plan_not_there`, `add_on_present`, `charge_code_collision`, and those of quantities.
    """
    add_ons = {part.plan_id for part in standing if part.role == ADD_ON}
    there = {part.plan_id for part in standing}
    errors = [
        FieldError("/add_ons/remove", "add_on_not_there", "This add-on is not on the subscription.")
        for plan_id in sorted(change.removes - add_ons)
    ]
    errors += [
        FieldError("/plan", "plan_not_there", "The plan to move to another version of is not on the subscription.")
        for part in change.moves
        if part.plan_id not in there
    ]
    if change.instead_of is not None and change.instead_of != next(p.plan_id for p in standing if p.role == OWN):
        errors.append(FieldError("/plan", "plan_not_there", "The subscription is on another plan by now."))
    errors += [
        FieldError(part.pointer, "add_on_present", "It is there already; change its quantities instead.")
        for part in change.adds
        if part.plan_id in there - change.gone
    ]
    after = change.after(standing)
    known = [charge for part in after if part not in change.adds for charge in part.charges]
    return errors + collisions(after) + wrong_quantities(known, quantities, "/quantities")


def ended(items: Iterable[Item], change: PartsChange) -> Iterator[str]:
    """The charges that end: of what is replaced or taken off, those that nothing new has. Charges that were put on by
    hand belong to no plan and stay.
    """
    named = {charge.charge_code for part in change.new for charge in part.charges}
    for item in items:
        price = item.terms[-1].price if item.terms else None
        if price is None or price.version_id is None or item.charge_code in named:
            continue
        if price.plan_id in change.gone or (change.offer and not price.add_on):
            yield item.charge_code


def given(
    items: Iterable[Item], change: PartsChange, quantities: Mapping[str, Decimal], at: datetime
) -> dict[str, Decimal]:
    """The quantities that a change sets: what add-ons are ordered in, what a bundle holds of charges that are new, and
    what was asked for. Every other charge keeps its own.
    """
    held = {item.charge_code: _held(item, at) for item in items}
    found: dict[str, Decimal] = {}
    for part in (*change.offer, *change.moves):
        kinds = {charge.charge_code: charge.kind for charge in part.charges}
        for code, quantity in part.quantities.items():
            before = held.get(code)
            if before is None or before.kind != kinds[code]:
                found[code] = quantity
    for part in change.adds:
        found |= part.agreed
    return {**found, **quantities}


def discounts(items: Sequence[Item], change: PartsChange, at: datetime) -> dict[str, Decimal]:
    """The discount of each new charge, by charge code; a part that moves to another version keeps its own."""
    found = {c.charge_code: part.off(c.kind) for part in change.offer for c in part.charges}
    for part in change.moves:
        kept = next((d for d in (_discount(item, part.plan_id, at) for item in items) if d is not None), ZERO)
        found |= {c.charge_code: replace(part, discount=kept).off(c.kind) for c in part.charges}
    return found


def _held(item: Item, at: datetime) -> PriceTerms | None:
    term = in_force(item.terms, at)
    return None if term is None else term.price


def _discount(item: Item, plan_id: UUID, at: datetime) -> Decimal | None:
    term = in_force(item.terms, at)
    if term is None or term.price.plan_id != plan_id or term.price.kind == USAGE:
        return None
    return term.discount
