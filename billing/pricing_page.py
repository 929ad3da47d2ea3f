"""The pricing models as a page: members and worked examples, straight from the models' files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from billing.metered import Metered, Piece
from billing.pricing_model import PricingModel, models
from core.decimals import format_decimal
from core.period import rfc3339

HEADING = """# Pricing models

A price maps a quantity to an amount; `model` says how. Each model is one file in `billing/pricing/`. Its examples are
run as tests, and this page shows them: it is written by `billing.pricing_page.page()`, and a test compares the two.
Amounts are exact here; a line is rounded once, half away from zero, to the currency's minor unit.
"""


def page() -> str:
    """The whole of `docs/pricing.md`."""
    return "\n".join([HEADING, *(_section(model) for model in models().values())])


def _section(model: PricingModel) -> str:
    members = [f"- `{name}`{_needed(name, model)}: {_said(schema)}" for name, schema in model.members.items()]
    examples = [f"| {e.why} | {_price(e.price)} | {_used(e.usage)} | {e.exact} |" for e in model.examples]
    refusals = [f"| {r.why} | {_price(r.price)} | `{r.code}` at `{r.pointer}` |" for r in model.refusals]
    no_price = [f"| {u.why} | {_price(u.price)} of {_used(u.metered)} | `{u.code}` |" for u in model.no_price]
    return "\n".join(
        [
            f"## `{model.name}`\n\n{model.summary}\n",
            *members,
            "\n| example | price | quantity | amount |\n| --- | --- | --- | --- |",
            *examples,
            "\n| refused | price | answer |\n| --- | --- | --- |",
            *refusals,
            *no_price,
            "",
        ]
    )


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


def _price(price: Mapping[str, Any]) -> str:
    own = {name: value for name, value in price.items() if name != "model"}
    return f"`{json.dumps(own)}`"
