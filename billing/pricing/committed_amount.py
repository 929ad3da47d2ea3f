"""`committed_amount`: an amount for a term, which usage draws down (`billing.drawdown`). As a price it is flat.

In advance the amount is paid at the start of its span, and what is drawn costs nothing more until it is used up; what
is left at the end expires. In arrears nothing is paid at the start; at the end what was not drawn is due.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from billing.members import Members
from billing.metered import Metered, Needs
from billing.pricing_model import DECIMAL_STRING, BadExample, Example, Part, PricingModel
from core.errors import FieldError

DRAWS_MOST = 50


@dataclass(frozen=True)
class CommittedAmount:
    """An amount in major units, and the charge codes of the usage that draws from it."""

    amount_price: Decimal
    draws: tuple[str, ...]

    @property
    def needs(self) -> Needs:
        """No quantity."""
        return Needs(quantity=False, draws=self.draws)

    def rate(self, metered: Metered) -> list[Part]:
        """The amount, once."""
        return [Part(exact=self.amount_price, amount_price=self.amount_price)]


def parse(members: Members) -> CommittedAmount:
    """Read the members. Codes of its own: `draws_expected`, `charge_code_repeated`."""
    return CommittedAmount(members.decimal("amount_price", sign="positive"), tuple(_draws(members)))


def _draws(members: Members) -> Iterator[str]:
    value = members.required("draws")
    if value is None:
        return
    if not isinstance(value, list) or not 0 < len(value) <= DRAWS_MOST:
        members.refuse("draws", "draws_expected", f"This is a list of 1 to {DRAWS_MOST} charge codes.")
        return
    for i, code in enumerate(value):
        pointer = f"{members.at('draws')}/{i}"
        if not isinstance(code, str) or not code:
            members.errors.append(FieldError(pointer, "string_expected", "This is a charge code."))
        elif code in value[:i]:
            members.errors.append(FieldError(pointer, "charge_code_repeated", f"{code} is there already."))
        else:
            yield code


_PLAIN = {"model": "committed_amount", "amount_price": "100000", "draws": ["energy", "traffic"]}

PLUGIN = PricingModel(
    name="committed_amount",
    summary=(
        "An amount for a term of a recurring price, drawn down by usage. In advance it is paid at the start and the "
        "unused rest expires; in arrears the unused rest is due at the end."
    ),
    members={
        "amount_price": {**DECIMAL_STRING, "description": "The amount of a term.", "examples": ["100000"]},
        "draws": {
            "type": "array",
            "description": "Charge codes of the plan's usage prices that draw from it.",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": DRAWS_MOST,
            "examples": [["energy", "traffic"]],
        },
    },
    required=["amount_price", "draws"],
    parse=parse,
    examples=[
        Example(
            why="a hundred thousand for a term",
            price=_PLAIN,
            quantity="1",
            exact="100000",
            parts=[{"amount_price": "100000", "exact": "100000"}],
        ),
    ],
    refusals=[
        BadExample("no amount", {**_PLAIN, "amount_price": None}, "member_required", "/amount_price"),
        BadExample("an amount of nothing", {**_PLAIN, "amount_price": "0"}, "decimal_not_positive", "/amount_price"),
        BadExample("nothing that draws", {**_PLAIN, "draws": []}, "draws_expected", "/draws"),
        BadExample("no list", {**_PLAIN, "draws": "energy"}, "draws_expected", "/draws"),
        BadExample("no code", {**_PLAIN, "draws": ["energy", 3]}, "string_expected", "/draws/1"),
        BadExample(
            "the same code twice", {**_PLAIN, "draws": ["energy", "energy"]}, "charge_code_repeated", "/draws/1"
        ),
    ],
)
