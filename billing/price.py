"""A price maps usage to an amount: a model, with the members around it that any usage price may carry."""

from __future__ import annotations

import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from billing.members import Members, refuse_all
from billing.metered import Metered, Needs
from billing.modifiers import NAMES, NONE, Modifiers, after_model, before_model, committed_parts, read_modifiers
from billing.modifiers import schema as modifiers_schema
from billing.pricing_model import Model, Part, models, read_model
from core.decimals import exact_sum
from core.errors import FieldError, Refused

ZERO = Decimal(0)


@dataclass(frozen=True)
class Rating:
    """An amount and how it came about.

    Args:
        parts: in order; their `exact` add up to the amount.
        steps: what became of the quantity before the model saw it, as JSON values.
    """

    parts: Sequence[Part]
    steps: Sequence[Mapping[str, str]] = ()

    @property
    def total(self) -> Decimal:
        """The exact amount, in major units. The caller rounds once per line."""
        return total_of(self.parts)


@dataclass(frozen=True)
class Price:
    """A price that was read and found sound."""

    model: Model
    modifiers: Modifiers = NONE

    @cached_property
    def needs(self) -> Needs:
        """What it must be told of usage: what its model or its overage asks for."""
        own, over = self.model.needs, self.modifiers.needs
        return Needs(
            quantity=own.quantity or self.modifiers != NONE,
            cuts=(*own.cuts, *over.cuts),
            dimensions=tuple(dict.fromkeys((*own.dimensions, *over.dimensions))),
            events=own.events or over.events,
            index=own.index or over.index,
            prorated=own.prorated or over.prorated,
            cells=own.cells or over.cells,
            draws=own.draws,
            placed=own.placed,
        )

    def rate(self, metered: Metered) -> Rating:
        """Price the usage of a span, or of a part of one.

        Raises:
            Refused: `quantity_negative` (a credit is a line of its own, never negative usage), `amount_out_of_range`,
                and what the model refuses.
        """
        if metered.total < 0:
            raise Refused("quantity_negative", "A quantity is zero or more.")
        try:
            return self._rate(metered)
        except (decimal.Inexact, decimal.InvalidOperation):
            raise Refused("amount_out_of_range", "The amount of this line has too many digits.") from None

    @cached_property
    def _bare(self) -> bool:
        """Whether the model alone makes the amount, of usage in any order."""
        return self.modifiers == NONE and not self.needs.cells

    def _rate(self, metered: Metered) -> Rating:
        if self._bare:
            return Rating(self.model.rate(metered))
        steps: list[dict[str, str]] = []
        if self.needs.cells:
            named = self.model.needs if self.model.needs.cells else self.modifiers.needs
            metered = metered.ordered(named.dimensions, named.cells)
        metered = before_model(self.modifiers, metered, steps)
        if self.modifiers.commitment is not None:
            parts = committed_parts(self.modifiers.commitment, self.model, metered, steps)
        else:
            parts = self.model.rate(metered)
        parts += after_model(self.modifiers, total_of(parts), metered.share)
        return Rating(parts, steps)


def total_of(parts: Sequence[Part]) -> Decimal:
    """The exact sum of the parts."""
    return exact_sum(part.exact for part in parts)


def read_price(value: object, pointer: str, errors: list[FieldError]) -> Price | None:
    """Read a price; what is wrong is added to `errors`, and None tells that the model could not be told.

    Codes: `pricing_model_unknown`, `member_required`, `member_unknown`, `decimal_string_expected`,
    `decimal_negative`, `indexes_differ`, `otherwise_required`, and those of the model.
    """
    members = Members(value, pointer, errors)
    if not isinstance(value, Mapping):
        return None
    model = read_model(members)
    if model is None:
        return None
    around = read_modifiers(members)
    members.close()
    if len({index for index in (model.needs.index, around.needs.index) if index is not None}) > 1:
        members.refuse("commitment", "indexes_differ", "A price and its overage follow the same index.")
    if model.needs.placed and around.commitment is not None and around.commitment.take_or_pay:
        members.refuse("otherwise", "otherwise_required", "What is committed and not used is paid at `otherwise`.")
    return Price(model, around)


def parse_price(value: object, pointer: str = "") -> Price:
    """Read a price, or raise one `Invalid` that names every wrong member."""
    errors: list[FieldError] = []
    price = read_price(value, pointer, errors)
    refuse_all(errors)
    assert price is not None  # no price without an error
    return price


def schema() -> dict[str, Any]:
    """The JSON schema of any price."""
    around = modifiers_schema()
    return {"oneOf": [model.schema(around) for model in models().values()]}


def members_of(model: str) -> tuple[str, ...]:
    """The members that a price of a model may have, in the order in which they are stored."""
    return ("model", *models()[model].members, *NAMES)
