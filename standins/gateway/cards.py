"""The test cards: what each looks like and what happens when it is charged.

Source: Stripe's documentation of test cards, test tokens and decline codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from standins.gateway.problems import invalid


@dataclass(frozen=True)
class Card:
    """`code` is empty for a card that pays; `code` and `decline_code` are what its refusal says otherwise."""

    brand: str
    last4: str
    country: str = "US"
    funding: str = "credit"
    code: str = ""
    decline_code: str = ""
    message: str = ""

    @property
    def needs_authentication(self) -> bool:
        return self.code == "authentication_required"


def _declining(last4: str, code: str, decline_code: str, message: str, brand: str = "visa") -> Card:
    return Card(brand, last4, code=code, decline_code=decline_code, message=message)


_DECLINED = "Your card was declined."
_FUNDS = "Your card has insufficient funds."
_GOOD = {
    "visa": Card("visa", "4242"),
    "visa_debit": Card("visa", "5556", funding="debit"),
    "mastercard": Card("mastercard", "4444"),
    "mastercard_debit": Card("mastercard", "8210", funding="debit"),
    "mastercard_prepaid": Card("mastercard", "5100", funding="prepaid"),
    "amex": Card("amex", "8431"),
    "discover": Card("discover", "1117"),
    "diners": Card("diners", "0004"),
    "jcb": Card("jcb", "0505"),
    "unionpay": Card("unionpay", "0005"),
}
_BAD = {
    "chargeDeclined": _declining("0002", "card_declined", "generic_decline", _DECLINED),
    "chargeCustomerFail": _declining("0341", "card_declined", "generic_decline", _DECLINED),
    "chargeDeclinedInsufficientFunds": _declining("9995", "card_declined", "insufficient_funds", _FUNDS),
    "chargeDeclinedLostCard": _declining("9987", "card_declined", "lost_card", _DECLINED),
    "chargeDeclinedStolenCard": _declining("9979", "card_declined", "stolen_card", _DECLINED),
    "chargeDeclinedFraudulent": _declining("0019", "card_declined", "fraudulent", _DECLINED),
    "chargeDeclinedVelocityLimitExceeded": _declining(
        "6975", "card_declined", "card_velocity_exceeded", "Your card was declined for making repeated attempts."
    ),
    "chargeDeclinedExpiredCard": _declining("0069", "expired_card", "expired_card", "Your card has expired."),
    "chargeDeclinedIncorrectCvc": _declining(
        "0127", "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."
    ),
    "chargeDeclinedProcessingError": _declining(
        "0119", "processing_error", "processing_error", "An error occurred while processing your card."
    ),
    "authenticationRequired": _declining(
        "3184", "authentication_required", "authentication_required", "Your card was declined. It needs authentication."
    ),
}
_NUMBERS = {
    "4242424242424242": "pm_card_visa",
    "4000056655665556": "pm_card_visa_debit",
    "5555555555554444": "pm_card_mastercard",
    "378282246310005": "pm_card_amex",
    "4000000000000002": "pm_card_chargeDeclined",
    "4000000000000341": "pm_card_chargeCustomerFail",
    "4000000000009995": "pm_card_chargeDeclinedInsufficientFunds",
    "4000000000009987": "pm_card_chargeDeclinedLostCard",
    "4000000000009979": "pm_card_chargeDeclinedStolenCard",
    "4000000000000069": "pm_card_chargeDeclinedExpiredCard",
    "4000000000000127": "pm_card_chargeDeclinedIncorrectCvc",
    "4000000000000119": "pm_card_chargeDeclinedProcessingError",
    "4000002760003184": "pm_card_authenticationRequired",
}


def by_token(token: str) -> Card | None:
    """The card of a test token such as `pm_card_visa` or `tok_visa`; None when there is none."""
    named = re.fullmatch(r"(?:pm_card|tok)_(?:(?:visa|mastercard|amex)_)?((?:charge|authentication)\w+)", token)
    if named:
        return _BAD.get(named[1])
    plain = re.fullmatch(r"(?:pm_card|tok)_(\w+)", token)
    if plain is None:
        return None
    if re.fullmatch(r"[a-z]{2}", plain[1]):
        return Card("visa", "4242", country=plain[1].upper())
    return _GOOD.get(plain[1])


def token_of_number(number: str) -> str:
    """The token of a test card's number; a real number has no business here."""
    token = _NUMBERS.get(re.sub(r"[ -]", "", number))
    if token is None:
        raise invalid("This is no test card. Use one of the documented test card numbers.", "card[number]")
    return token


def shape(card: Card, exp_month: int = 12, exp_year: int = 2040) -> dict[str, Any]:
    """The `card` member of a payment method."""
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": f"fp{card.brand}{card.last4}",
        "funding": card.funding,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
