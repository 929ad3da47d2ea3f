"""Payment intents, the charges they make, and refunds of those."""

from __future__ import annotations

import re
import secrets
import time

from flask import request

from standins.gateway.cards import Card
from standins.gateway.customers import attached, attached_to, behaviour, customer
from standins.gateway.form import Params
from standins.gateway.lists import PAGING, page
from standins.gateway.problems import Problem, invalid, missing
from standins.gateway.store import Account, Json

CREATE = (
    "amount",
    "currency",
    "customer",
    "payment_method",
    "metadata",
    "description",
    "receipt_email",
    "confirm",
    "off_session",
    "return_url",
    "automatic_payment_methods",
)
CONFIRM = ("off_session", "payment_method", "return_url", "receipt_email")
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
MINIMUM_AMOUNT = 50
MAXIMUM_AMOUNT = 99_999_999


def create(account: Account, params: Params, _: str) -> Json:
    params.only(CREATE)
    amount, currency = _amount(params), _currency(params)
    owner = params.text("customer")
    if owner is not None:
        customer(account, owner, "customer")
    method = params.text("payment_method")
    if method is not None:
        method = attached(account, method, owner, "payment_method")["id"]
    if "off_session" in params.values and not params.flag("confirm"):
        raise invalid("off_session may only be used with confirm=true.", "off_session")
    automatic = params.group("automatic_payment_methods")
    made = account.add(
        "payment_intent",
        "pi",
        {
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": 0,
            "currency": currency,
            "customer": owner,
            "payment_method": method,
            "metadata": params.metadata(),
            "description": params.text("description"),
            "receipt_email": params.text("receipt_email"),
            "automatic_payment_methods": {
                "enabled": automatic.flag("enabled", True),
                "allow_redirects": automatic.text("allow_redirects") or "always",
            },
            "capture_method": "automatic_async",
            "confirmation_method": "automatic",
            "payment_method_types": ["card"],
            "client_secret": f"pi_secret_{secrets.token_hex(12)}",
            "status": "requires_confirmation" if method else "requires_payment_method",
            "latest_charge": None,
            "last_payment_error": None,
            "next_action": None,
            "canceled_at": None,
            "cancellation_reason": None,
        },
    )
    account.tell("payment_intent.created", made)
    return _confirm(account, made, params) if params.flag("confirm") else made


def _amount(params: Params) -> int:
    amount = params.integer("amount")
    if amount is None:
        raise invalid("Missing required param: amount.", "amount", "parameter_missing")
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if amount < MINIMUM_AMOUNT:
        raise invalid(f"Amount must be at least {MINIMUM_AMOUNT} minor units.", "amount", "amount_too_small")
    if amount > MAXIMUM_AMOUNT:
        raise invalid(f"Amount must be no more than {MAXIMUM_AMOUNT} minor units.", "amount", "amount_too_large")
    return amount


def _currency(params: Params) -> str:
    currency = params.needed("currency").lower()
    if not re.fullmatch(r"[a-z]{3}", currency):
        raise invalid(f"Invalid currency: {currency}.", "currency")
    return currency


def intent(account: Account, ident: str, param: str = "intent", status: int = 404) -> Json:
    found = account.get("payment_intent", ident)
    if found is None:
        raise missing("payment_intent", ident, param, status)
    return found


def retrieve(account: Account, params: Params, ident: str) -> Json:
    params.only(())
    return intent(account, ident)


def list_all(account: Account, params: Params, _: str) -> Json:
    params.only((*PAGING, "customer"))
    owner = params.text("customer")
    return page(account, "payment_intent", params, "/v1/payment_intents", lambda i: owner in (None, i["customer"]))


def confirm(account: Account, params: Params, ident: str) -> Json:
    params.only(CONFIRM)
    found = intent(account, ident)
    if found["status"] not in ("requires_confirmation", "requires_payment_method"):
        raise _unexpected(found, "confirm")
    method = params.text("payment_method")
    if method is not None:
        found["payment_method"] = attached(account, method, found["customer"], "payment_method")["id"]
    if found["payment_method"] is None:
        raise _unexpected(found, "confirm", " You cannot confirm it without a payment method.")
    return _confirm(account, found, params)


def _confirm(account: Account, found: Json, params: Params) -> Json:
    if found["automatic_payment_methods"]["allow_redirects"] == "always" and params.text("return_url") is None:
        raise invalid(
            "This PaymentIntent accepts payment methods that might redirect your customer. Give a `return_url`, or set"
            " `automatic_payment_methods[allow_redirects]` to `never`.",
            "return_url",
        )
    if attached_to(account, found["payment_method"]) != found["customer"]:
        raise invalid("The PaymentMethod was detached from its Customer and may not be used again.", "payment_method")
    card = behaviour(account, found["payment_method"])
    if card.needs_authentication and not params.flag("off_session"):
        found |= {"status": "requires_action", "next_action": _next_action(found, params.text("return_url"))}
        account.tell("payment_intent.requires_action", found)
        return account.save(found)
    return _decline(account, found, card) if card.code else _pay(account, found)


def _next_action(found: Json, return_url: str | None) -> Json:
    """A page to send the customer to, where there is an address to send it back to; else a word to a script."""
    if return_url is None:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
    link = f"{request.host_url}authenticate/{found['client_secret']}"
    return {"type": "redirect_to_url", "redirect_to_url": {"url": link, "return_url": return_url}}


