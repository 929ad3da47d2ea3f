"""The price list of a plan version, read from JSON: every wrong member is named at once.

What can be told from the list alone is told here; whether its products and meters exist, only the catalogue knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from billing.items import ADVANCE, ARREARS, KINDS, ONE_OFF, RECURRING, TIMINGS, USAGE
from billing.members import Members
from billing.modifiers import NAMES as USAGE_MEMBERS
from billing.periods import COUNT_MOST, UNITS, Interval
from billing.price import members_of, read_price
from billing.proration import DAY, METHODS, NONE
from core.errors import FieldError
from core.money import CURRENCIES

PRICES_MOST = 200
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,79}", re.ASCII)


@dataclass(frozen=True)
class PlanPrice:
    """One charge of a price list.

    Args:
        product, meter: as the body names them: id, external id or code. `meter` is for usage, and only for it.
        interval: None for a one-off.
        currencies: currency -> the price as JSON, sound in itself.
        tax_inclusive: whether its amounts have their tax in them.
    """

    charge_code: str
    name: str
    product: str
    kind: str
    interval: Interval | None
    timing: str
    proration: str
    meter: str | None
    currencies: Mapping[str, Mapping[str, Any]]
    tax_inclusive: bool = False


def read_prices(value: object, pointer: str, errors: list[FieldError]) -> tuple[PlanPrice, ...]:
    """Read a list of plan prices; what is wrong is added to `errors`.

    Codes beside those of prices (`billing.price`): `prices_expected`, `charge_code_malformed`, `charge_code_repeated`,
    `currencies_expected`, `currency_unknown`, `currencies_differ`, `meter_required`, `meter_not_allowed`,
    `interval_not_allowed`, `usage_in_advance`, `usage_member_not_allowed`, `model_needs_usage`,
    `model_needs_recurring`, `proration_not_allowed`, `draws_unknown`, `drawn_twice`, `tax_inclusive_differs`.
    """
    if not isinstance(value, list) or not 0 < len(value) <= PRICES_MOST:
        errors.append(FieldError(pointer, "prices_expected", f"This is a list of 1 to {PRICES_MOST} prices."))
        return ()
    prices = tuple(_read(Members(entry, f"{pointer}/{i}", errors)) for i, entry in enumerate(value))
    _compare(prices, pointer, errors)
    _compare_draws(prices, pointer, errors)
    return prices


def _read(members: Members) -> PlanPrice:
    code = _charge_code(members)
    kind = members.choice("kind", KINDS)
    price = PlanPrice(
        charge_code=code,
        name=members.text("name", default=code or "?"),
        product=members.text("product"),
        kind=kind,
        interval=_interval(members, kind),
        timing=_timing(members, kind),
        proration=_proration(members),
        meter=_meter(members, kind),
        currencies=_currencies(members, kind),
        tax_inclusive=members.boolean("tax_inclusive", default=False),
    )
    members.close()
    return price


def _charge_code(members: Members) -> str:
    code = members.required("charge_code")
    if code is not None and not (isinstance(code, str) and _CODE.fullmatch(code)):
        members.refuse("charge_code", "charge_code_malformed", "1 to 80 letters, digits, dots, dashes, underscores.")
        return ""
    return code or ""


def _interval(members: Members, kind: str) -> Interval | None:
    value = members.raw("interval")
    if kind == ONE_OFF:
        if value is not None:
            members.refuse("interval", "interval_not_allowed", "A one-off is charged once; it has no interval.")
        return None
    if value is None:
        return Interval("month")
    inner = Members(value, members.at("interval"), members.errors)
    interval = Interval(inner.choice("unit", UNITS), inner.whole("count", default=1, least=1, most=COUNT_MOST))
    inner.close()
    return interval


def _timing(members: Members, kind: str) -> str:
    timing = members.choice("timing", TIMINGS, default=ARREARS if kind == USAGE else ADVANCE)
    if kind == USAGE and timing != ARREARS:
        members.refuse("timing", "usage_in_advance", "Usage is billed in arrears.")
    return timing


def _proration(members: Members) -> str:
    """A committed amount is for its whole span: what is left of it expires, and is never given back by the day."""
    currencies = members.raw("currencies")
    specs = currencies.values() if isinstance(currencies, Mapping) else ()
    commits = any(isinstance(spec, Mapping) and spec.get("draws") is not None for spec in specs)
    proration = members.choice("proration", METHODS, default=NONE if commits else DAY)
    if commits and proration != NONE:
        members.refuse("proration", "proration_not_allowed", "A committed amount is not prorated; write none.")
    return proration


def _meter(members: Members, kind: str) -> str | None:
    meter = members.text("meter", default="")
    if kind == USAGE and not members.has("meter"):
        members.refuse("meter", "meter_required", "A usage price names the meter that it counts.")
    if kind != USAGE and members.has("meter"):
        members.refuse("meter", "meter_not_allowed", "Only a usage price has a meter.")
    return meter or None


def _currencies(members: Members, kind: str) -> Mapping[str, Mapping[str, Any]]:
    value = members.required("currencies")
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not value:
        members.refuse("currencies", "currencies_expected", "This maps one or more currencies to their prices.")
        return {}
    inner = Members(value, members.at("currencies"), members.errors)
    for currency, price in value.items():
        if currency not in CURRENCIES:
            inner.refuse(currency, "currency_unknown", "Use an ISO 4217 code such as EUR.")
        else:
            _read_price(Members(price, inner.at(currency), members.errors), price, kind)
    return value


def read_one_off_price(value: object, pointer: str, errors: list[FieldError]) -> Mapping[str, Any]:
    """Read the price of what is due once, as JSON; what is wrong is added to `errors`.

    Codes: those of prices, `usage_member_not_allowed`, `model_needs_usage`.
    """
    return read_price_of(ONE_OFF, value, pointer, errors)


def read_price_of(kind: str, value: object, pointer: str, errors: list[FieldError]) -> Mapping[str, Any]:
    """Read the price of a kind of charge in one currency, as JSON; what is wrong is added to `errors`."""
    _read_price(Members(value, pointer, errors), value, kind)
    return value if isinstance(value, Mapping) else {}


def _read_price(members: Members, value: object, kind: str) -> None:
    """Read a price of one currency, and see that what only usage knows stands in a usage price."""
    price = read_price(value, members.pointer, members.errors)
    if price is None:
        return
    if price.needs.draws and kind != RECURRING:
        members.refuse("model", "model_needs_recurring", "Only a recurring price is of this model.")
    if kind == USAGE:
        return
    for name in USAGE_MEMBERS:
        if members.has(name):
            members.refuse(name, "usage_member_not_allowed", "Only a usage price has this member.")
    if price.needs.prorated:
        members.refuse("prorate_tiers", "usage_member_not_allowed", "A recurring price is prorated by its amount.")
    if not price.needs.plain:
        members.refuse("model", "model_needs_usage", "Only a usage price is of this model.")


def _compare(prices: Sequence[PlanPrice], pointer: str, errors: list[FieldError]) -> None:
    """What prices of one list must have in common, and what not: the first one sets the currencies."""
    seen: set[str] = set()
    for i, price in enumerate(prices):
        if price.charge_code in seen:
            detail = f"{price.charge_code} is there already; each charge of a version has a code of its own."
            errors.append(FieldError(f"{pointer}/{i}/charge_code", "charge_code_repeated", detail))
        seen |= {price.charge_code} - {""}
        if price.currencies and prices[0].currencies and set(price.currencies) != set(prices[0].currencies):
            detail = f"All prices of a version cover the same currencies: {', '.join(sorted(prices[0].currencies))}."
            errors.append(FieldError(f"{pointer}/{i}/currencies", "currencies_differ", detail))


def _compare_draws(prices: Sequence[PlanPrice], pointer: str, errors: list[FieldError]) -> None:
    """A committed amount is drawn by usage of its own list, and no usage draws from two."""
    usage = {price.charge_code: price for price in prices if price.kind == USAGE}
    drawn: dict[tuple[str, str], int] = {}
    for i, price in enumerate(prices):
        for currency, spec in price.currencies.items():
            codes = spec.get("draws") if isinstance(spec, Mapping) else None
            for j, code in enumerate(codes if isinstance(codes, list) else ()):
                at = f"{pointer}/{i}/currencies/{currency}/draws/{j}"
                if isinstance(code, str) and code not in usage:
                    errors.append(FieldError(at, "draws_unknown", f"This version has no usage price {code}."))
                elif isinstance(code, str) and usage[code].tax_inclusive != price.tax_inclusive:
                    detail = f"{code} and what it draws from both have their tax in them, or neither."
                    errors.append(FieldError(at, "tax_inclusive_differs", detail))
                elif isinstance(code, str) and drawn.setdefault((currency, code), i) != i:
                    errors.append(FieldError(at, "drawn_twice", f"{code} draws from another committed amount already."))


def price_as_stored(price: Mapping[str, Any]) -> dict[str, Any]:
    """A sound price without what it says by default, so that the same price is always the same JSON."""
    return {name: price[name] for name in members_of(price["model"]) if price.get(name) is not None}
