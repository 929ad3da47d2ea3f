"""What a coupon's terms look like as they are written: how long it lasts, and amounts by currency."""

from __future__ import annotations

from collections.abc import Mapping

from billing.members import Members
from core.errors import FieldError
from core.money import CURRENCIES

ONCE, FOREVER = "once", "forever"
SPANS_MOST = 1_200
AMOUNT_MOST = 10**15


def read_duration(value: object, pointer: str, errors: list[FieldError]) -> int | None:
    """How many spans of each charge are reduced: `"once"`, `{"spans": 3}`, or `"forever"`, which is None.

    Codes: `duration_unknown`, `member_unknown`, `member_required`, `integer_expected`.
    """
    if value in (ONCE, FOREVER):
        return 1 if value == ONCE else None
    if not isinstance(value, Mapping):
        errors.append(FieldError(pointer, "duration_unknown", 'Use "once", {"spans": 3} or "forever".'))
        return None
    members = Members(value, pointer, errors)
    spans = members.whole("spans", 1, 1, SPANS_MOST) if members.required("spans") is not None else 1
    members.close()
    return spans


def read_amounts(value: object, pointer: str, errors: list[FieldError]) -> dict[str, int]:
    """An amount in minor units for each currency.

    Codes: `object_expected`, `amounts_expected`, `currency_unknown`, `integer_expected`.
    """
    if not isinstance(value, Mapping):
        errors.append(FieldError(pointer, "object_expected", "Write this as an object."))
        return {}
    members = Members(value, pointer, errors)
    if not value:
        errors.append(FieldError(pointer, "amounts_expected", "Give an amount for at least one currency."))
    found = {}
    for currency in value:
        if currency not in CURRENCIES:
            members.refuse(currency, "currency_unknown", "Use an ISO 4217 code such as EUR.")
        elif members.required(currency) is not None:
            found[str(currency)] = members.whole(currency, 1, 1, AMOUNT_MOST)
    return found