def authenticated(account: Account, found: Json, *, approved: bool) -> Json:
    """The customer has decided about an intent that waits for it."""
    found["next_action"] = None
    if approved:
        return _pay(account, found)
    message = "We are unable to authenticate your payment method. Please choose a different one and try again."
    error = {"type": "card_error", "code": "payment_intent_authentication_failure", "message": message}
    found |= {"status": "requires_payment_method", "payment_method": None, "last_payment_error": error}
    account.save(found)
    account.tell("payment_intent.payment_failed", found)
    return found


def _charge(account: Account, found: Json, card: Card | None) -> Json:
    body = {
        "amount": found["amount"],
        "amount_captured": 0 if card else found["amount"],
        "amount_refunded": 0,
        "captured": card is None,
        "currency": found["currency"],
        "customer": found["customer"],
        "description": found["description"],
        "disputed": False,
        "failure_code": card.code if card else None,
        "failure_message": card.message if card else None,
        "metadata": found["metadata"],
        "paid": card is None,
        "payment_intent": found["id"],
        "payment_method": found["payment_method"],
        "refunded": False,
        "status": "failed" if card else "succeeded",
    }
    return account.add("charge", "ch", body)


def _pay(account: Account, found: Json) -> Json:
    charge = _charge(account, found, None)
    found |= {
        "status": "succeeded",
        "amount_received": found["amount"],
        "latest_charge": charge["id"],
        "last_payment_error": None,
    }
    account.save(found)
    account.tell("charge.succeeded", charge)
    account.tell("payment_intent.succeeded", found)
    return found


def _decline(account: Account, found: Json, card: Card) -> Json:
    charge = _charge(account, found, card)
    error = {
        "type": "card_error",
        "code": card.code,
        "decline_code": card.decline_code,
        "message": card.message,
        "charge": charge["id"],
        "doc_url": f"https://stripe.com/docs/error-codes/{card.code.replace('_', '-')}",
        "payment_method": account.get("payment_method", found["payment_method"]),
    }
    # A declined intent forgets its card: confirming it again without naming one charges nothing.
    found |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "latest_charge": charge["id"],
        "last_payment_error": error,
    }
    account.save(found)
    account.tell("charge.failed", charge)
    account.tell("payment_intent.payment_failed", found)
    raise Problem(402, "card_error", card.message, **_without(error, "type", "message"), payment_intent=found)


def _without(body: Json, *names: str) -> Json:
    return {k: v for k, v in body.items() if k not in names}


def _unexpected(found: Json, action: str, more: str = "") -> Problem:
    message = f"You cannot {action} this PaymentIntent because it has a status of {found['status']}.{more}"
    return Problem(400, "invalid_request_error", message, code="payment_intent_unexpected_state", payment_intent=found)


def cancel(account: Account, params: Params, ident: str) -> Json:
    params.only(("cancellation_reason",))
    found = intent(account, ident)
    if found["status"] not in OPEN:
        raise _unexpected(found, "cancel")
    found |= {
        "status": "canceled",
        "canceled_at": int(time.time()),
        "cancellation_reason": params.text("cancellation_reason"),
        "next_action": None,
    }
    account.tell("payment_intent.canceled", found)
    return account.save(found)


def retrieve_charge(account: Account, params: Params, ident: str) -> Json:
    params.only(())
    found = account.get("charge", ident)
    if found is None:
        raise missing("charge", ident, "charge", 404)
    return found


def list_charges(account: Account, params: Params, _: str) -> Json:
    params.only((*PAGING, "customer", "payment_intent"))
    owner, cause = params.text("customer"), params.text("payment_intent")
    return page(
        account,
        "charge",
        params,
        "/v1/charges",
        lambda c: owner in (None, c["customer"]) and cause in (None, c["payment_intent"]),
    )


def create_refund(account: Account, params: Params, _: str) -> Json:
    params.only(("charge", "payment_intent", "amount", "metadata", "reason"))
    charge = _charge_to_refund(account, params)
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = params.integer("amount") if "amount" in params.values else left
    if amount is None or not 1 <= amount <= left:
        raise invalid(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).", "amount")
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    account.save(charge)
    made = account.add(
        "refund",
        "re",
        {
            "amount": amount,
            "charge": charge["id"],
            "currency": charge["currency"],
            "metadata": params.metadata(),
            "payment_intent": charge["payment_intent"],
            "reason": params.text("reason"),
            "status": "succeeded",
        },
    )
    account.tell("refund.created", made)
    account.tell("charge.refunded", charge)
    return made


def _charge_to_refund(account: Account, params: Params) -> Json:
    ident = params.text("charge")
    if ident is None:
        found = intent(account, params.needed("payment_intent"), "payment_intent", 400)
        ident = found["latest_charge"]
        if found["status"] != "succeeded" or ident is None:
            raise invalid("This PaymentIntent does not have a successful charge to refund.", "payment_intent")
    charge = account.get("charge", ident)
    if charge is None:
        raise missing("charge", ident, "charge")
    return charge


def retrieve_refund(account: Account, params: Params, ident: str) -> Json:
    params.only(())
    found = account.get("refund", ident)
    if found is None:
        raise missing("refund", ident, "refund", 404)
    return found


def list_refunds(account: Account, params: Params, _: str) -> Json:
    params.only((*PAGING, "charge", "payment_intent"))
    charge, cause = params.text("charge"), params.text("payment_intent")
    return page(
        account,
        "refund",
        params,
        "/v1/refunds",
        lambda r: charge in (None, r["charge"]) and cause in (None, r["payment_intent"]),
    )
