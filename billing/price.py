"""A price maps a quantity to an amount: what the pricing models share, and the way in from JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from billing.members import Members, refuse_all
from core.decimals import format_decimal
from core.errors import FieldError, Refused
from core.registry import plugins

FAMILY = "billing.pricing"

# JSON schema of a price or quantity, zero or more; a plugin's fragment refers to it.
DECIMAL_STRING: dict[str, Any] = {
    "type": "string",
    "pattern": r"^(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?$",
    "examples": ["0.25"],
}


@dataclass(frozen=True)
class Part:
    """One step of the calculation. `exact` is its amount in major units, unrounded.

    `quantity` and `unit_price` stand together; `flat_price` is what a tier costs when it is entered; `amount_price`
    is an amount that does not depend on the quantity.
    """

    exact: Decimal
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    flat_price: Decimal | None = None
    amount_price: Decimal | None = None

    def as_json(self) -> dict[str, str]:
        """The part as the API shows it, members that play no role left out."""
        members = {
            "quantity": self.quantity,
            "unit_price": self.unit_price,
            "flat_price": self.flat_price,
            "amount_price": self.amount_price,
            "exact": self.exact,
        }
        return {name: format_decimal(value) for name, value in members.items() if value is not None}


class Price(Protocol):
    """A price that was read and found sound."""

    @property
    def needs_quantity(self) -> bool:
        """Whether the amount depends on the quantity."""

    def rate(self, quantity: Decimal) -> list[Part]:
        """Price a quantity, exactly. Called through `rate`, which refuses negative quantities."""


@dataclass(frozen=True)
class Example:
    """What a model makes of a quantity, worked out by hand: each example is a contract test and documentation."""

    why: str
    price: Mapping[str, Any]
    quantity: str
    exact: str
    parts: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class BadExample:
    """A price that a model refuses, with the code and the pointer of the first error."""

    why: str
    price: Mapping[str, Any]
    code: str
    pointer: str


@dataclass(frozen=True)
class PricingModel:
    """A plugin of the family `billing.pricing`: one file, `PLUGIN` in it.

    Args:
        name: the word in `model`.
        summary: one sentence for the API description.
        members: JSON schema of the model's own members.
        required: those of them that are needed.
        parse: reads the members; `model` has been read and unknown members are refused by the caller.
    """

    name: str
    summary: str
    members: Mapping[str, Any]
    required: Sequence[str]
    parse: Callable[[Members], Price]
    examples: Sequence[Example]
    refusals: Sequence[BadExample]

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a price of this model."""
        return {
            "type": "object",
            "title": self.name,
            "description": self.summary,
            "properties": {"model": {"type": "string", "enum": [self.name]}, **self.members},
            "required": ["model", *self.required],
            "additionalProperties": False,
        }


def models() -> dict[str, PricingModel]:
    """Every pricing model, by name."""
    return plugins(FAMILY)


def schema() -> dict[str, Any]:
    """The JSON schema of any price."""
    return {"oneOf": [model.schema() for model in models().values()]}


def read_price(value: object, pointer: str, errors: list[FieldError]) -> Price | None:
    """Read a price; what is wrong is added to `errors`, and None tells that the model could not be told.

    Codes: `pricing_model_unknown`, `member_required`, `member_unknown`, `decimal_string_expected`,
    `decimal_negative`, and those of the model.
    """
    members = Members(value, pointer, errors)
    if not isinstance(value, Mapping):
        return None
    name = members.required("model")
    model = models().get(name) if isinstance(name, str) else None
    if model is None:
        if name is not None:
            members.refuse("model", "pricing_model_unknown", f"Known pricing models: {', '.join(models())}.")
        return None
    price = model.parse(members)
    members.close()
    return price


def parse_price(value: object, pointer: str = "") -> Price:
    """Read a price, or raise one `Invalid` that names every wrong member."""
    errors: list[FieldError] = []
    price = read_price(value, pointer, errors)
    refuse_all(errors)
    assert price is not None  # no price without an error
    return price


def rate(price: Price, quantity: Decimal) -> list[Part]:
    """Price the quantity of a whole span.

    Args:
        quantity: billable units, zero or more.

    Returns:
        The parts in order; their `exact` add up to the amount. The caller rounds once per line.

    Raises:
        Refused: `quantity_negative`. A credit is a line of its own, never negative usage.
    """
    if quantity < 0:
        raise Refused("quantity_negative", "A quantity is zero or more.")
    return price.rate(quantity)
