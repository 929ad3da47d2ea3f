"""What the pricing models share: their shape, the parts of an amount, their examples.

A model is a plugin of `billing.pricing`; `billing.price` reads it from JSON and puts around it what any usage price may
carry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from billing.members import Members
from billing.metered import Metered, Needs, plain
from core.decimals import format_decimal
from core.registry import plugins

FAMILY = "billing.pricing"

# JSON schema of a price or quantity, zero or more; a plugin's fragment refers to it.
DECIMAL_STRING: dict[str, Any] = {
    "type": "string",
    "pattern": r"^(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?$",
    "examples": ["0.25"],
}
# The same for what may be below zero.
SIGNED_STRING: dict[str, Any] = {**DECIMAL_STRING, "pattern": r"^-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?$"}

# JSON schema of a number of things; digits in a string are taken too.
COUNT: dict[str, Any] = {
    "oneOf": [
        {"type": "integer", "minimum": 0, "maximum": 10**9},
        {"type": "string", "pattern": "^(0|[1-9][0-9]{0,8})$"},
    ],
    "examples": [3],
}


@dataclass(frozen=True)
class Part:
    """One step of the calculation. `exact` is its amount in major units, unrounded.

    `quantity` and `unit_price` stand together; `flat_price` is what a tier costs when it is entered; `amount_price`
    is an amount that does not depend on the quantity. `more` has members of one model's own, as JSON values: a band's
    name, a rate.
    """

    exact: Decimal
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    flat_price: Decimal | None = None
    amount_price: Decimal | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The part as the API shows it, members that play no role left out."""
        members = {
            "quantity": self.quantity,
            "unit_price": self.unit_price,
            "flat_price": self.flat_price,
            "amount_price": self.amount_price,
            "exact": self.exact,
        }
        shown = {name: format_decimal(value) for name, value in members.items() if value is not None}
        return {**self.more, **shown}


class Model(Protocol):
    """What a pricing model reads from its members: a price without the members that any usage price may carry."""

    @property
    def needs(self) -> Needs:
        """What it must be told of the usage."""

    def rate(self, metered: Metered) -> list[Part]:
        """Price usage, exactly; its quantity is zero or more.

        Raises:
            Refused: this usage has no price here.
        """


@dataclass(frozen=True)
class Example:
    """What a model makes of usage, worked out by hand: each example is a contract test and documentation.

    Args:
        quantity: a bare quantity; None where `metered` says more.
    """

    why: str
    price: Mapping[str, Any]
    quantity: str | None
    exact: str
    parts: Sequence[Mapping[str, Any]]
    metered: Metered | None = None

    @property
    def usage(self) -> Metered:
        """What is priced."""
        if self.metered is not None:
            return self.metered
        assert self.quantity is not None  # an example has one or the other
        return plain(Decimal(self.quantity))


@dataclass(frozen=True)
class BadExample:
    """A price that a model refuses, with the code and the pointer of the first error."""

    why: str
    price: Mapping[str, Any]
    code: str
    pointer: str


@dataclass(frozen=True)
class BadUsage:
    """Usage that a sound price has no amount for, with the code it is refused with."""

    why: str
    price: Mapping[str, Any]
    metered: Metered
    code: str


@dataclass(frozen=True)
class PricingModel:
    """A plugin of the family `billing.pricing`: one file, `PLUGIN` in it.

    Args:
        name: the word in `model`.
        summary: one sentence for the API description.
        members: JSON schema of the model's own members.
        required: those of them that are needed.
        parse: reads the members; `model` has been read and unknown members are refused by the caller.
        examples: usage and what it costs.
        refusals: prices that are not sound.
        no_price: usage that is refused.
    """

    name: str
    summary: str
    members: Mapping[str, Any]
    required: Sequence[str]
    parse: Callable[[Members], Model]
    examples: Sequence[Example]
    refusals: Sequence[BadExample]
    no_price: Sequence[BadUsage] = ()

    def schema(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON schema of a price of this model; `more` has the members that any price may carry."""
        return {
            "type": "object",
            "title": self.name,
            "description": self.summary,
            "properties": {"model": {"type": "string", "enum": [self.name]}, **self.members, **more},
            "required": ["model", *self.required],
            "additionalProperties": False,
        }


def models() -> dict[str, PricingModel]:
    """Every pricing model, by name."""
    return plugins(FAMILY)


def read_model(members: Members) -> Model | None:
    """Read `model` and its own members; what is wrong is added to the errors, and None tells that it cannot be told.

    Codes: `pricing_model_unknown`, `member_required`, and those of the model.
    """
    name = members.required("model")
    model = models().get(name) if isinstance(name, str) else None
    if model is None:
        if name is not None:
            members.refuse("model", "pricing_model_unknown", f"Known pricing models: {', '.join(models())}.")
        return None
    return model.parse(members)
