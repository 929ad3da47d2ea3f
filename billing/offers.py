"""How plans go together: base plans, add-ons and bundles, and what of it may not stand on one subscription.

The charge codes of a subscription are its items: two plans that stand on it together must not share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.changes import default_quantity
from billing.items import RECURRING, USAGE, ZERO
from billing.plan_prices import PlanPrice, read_prices
from core.decimals import format_decimal
from core.errors import FieldError

BASE, ADD_ON, BUNDLE = "base", "add_on", "bundle"
KINDS = (BASE, ADD_ON, BUNDLE)
# What a plan version is to a subscription: its own, contained in its bundle, or added to it.
OWN, COMPONENT = "own", "component"
COMPONENTS_MOST, ADD_ONS_MOST, BASE_PLANS_MOST = 20, 50, 100


@dataclass(frozen=True)
class Charged:
    """A charge of a plan version, as far as plans have to fit together. `currencies` are those it has a price in."""

    charge_code: str
    kind: str
    currencies: frozenset[str]


@dataclass(frozen=True)
class Part:
    """A plan version on a subscription, or wanted on it.

    Args:
        role: `own`, `component` or `add_on`.
        quantities: agreed or wanted, by charge code; what is not named is one.
        discount: per cent that its charges are reduced by, but for usage.
        pointer: where in the body it was asked for.
    """

    role: str
    plan_id: UUID
    version_id: UUID
    charges: Sequence[Charged]
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    discount: Decimal = ZERO
    pointer: str = ""

    @property
    def agreed(self) -> dict[str, Decimal]:
        """The quantity of every charge of it."""
        return {c.charge_code: self.quantities.get(c.charge_code, default_quantity(c.kind)) for c in self.charges}

    def off(self, kind: str) -> Decimal:
        """The per cent that is taken off a charge of a kind: what is used is paid as its plan says."""
        return ZERO if kind == USAGE else self.discount


@dataclass(frozen=True)
class AddOnRules:
    """Where an add-on may be added, and how often.

    Args:
        base_plans: the plans that it goes with; none named, all of them.
        least, most: bounds of the quantities of its recurring charges; None is no bound.
        group: a subscription has at most one add-on of it.
    """

    base_plans: frozenset[UUID] = frozenset()
    least: Decimal | None = None
    most: Decimal | None = None
    group: str | None = None

    @property
    def quantity(self) -> Mapping[str, Decimal | None]:
        """The bounds, as the API shows them."""
        return {"least": self.least, "most": self.most}

    @property
    def usual(self) -> Decimal:
        """How many of it there are when nobody says: one, or the bound that is nearest to it."""
        one = Decimal(1)
        if self.least is not None and self.least > one:
            return self.least
        return self.most if self.most is not None and self.most < one else one


def out_of_bounds(
    rules: AddOnRules, charges: Iterable[Charged], quantities: Mapping[str, Decimal], pointers: Mapping[str, str]
) -> list[FieldError]:
    """Quantities of recurring charges that an add-on's rules do not allow: `quantity_below_least`,
    `quantity_above_most`.

    Args:
        quantities: those to look at, by charge code.
        pointers: where each was given.
    """
    errors: dict[str, FieldError] = {}
    for charge in charges:
        quantity = quantities.get(charge.charge_code)
        if charge.kind != RECURRING or quantity is None:
            continue
        at = pointers[charge.charge_code]
        if rules.least is not None and quantity < rules.least:
            detail = f"Of this add-on there are at least {format_decimal(rules.least)}."
            errors[at] = FieldError(at, "quantity_below_least", detail)
        elif rules.most is not None and quantity > rules.most:
            detail = f"Of this add-on there are at most {format_decimal(rules.most)}."
            errors[at] = FieldError(at, "quantity_above_most", detail)
    return list(errors.values())


def collisions(parts: Iterable[Part]) -> list[FieldError]:
    """Charge codes that two parts share, each told at the later part: `charge_code_collision`."""
    seen: dict[str, Part] = {}
    errors = []
    for part in parts:
        shared = [c.charge_code for c in part.charges if c.charge_code in seen]
        if shared:
            detail = f"Another plan of it has the charge code {', '.join(shared)} too; one subscription bills it once."
            errors.append(FieldError(part.pointer, "charge_code_collision", detail))
        seen |= {c.charge_code: part for c in part.charges}
    return errors


def lacks(part: Part, currency: str) -> bool:
    """Whether a part has a charge without a price in a currency."""
    return any(currency not in charge.currencies for charge in part.charges)


def wrong_quantities(charges: Iterable[Charged], quantities: Mapping[str, Decimal], pointer: str) -> list[FieldError]:
    """Quantities that are not for a charge that has one: `charge_code_unknown`, `quantity_not_allowed`,
    `quantity_negative`.
    """
    kinds = {charge.charge_code: charge.kind for charge in charges}
    errors = []
    for code, quantity in quantities.items():
        at = f"{pointer}/{code.replace('~', '~0').replace('/', '~1')}"
        if code not in kinds:
            known = ", ".join(kinds)
            errors.append(FieldError(at, "charge_code_unknown", f"This plan has the charge codes {known}."))
        elif kinds[code] == USAGE:
            errors.append(FieldError(at, "quantity_not_allowed", "Usage is metered; it has no ordered quantity."))
        elif quantity < 0:
            errors.append(FieldError(at, "quantity_negative", "A quantity is zero or more."))
    return errors


def read_own_prices(value: object, pointer: str, errors: list[FieldError]) -> tuple[PlanPrice, ...]:
    """Read the prices of a version. An empty list is read too, since a bundle may live on its components' prices."""
    if value == []:
        return ()
    return read_prices(value, pointer, errors)


def common_currencies(currencies: Sequence[frozenset[str]]) -> frozenset[str]:
    """Those that all of several price lists cover; none of no lists."""
    return frozenset.intersection(*currencies) if currencies else frozenset()


def as_charged(prices: Iterable[Any]) -> tuple[Charged, ...]:
    """Prices, read or stored, as far as plans have to fit together."""
    return tuple(Charged(price.charge_code, price.kind, frozenset(price.currencies)) for price in prices)
