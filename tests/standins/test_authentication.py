"""The bank's page of the stand-in: a customer lets a charge pass, or refuses it, and comes back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.standins.gateway_program import GatewayProgram
from tests.standins.test_gateway import intent_for

BACK = "http://127.0.0.1:9/back?a=b"


def sent_to_the_bank(gateway: GatewayProgram, key: str) -> tuple[Any, str]:
    """A charge that waits, and the bank's page for it."""
    client = gateway.client(key)
    made = intent_for(client, "pm_card_authenticationRequired")
    intent = client.v1.payment_intents.confirm(made.id, {"return_url": BACK})
    assert (intent.status, intent.next_action.type) == ("requires_action", "redirect_to_url")
    return intent, intent.next_action.redirect_to_url.url


@pytest.mark.parametrize(
    ("answer", "status", "paid", "event"),
    [
        ("approve", "succeeded", 1, "payment_intent.succeeded"),
        ("refuse", "requires_payment_method", 0, "payment_intent.payment_failed"),
    ],
)
def test_a_customer_decides_once_and_is_sent_back(
    gateway: GatewayProgram, key: str, answer: str, status: str, paid: int, event: str
) -> None:
    intent, url = sent_to_the_bank(gateway, key)
    assert "12.50 EUR" in gateway.http.get(url).text
    decided = gateway.http.post(url, data={"answer": answer})
    assert (decided.status_code, decided.headers["Location"]) == (303, f"{BACK}&payment_intent={intent.id}")
    client = gateway.client(key)
    assert client.v1.payment_intents.retrieve(intent.id).status == status
    assert gateway.charges(key)["succeeded"] == paid
    assert client.v1.events.list({"types": [event]}).data
    gateway.http.post(url, data={"answer": "approve"})
    assert gateway.charges(key)["succeeded"] == paid


def test_an_address_that_nobody_was_sent_to_is_not_found(gateway: GatewayProgram) -> None:
    assert gateway.http.get("/authenticate/pi_secret_0").status_code == 404
    assert gateway.http.post("/authenticate/pi_secret_0", data={"answer": "approve"}).status_code == 404
