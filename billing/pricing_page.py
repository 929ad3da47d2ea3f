"""The pricing models as a page: members and worked examples, straight from the models' files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from billing.metered import Metered, Piece
from billing.modifier_examples import EXAMPLES, REFUSALS
from billing.modifiers import schema
from billing.pricing_model import BadExample, Example, PricingModel, models
from core.decimals import format_decimal
from core.period import rfc3339

HEADING = """# Pricing models

A price maps a quantity to an amount; `model` says how. Each model is one file in `billing/pricing/`. Its examples are
run as tests, and this page shows them: it is written by `billing.pricing_page.page()`, and a test compares the two.
Amounts are exact here; a line is rounded once, half away from zero, to the currency's minor unit.
"""

AROUND = """## Around any usage price

These members may stand in a usage price of any model. They act in this order, whatever the order in which they are
written: `multiplier` (on each slot of usage), `round_quantity`, `included`, `commitment`, then the model itself, then
`minimum_amount_price` and `maximum_amount_price`. Rounding and `included` act on the price's total; what is included
is used up in order of time, and within one slot in the order of bands or cells; minimum and maximum act on the line.
In a part of a span `included`, `commitment`, minimum and maximum count for that part of them.
An event (see `percentage`) that passes what is included or committed is one event: what lies on each side of the bound
is priced there, and its fixed price is due once, above the bound where the price there looks at events, else below.
"""


ADDING = """## Adding a model

A model is a file in `billing/pricing/` with a `PLUGIN`, a `PricingModel` of `billing.pricing_model`; it is found there,
and no other file that is written by hand changes. It has

- a frozen class with `needs` (`billing.metered.Needs`: what it must be told of usage beside the quantity, such as cuts
  in time, event properties or single events) and `rate(metered)`, which gives parts whose exact amounts add up;
- `members` as JSON schema, which of them are `required`, and `parse`, which reads them and names each that is wrong;
- `examples`, `refusals` and `no_price`: they are its tests and its section on this page.

`tests/services/pricing_more/cubed.py` is a small one, which a test adds and bills with. For one that stays, put
down what it costs as rows in a file of its own in `tests/billing/tables/`, and have what is generated written anew:
this page, and `busbar openapi --write`.
"""


def page() -> str:
    """The whole of `docs/pricing.md`."""
    return "\n".join([HEADING, *(_section(model) for model in models().values()), _around(), ADDING])


def _section(model: PricingModel) -> str:
    members = [f"- `{name}`{_needed(name, model)}: {_said(told)}" for name, told in model.members.items()]
    no_price = [f"| {u.why} | {_price(u.price)} of {_used(u.metered)} | `{u.code}` |" for u in model.no_price]
    heading = f"## `{model.name}`\n\n{model.summary}\n"
    return "\n".join([heading, *members, *_tables(model.examples, model.refusals), *no_price, ""])


def _around() -> str:
    members = [f"- `{name}` (optional): {_said(described)}" for name, described in schema().items()]
    return "\n".join([AROUND, *members, *_tables(EXAMPLES, REFUSALS, named=True), ""])


def _tables(examples: Iterable[Example], refusals: Iterable[BadExample], *, named: bool = False) -> Iterator[str]:
    yield "\n| example | price | quantity | amount |\n| --- | --- | --- | --- |"
    for example in examples:
        price = _price(example.price, named=named)
        yield f"| {example.why} | {price} | {_used(example.usage)} | {example.exact} |"
    yield "\n| refused | price | answer |\n| --- | --- | --- |"
    for refusal in refusals:
        yield f"| {refusal.why} | {_price(refusal.price, named=named)} | `{refusal.code}` at `{refusal.pointer}` |"


def _needed(name: str, model: PricingModel) -> str:
    return "" if name in model.required else " (optional)"


def _said(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description") or "see the API description.")


def _used(metered: Metered) -> str:
    """Usage in words: a bare quantity, or its pieces with when they were used and what they are told apart by."""
    said = "; ".join(_piece(piece) for piece in metered.pieces) or "0"
    if metered.share.whole:
        return said
    return f"{said} in {metered.share.numerator}/{metered.share.denominator} of a span"


def _piece(piece: Piece) -> str:
    said = [format_decimal(piece.quantity)]
    if piece.period is not None:
        said.append(f"at {rfc3339(piece.period.start)}")
    if piece.properties is not None:
        said.append(", ".join(f"{name} {value or '–'}" for name, value in piece.properties.items()))
    return " ".join(said)


def _price(price: Mapping[str, Any], *, named: bool = False) -> str:
    own = {name: value for name, value in price.items() if named or name != "model"}
    return f"`{json.dumps(own)}`"
