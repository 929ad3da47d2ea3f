"""Customers and the cards attached to them."""

from __future__ import annotations

from typing import Any

from standins.gateway import cards
from standins.gateway.form import Params
from standins.gateway.lists import PAGING, page
from standins.gateway.problems import Problem, invalid, missing
from standins.gateway.store import Account, Json

CUSTOMER = ("name", "email", "description", "phone", "metadata", "payment_method", "invoice_settings", "address")


def customer(account: Account, ident: str, param: str, status: int = 400) -> Json:
    found = account.get("customer", ident)
    if found is None:
        raise missing("customer", ident, param, status)
    return found


def create_customer(account: Account, params: Params, _: str) -> Json:
    params.only(CUSTOMER)
    made = account.add(
        "customer",
        "cus",
        {
            "name": params.text("name"),
            "email": params.text("email"),
            "phone": params.text("phone"),
            "description": params.text("description"),
            "metadata": params.metadata(),
            "address": params.group("address").values or None,
            "invoice_settings": {"default_payment_method": None},
            "balance": 0,
            "currency": None,
            "default_source": None,
            "delinquent": False,
        },
    )
    account.tell("customer.created", made)
    return made


def retrieve_customer(account: Account, params: Params, ident: str) -> Json:
    params.only(())
    return customer(account, ident, "id", 404)


def update_customer(account: Account, params: Params, ident: str) -> Json:
    params.only(CUSTOMER)
    found = customer(account, ident, "id", 404)
    for name in ("name", "email", "phone", "description"):
        if name in params.values:
            found[name] = params.text(name)
    found["metadata"] |= params.metadata()
    default = params.group("invoice_settings").text("default_payment_method")
    if default is not None:
        attached(account, default, ident, "invoice_settings[default_payment_method]")
        found["invoice_settings"]["default_payment_method"] = default
    account.tell("customer.updated", found)
    return account.save(found)


def list_customers(account: Account, params: Params, _: str) -> Json:
    params.only((*PAGING, "email"))
    email = params.text("email")
    return page(account, "customer", params, "/v1/customers", lambda c: email is None or c["email"] == email)


def payment_method(account: Account, ident: str, param: str, status: int = 400) -> Json:
    """A payment method by id. A test token makes a new one each time it is used."""
    found = account.get("payment_method", ident)
    if found is not None:
        return found
    card = cards.by_token(ident)
    if card is None:
        raise missing("PaymentMethod", ident, param, status)
    return _add_card(account, ident, card, {}, 12, 2040)


def attached(account: Account, ident: str, customer_id: str | None, param: str) -> Json:
    """The payment method, which must belong to this customer."""
    found = payment_method(account, ident, param)
    if found["customer"] != customer_id:
        raise invalid(
            "The PaymentMethod does not belong to the Customer you supplied. Attach it to this Customer first.", param
        )
    return found


def attached_to(account: Account, ident: str) -> str | None:
    """Whose payment method it is now."""
    found = account.get("payment_method", ident)
    return found["customer"] if found else None


def _add_card(account: Account, token: str, card: cards.Card, meta: dict[str, str], month: int, year: int) -> Json:
    body = {
        "type": "card",
        "card": cards.shape(card, month, year),
        "customer": None,
        "metadata": meta,
        "allow_redisplay": "unspecified",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
    }
    made = account.add("payment_method", "pm", body)
    # What the card does is the stand-in's own knowledge; it is kept apart from what the gateway shows.
    account.store.set(f"card:{account.key}:{made['id']}", token)
    return made


def behaviour(account: Account, method_id: str) -> cards.Card:
    """What happens when this card is charged."""
    card = cards.by_token(account.store.setting(f"card:{account.key}:{method_id}") or "")
    assert card is not None, "every payment method was made from a test card"
    return card


def create_method(account: Account, params: Params, _: str) -> Json:
    params.only(("type", "card", "billing_details", "metadata"))
    if params.needed("type") != "card":
        raise invalid("This stand-in knows the type card only.", "type")
    given = params.group("card")
    given.only(("token", "number", "exp_month", "exp_year", "cvc"))
    token = given.text("token") or cards.token_of_number(given.needed("number"))
    card = cards.by_token(token)
    if card is None:
        raise missing("token", token, "card[token]")
    month, year = given.integer("exp_month") or 12, given.integer("exp_year") or 2040
    if not 1 <= month <= 12:
        raise Problem(402, "card_error", "Your card's expiration month is invalid.", code="invalid_expiry_month")
    return _add_card(account, token, card, params.metadata(), month, year)


def retrieve_method(account: Account, params: Params, ident: str) -> Json:
    params.only(())
    found = account.get("payment_method", ident)
    if found is None:
        raise missing("PaymentMethod", ident, "payment_method", 404)
    return found


def attach_method(account: Account, params: Params, ident: str) -> Json:
    params.only(("customer",))
    owner = customer(account, params.needed("customer"), "customer")
    found = payment_method(account, ident, "payment_method", 404)
    if found["customer"] not in (None, owner["id"]):
        raise invalid("The payment method you provided has already been attached to a customer.", "payment_method")
    found["customer"] = owner["id"]
    account.tell("payment_method.attached", found)
    return account.save(found)


def detach_method(account: Account, params: Params, ident: str) -> Json:
    params.only(())
    found = retrieve_method(account, params, ident)
    if found["customer"] is None:
        raise invalid("The payment method you provided is not attached to a customer.", "payment_method")
    found["customer"] = None
    account.tell("payment_method.detached", found)
    return account.save(found)


def list_methods(account: Account, params: Params, _: str) -> Json:
    params.only((*PAGING, "customer", "type"))
    return _methods_of(account, params, params.text("customer"))


def list_methods_of_customer(account: Account, params: Params, ident: str) -> Json:
    params.only((*PAGING, "type"))
    return _methods_of(account, params, customer(account, ident, "customer", 404)["id"])


def _methods_of(account: Account, params: Params, owner: str | None) -> Json:
    def keep(method: dict[str, Any]) -> bool:
        return method["customer"] is not None and owner in (None, method["customer"])

    return page(account, "payment_method", params, "/v1/payment_methods", keep)
