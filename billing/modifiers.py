"""The members that any usage price may carry, whatever its model, and what each does to usage or to the amount.

They act in this order: multiplier (per piece), rounding, included, commitment, model, minimum, maximum. `included`,
commitment, minimum and maximum are for a full span and scale with the share of it that is billed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from billing.members import ZERO, Members
from billing.metered import NOTHING, Metered, Needs, Piece
from billing.pricing_model import DECIMAL_STRING, Model, Part, models, read_model
from billing.proration import Share, scaled_amount, scaled_quantity
from core.decimals import EXACT, format_decimal

ONE = Decimal(1)
MODES = ("up", "nearest", "down")
NAMES = (
    "multiplier",
    "round_quantity",
    "included",
    "commitment",
    "minimum_amount_price",
    "maximum_amount_price",
)


@dataclass(frozen=True)
class Rounding:
    """Round the quantity of a span to a multiple of `to`."""

    mode: str
    to: Decimal

    def of(self, quantity: Decimal) -> Decimal:
        """The multiple; a half goes up."""
        whole, rest = EXACT.divide_int(quantity, self.to), EXACT.remainder(quantity, self.to)
        up = rest > 0 and (self.mode == "up" or (self.mode == "nearest" and EXACT.add(rest, rest) >= self.to))
        return EXACT.multiply(EXACT.add(whole, ONE) if up else whole, self.to)


@dataclass(frozen=True)
class Commitment:
    """Up to a quantity the price applies, for all of it when `take_or_pay`; above it `overage`."""

    quantity: Decimal
    overage: Model
    take_or_pay: bool


@dataclass(frozen=True)
class Modifiers:
    """The members, each absent by default."""

    multiplier: Decimal = ONE
    rounding: Rounding | None = None
    included: Decimal = ZERO
    commitment: Commitment | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None

    @property
    def needs(self) -> Needs:
        """What the overage must be told of the usage."""
        return self.commitment.overage.needs if self.commitment else NOTHING


NONE = Modifiers()


def before_model(modifiers: Modifiers, metered: Metered, steps: list[dict[str, str]]) -> Metered:
    """Multiplier, rounding and included quantity; each that changes something is noted in `steps`."""
    if modifiers.multiplier != ONE:
        metered = metered.changed(lambda p: replace(p, quantity=EXACT.multiply(p.quantity, modifiers.multiplier)))
        steps.append(_step("multiplier", metered.total, factor=modifiers.multiplier))
    if modifiers.rounding is not None:
        metered = _rounded(metered, modifiers.rounding.of(metered.total))
        steps.append(_step("round_quantity", metered.total, to=modifiers.rounding.to))
    if modifiers.included:
        included = scaled_quantity(modifiers.included, metered.share)
        metered = metered.after(included, passing=True)
        steps.append(_step("included", metered.total, included=included))
    return metered


def _rounded(metered: Metered, total: Decimal) -> Metered:
    """The same usage with another total: what is rounded away was used last, what is added goes to the last piece."""
    if total <= metered.total:
        return metered.first(total) if total < metered.total else metered
    more = EXACT.subtract(total, metered.total)
    last = metered.pieces[-1] if metered.pieces else Piece(ZERO)
    return replace(metered, pieces=(*metered.pieces[:-1], replace(last, quantity=EXACT.add(last.quantity, more))))


def committed_parts(commitment: Commitment, model: Model, metered: Metered, steps: list[dict[str, str]]) -> list[Part]:
    """The committed quantity by the price, what lies above it by the overage's.

    The event that passes it is one event and pays one fixed price: that of the overage if it looks at events.
    """
    quantity, passing = scaled_quantity(commitment.quantity, metered.share), commitment.overage.needs.events
    within, above = metered.first(quantity, passing=not passing), metered.after(quantity, passing=passing)
    unused = EXACT.subtract(quantity, within.total)
    if commitment.take_or_pay and unused > 0:
        within = within.grown(unused)
    steps.append(_step("commitment", within.total, committed=quantity, overage=above.total))
    parts = model.rate(within)
    if above.total > 0:
        parts += [replace(p, more={**p.more, "overage": True}) for p in commitment.overage.rate(above)]
    return parts


def after_model(modifiers: Modifiers, total: Decimal, share: Share) -> list[Part]:
    """The parts that lift an amount to the minimum, or bring it down to the maximum."""
    parts = []
    if modifiers.minimum is not None:
        least = scaled_amount(modifiers.minimum, share)
        if total < least:
            parts.append(_lift("minimum_amount_price", modifiers.minimum, EXACT.subtract(least, total)))
            total = least
    if modifiers.maximum is not None:
        most = scaled_amount(modifiers.maximum, share)
        if total > most:
            parts.append(_lift("maximum_amount_price", modifiers.maximum, EXACT.subtract(most, total)))
    return parts


def _lift(name: str, bound: Decimal, exact: Decimal) -> Part:
    return Part(exact, more={name: format_decimal(bound)})


def _step(name: str, quantity: Decimal, **values: Decimal) -> dict[str, str]:
    return {
        "step": name,
        **{key: format_decimal(value) for key, value in values.items()},
        "quantity": format_decimal(quantity),
    }


def read_modifiers(members: Members) -> Modifiers:
    """Read the members; what is wrong is added to the errors.

    Codes beside those of members: `maximum_below_minimum`, and those of a price for the overage.
    """
    minimum = members.decimal("minimum_amount_price") if members.has("minimum_amount_price") else None
    maximum = members.decimal("maximum_amount_price") if members.has("maximum_amount_price") else None
    if minimum is not None and maximum is not None and maximum < minimum:
        members.refuse("maximum_amount_price", "maximum_below_minimum", "The maximum is the minimum or more.")
    found = Modifiers(
        multiplier=members.decimal("multiplier", default=ONE),
        rounding=_rounding(members),
        included=members.decimal("included", default=ZERO),
        commitment=_commitment(members),
        minimum=minimum,
        maximum=maximum,
    )
    for name in NAMES:
        members.raw(name)  # an explicit null is an absent member
    return found


def _rounding(members: Members) -> Rounding | None:
    if not members.has("round_quantity"):
        return None
    inner = members.child("round_quantity")
    rounding = Rounding(inner.choice("mode", MODES), inner.decimal("to", default=ONE, sign="positive"))
    inner.close()
    return rounding


def _commitment(members: Members) -> Commitment | None:
    if not members.has("commitment"):
        return None
    inner = members.child("commitment")
    quantity, take_or_pay = inner.decimal("quantity", sign="positive"), inner.boolean("take_or_pay", default=False)
    overage = inner.child("overage")
    model = read_model(overage) if inner.has("overage") else None
    if model is not None and model.needs.draws:
        overage.refuse("model", "model_needs_recurring", "Only a recurring price is of this model.")
    overage.close()
    inner.close()
    return Commitment(quantity, model, take_or_pay) if model is not None else None


def schema() -> dict[str, Any]:
    """The JSON schema of each member."""
    quantity = {**DECIMAL_STRING, "description": "The committed quantity of a full span.", "examples": ["7440"]}
    return {
        "multiplier": {**DECIMAL_STRING, "description": "Usage is multiplied by it: a PUE.", "examples": ["1.4"]},
        "round_quantity": {
            "type": "object",
            "description": "The span's quantity is rounded to a multiple of `to`.",
            "properties": {"mode": {"type": "string", "enum": list(MODES)}, "to": DECIMAL_STRING},
            "required": ["mode"],
            "additionalProperties": False,
        },
        "included": {**DECIMAL_STRING, "description": "A quantity that is free, used up first.", "examples": ["100"]},
        "commitment": {
            "type": "object",
            "description": "Up to the quantity the price applies, to all of it with `take_or_pay`; above it `overage`.",
            "properties": {
                "quantity": quantity,
                "overage": {"oneOf": [model.schema({}) for model in models().values()]},
                "take_or_pay": {"type": "boolean", "default": False},
            },
            "required": ["quantity", "overage"],
            "additionalProperties": False,
        },
        "minimum_amount_price": {**DECIMAL_STRING, "description": "The least that a full span costs."},
        "maximum_amount_price": {**DECIMAL_STRING, "description": "The most that a full span costs."},
    }
