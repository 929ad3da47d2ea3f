"""What may be agreed beside prices, and what a change may be: members that `billing` reads, and how they are shown."""

from __future__ import annotations

from typing import Any

from billing.contract_terms import (
    CANCEL,
    CONVERT,
    NOTICE_DAYS_MOST,
    REMIND_DAYS_MOST,
    RENEWALS,
    TERM_REMIND_DAYS,
    TRIAL_DAYS_MOST,
    TRIAL_REMIND_DAYS,
)
from billing.periods import COUNT_MOST, UNITS
from billing.pricing_model import DECIMAL_STRING

INSTANT = {"type": "string", "format": "date-time"}
BOOLEAN = {"type": "boolean"}


def _object(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **({"required": list(required)} if required else {}),
        **more,
    }


def _days(description: str, least: int, most: int, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "description": description, **more}


def _or_true(properties: dict[str, Any], description: str, examples: list[Any]) -> dict[str, Any]:
    return {"oneOf": [BOOLEAN, _object(properties)], "description": description, "examples": examples}


INTERVAL = _object(
    {
        "unit": {"type": "string", "enum": list(UNITS)},
        "count": {"type": "integer", "minimum": 1, "maximum": COUNT_MOST, "default": 1},
    },
    "unit",
)
_TRIAL = {
    "days": _days("How long, in days of the payer's zone: it ends at the same clock time.", 1, TRIAL_DAYS_MOST),
    "until": {**INSTANT, "description": "When it ends, instead of `days`."},
    "requires_payment_method": {
        **BOOLEAN,
        "default": False,
        "description": "The payer needs a payment method to order; without one at the end it is cancelled.",
    },
    "at_end": {"type": "string", "enum": [CONVERT, CANCEL], "default": CONVERT},
    "remind_days": _days(
        "How long before the end `subscription.trial_ending` is told; 0 for never.",
        0,
        REMIND_DAYS_MOST,
        default=TRIAL_REMIND_DAYS,
    ),
}
TRIAL = _object(
    _TRIAL,
    description="Nothing of it is billed: no recurring charge, no usage; one-off charges are due when it converts.",
    examples=[{"days": 14, "requires_payment_method": True}, {"until": "2026-04-01T00:00:00Z", "at_end": "cancel"}],
)
_TERM = {
    "interval": INTERVAL,
    "renewal": {
        "type": "string",
        "enum": list(RENEWALS),
        "default": RENEWALS[0],
        "description": "At its end it begins anew, the contract is over, or it goes on without a term.",
    },
    "notice_days": _days(
        "A cancellation is in time until the beginning of this day before the end.", 0, NOTICE_DAYS_MOST, default=0
    ),
    "remind_days": _days(
        "How long before the last day of notice `subscription.term_ending` is told; 0 for never.",
        0,
        REMIND_DAYS_MOST,
        default=TERM_REMIND_DAYS,
    ),
}
TERM = _object(
    _TERM,
    "interval",
    description="A fixed term, from where billing begins. A cancellation takes effect at its end, unless it is early.",
    examples=[{"interval": {"unit": "year"}, "renewal": "renew", "notice_days": 30}],
)
_EARLY = {
    "oneOf": [
        _object({"rate": {**DECIMAL_STRING, "description": "Per cent of the rest, 0 to 100."}}, "rate"),
        _object({"amount_price": DECIMAL_STRING}, "amount_price"),
    ]
}
MINIMUM_TERM = _object(
    {"interval": INTERVAL, "early_termination": _EARLY},
    "interval",
    "early_termination",
    description="Ending it earlier costs a part of the recurring charges of the rest, or an amount in major units:"
    " a charge of its own, `early_termination`.",
    examples=[{"interval": {"unit": "month", "count": 24}, "early_termination": {"rate": "50"}}],
)
_ENDS_AT = {"ends_at": {"type": ["string", "null"], "format": "date-time"}}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an agreement as it is shown, or null for none."""
    kept = {name: value for name, value in schema.items() if name not in ("examples", "additionalProperties")}
    return {**kept, "type": ["object", "null"]}


def shown(schema: dict[str, Any], more: dict[str, Any] | None = None) -> dict[str, Any]:
    """The schema of an agreement as a subscription shows it: with when it ends."""
    return {**nullable(schema), "properties": {**schema["properties"], **_ENDS_AT, **(more or {})}}


TERM_SHOWN = shown(
    TERM,
    {
        "started_at": {"type": ["string", "null"], "format": "date-time"},
        "notice_by": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "Until when a cancellation takes effect at `ends_at`.",
        },
    },
)
CANCEL_MEMBER = _or_true(
    {
        "credit": {
            **BOOLEAN,
            "default": True,
            "description": "Give back what was billed in advance. Without, the span that was begun stays billed.",
        },
        "early": {
            **BOOLEAN,
            "default": False,
            "description": "Leave a fixed term before it has run out, at the instant that is asked for.",
        },
    },
    "Ends the subscription. Within a fixed term that is its end; before the end of a minimum term it costs what was"
    " agreed.",
    [True, {"credit": False}, {"early": True}],
)
PAUSE_MEMBER = _or_true(
    {"until": {**INSTANT, "description": "When it is resumed by itself; a scheduled change of its own."}},
    "Nothing is billed and the service is off, until it is resumed.",
    [True, {"until": "2026-06-01T00:00:00Z"}],
)
ALIGN_MEMBER = _object(
    {"on": {"type": "string", "format": "date"}},
    "on",
    description="Count spans anew from this day in the subscription's zone: a short span up to it, then whole ones."
    " Several subscriptions with one such day are billed for the same spans.",
    examples=[{"on": "2026-03-01"}],
)
