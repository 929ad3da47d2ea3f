"""A charge's stored inputs as an explanation for people, and beside them how it would be rated today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from billing.coupons import Reduction
from billing.rating import Rated
from core.decimals import format_decimal

_CREDIT = ("claim", "billed_span", "billed_amount", "used_amount")
_TAKEN = "reductions"


def explain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an explanation that come from a charge's inputs, as JSON values.

    A credit explains the amount that was billed, the part that was used (rated like a charge), and the difference, all
    after what coupons take off; a drawdown what is left of a commitment.
    """
    credit = {name: inputs[name] for name in _CREDIT} if "claim" in inputs else None
    rated = inputs.get("used") if credit else inputs
    if credit is not None:
        credit["used_reductions"] = (rated or {}).get(_TAKEN, [])
    return {
        "price": inputs["price"],
        **_rated(rated or {}),
        "credit": credit,
        "drawdown": inputs.get("drawdown"),
    }


def _rated(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "span": inputs.get("span"),
        "full_span": inputs.get("full_span"),
        "share": inputs.get("share"),
        "quantity": inputs.get("quantity"),
        "unit": inputs.get("unit"),
        "steps": inputs.get("steps", []),
        "parts": inputs.get("parts", []),
        "discount": inputs.get("discount", "0"),
        "rated": inputs.get("rated"),
        "exact": inputs.get("exact"),
        "usage": _usage(inputs["usage"]) if inputs.get("usage") else None,
    }


def _usage(stored: Mapping[str, Any]) -> dict[str, Any]:
    evidence = stored["evidence"]
    return {
        "meter": stored["meter"],
        "quality": stored["quality"],
        "flags": stored.get("flags", []),
        "notes": stored.get("notes", {}),
        "known_until": stored["known_until"],
        "points": evidence["points"],
        "events": evidence["events"],
        "swaps": [b | {"point": p["point"]} for p in evidence["points"] for b in p["breaks"] if b["cause"] == "swap"],
    }


def today(
    inputs: Mapping[str, Any], amount: int, rated: Rated, taken: Sequence[Reduction] = (), reduced: int = 0
) -> dict[str, Any] | None:
    """How a metered charge would look if it were rated now; None when it would look the same.

    Args:
        inputs, amount: as stored when it was billed; minor units.
        rated: by the same functions, on what is known now.
        taken: what coupons would take off that now.
        reduced: what they took off then; minor units.
    """
    then, known = inputs["usage"], rated.inputs["usage"]
    same = (
        amount + reduced == rated.amount.minor
        and inputs["quantity"] == format_decimal(rated.quantity)
        and then["quality"] == known["quality"]
    )
    if same:
        return None
    now = rated.amount.minor - sum(reduction.amount for reduction in taken)
    return {
        **_rated(rated.inputs),
        _TAKEN: [reduction.as_json() for reduction in taken],
        "amount": now,
        "difference_amount": now - amount,
    }
