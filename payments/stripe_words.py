"""Stripe's objects and errors in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import stripe

from core.money import Money
from payments.port import Notice, Outcome, RefundOutcome, Result

# Declines after which the same card is hopeless. Source: Stripe's table of decline codes, those whose next step is
# "the customer needs to use another card or contact the issuer".
HOPELESS = frozenset(
    {
        "authentication_required",
        "expired_card",
        "fraudulent",
        "incorrect_cvc",
        "incorrect_number",
        "invalid_account",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "stop_payment_order",
        "testmode_decline",
        "transaction_not_allowed",
    }
)
# Stripe's unit where it is not ISO 4217's minor unit: (Stripe's units, minor units) that are worth the same.
# Source: Stripe's list of zero-decimal currencies and special cases.
UNITS = {"ISK": (100, 1), "UGX": (100, 1), "MGA": (1, 100)}
_REFUND = {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"}


def refunded(refund: Any) -> RefundOutcome:
    """One of Stripe's refunds in our words."""
    status = _REFUND.get(refund.status or "", "pending")
    return RefundOutcome(status, refund.id, code=getattr(refund, "failure_reason", None))


def unit_amount(amount: Money) -> int | None:
    """An amount in Stripe's unit of its currency; None where it is no whole number of those."""
    theirs, ours = UNITS.get(amount.currency, (1, 1))
    units, rest = divmod(amount.minor * theirs, ours)
    return units if rest == 0 else None


def outcome(intent: Any) -> Outcome:
    """One of Stripe's payment intents in our words."""
    status, error = intent.status, intent.last_payment_error
    charge = intent.latest_charge if isinstance(intent.latest_charge, str | None) else intent.latest_charge.id
    if status == "succeeded":
        currency = str(intent.currency).upper()
        theirs, ours = UNITS.get(currency, (1, 1))
        paid = Money(int(intent.amount_received) * ours // theirs, currency)
        return Outcome(Result.SUCCEEDED, intent.id, charge, paid)
    if status == "requires_confirmation":
        return Outcome(Result.UNCONFIRMED, intent.id)
    if status == "requires_action":
        return Outcome(Result.REQUIRES_ACTION, intent.id, charge, code="authentication_required")
    if status == "canceled":
        return Outcome(Result.FAILED, intent.id, charge, code="canceled")
    if status == "requires_payment_method":
        return _declined(intent.id, charge, error)
    return Outcome(Result.UNKNOWN, intent.id, charge, code=status)  # processing: it will be known later


def page(intent: Any) -> str | None:
    """Where an intent sends its customer."""
    redirect = getattr(intent.next_action, "redirect_to_url", None)
    return getattr(redirect, "url", None)


def _declined(reference: str, charge: str | None, error: Any) -> Outcome:
    code = getattr(error, "code", None) or "payment_method_missing"
    decline = getattr(error, "decline_code", None)
    result = Result.REQUIRES_ACTION if code == "authentication_required" else Result.FAILED
    hopeless = code in HOPELESS or decline in HOPELESS or error is None
    return Outcome(
        result,
        reference,
        charge,
        code=code,
        decline_code=decline,
        message=getattr(error, "message", None),
        retryable=not hopeless,
    )


def refusal(error: stripe.StripeError, reference: str | None = None) -> Outcome:
    """What an error says about the charge. Only a refusal by the gateway itself means that nothing was charged."""
    body = error.json_body if isinstance(error.json_body, dict) else {}
    intent = (body.get("error") or {}).get("payment_intent")
    if isinstance(intent, dict):
        return outcome(stripe.PaymentIntent.construct_from(intent, None))
    if isinstance(error, stripe.InvalidRequestError) and reference is None:
        return Outcome(Result.FAILED, code=code(error), message=words(error))
    return Outcome(Result.UNKNOWN, reference, code=code(error), message=words(error))


def is_final(error: stripe.StripeError, known: Outcome) -> bool:
    """Whether Stripe refused the request itself and will refuse it again, without saying how the intent stands."""
    asked_wrongly = isinstance(error, stripe.InvalidRequestError) and error.http_status == 400
    return asked_wrongly and known.result is Result.UNKNOWN


def notice(event: Mapping[str, Any]) -> Notice:
    """What a verified event is about."""
    subject = event["data"]["object"]
    kind = {"payment_intent": "charge", "refund": "refund"}.get(str(subject.get("object")))
    attempt = member(subject.get("metadata") or {}, "busbar_attempt")
    return Notice(str(event["id"]), str(event["type"]), kind, str(subject["id"]) if kind else None, attempt)


def member(metadata: Any, name: str) -> str | None:
    """A member of an object's metadata; None where it has none of that name."""
    try:
        return str(metadata[name])
    except KeyError:
        return None


def code(error: stripe.StripeError) -> str:
    """Why something did not work, as a stable word."""
    return error.code or {
        "APIConnectionError": "no_answer",
        "RateLimitError": "rate_limited",
        "AuthenticationError": "credentials_refused",
        "PermissionError": "credentials_refused",
    }.get(type(error).__name__, "gateway_error")


def words(error: stripe.StripeError) -> str:
    """Why something did not work, as a sentence for people."""
    return error.user_message or type(error).__name__
