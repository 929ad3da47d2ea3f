"""The stand-in against the official SDK: what Stripe documents is what it does."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.standins.gateway_program import GatewayProgram, fresh_key

AUTOMATIC = {"enabled": True, "allow_redirects": "never"}


def card_of(client: stripe.StripeClient, token: str) -> tuple[str, str]:
    customer = client.v1.customers.create({"name": "Ada"})
    return customer.id, client.v1.payment_methods.attach(token, {"customer": customer.id}).id


def intent_for(client: stripe.StripeClient, token: str = "pm_card_visa", amount: int = 1250, **more: Any) -> Any:
    customer, method = card_of(client, token)
    return client.v1.payment_intents.create(
        {
            "amount": amount,
            "currency": "eur",
            "customer": customer,
            "payment_method": method,
            "automatic_payment_methods": AUTOMATIC,
            **more,
        }
    )


def test_a_confirmed_intent_is_one_charge(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    intent = intent_for(client, metadata={"attempt": "att_1"})
    assert (intent.status, intent.metadata["attempt"]) == ("requires_confirmation", "att_1")
    paid = client.v1.payment_intents.confirm(intent.id, {"off_session": True})
    assert (paid.status, paid.amount_received) == ("succeeded", 1250)
    assert client.v1.charges.retrieve(str(paid.latest_charge)).payment_intent == intent.id
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.confirm(intent.id, {"off_session": True})
    assert refused.value.code == "payment_intent_unexpected_state"
    assert gateway.charges(key)["count"] == 1


@pytest.mark.parametrize(
    ("token", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ],
)
def test_a_declining_card_answers_402_with_its_decline_code(
    gateway: GatewayProgram, key: str, token: str, code: str, decline_code: str
) -> None:
    client = gateway.client(key)
    intent = intent_for(client, token)
    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_intents.confirm(intent.id, {"off_session": True})
    assert declined.value.http_status == 402
    assert declined.value.error is not None
    assert (declined.value.error.code, declined.value.error.decline_code) == (code, decline_code)
    after = client.v1.payment_intents.retrieve(intent.id)
    assert (after.status, after.payment_method) == ("requires_payment_method", None)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.confirm(intent.id, {"off_session": True})
    assert (gateway.charges(key)["failed"], gateway.charges(key)["succeeded"]) == (1, 0)


def test_a_card_that_was_bad_can_be_made_good(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    intent = intent_for(client, "pm_card_chargeDeclined")
    method = str(intent.payment_method)
    with pytest.raises(stripe.CardError):
        client.v1.payment_intents.confirm(intent.id, {"off_session": True})
    gateway.control(f"payment_methods/{method}", behaves_as="pm_card_visa")
    again = client.v1.payment_intents.confirm(intent.id, {"off_session": True, "payment_method": method})
    assert again.status == "succeeded"


def test_on_session_an_authentication_is_asked_for(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    intent = client.v1.payment_intents.confirm(intent_for(client, "pm_card_authenticationRequired").id)
    assert intent.status == "requires_action"


def test_the_same_key_and_parameters_get_the_same_answer(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    customer, method = card_of(client, "pm_card_mastercard")
    params: dict[str, Any] = {"amount": 900, "currency": "eur", "customer": customer, "payment_method": method}
    same: Any = params
    first = client.v1.payment_intents.create(same, {"idempotency_key": "one"})
    second = client.v1.payment_intents.create(same, {"idempotency_key": "one"})
    assert first.id == second.id
    assert second.last_response is not None
    assert second.last_response.headers["idempotent-replayed"] == "true"
    changed: Any = params | {"amount": 901}
    with pytest.raises(stripe.IdempotencyError) as refused:
        client.v1.payment_intents.create(changed, {"idempotency_key": "one"})
    assert refused.value.http_status == 400


def test_a_decline_is_kept_for_its_key_and_a_wrong_parameter_is_not(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    intent = intent_for(client, "pm_card_chargeDeclined")
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            client.v1.payment_intents.confirm(intent.id, {"off_session": True}, {"idempotency_key": "c"})
    assert gateway.charges(key)["count"] == 1
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create({"amount": 1, "currency": "eur"}, {"idempotency_key": "d"})
    assert client.v1.payment_intents.create({"amount": 90, "currency": "eur"}, {"idempotency_key": "d"}).amount == 90


def test_two_requests_of_one_key_at_once_are_one(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    answers: list[str] = []
    refusals: list[int | None] = []

    def create() -> None:
        try:
            made = client.v1.payment_intents.create({"amount": 500, "currency": "eur"}, {"idempotency_key": "same"})
            answers.append(made.id)
        except stripe.StripeError as error:
            refusals.append(error.http_status)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert set(refusals) <= {409}
    assert len(client.v1.payment_intents.list().data) == 1


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"currency": "eur"}, "amount", "parameter_missing"),
        ({"amount": 49, "currency": "eur"}, "amount", "amount_too_small"),
        ({"amount": 100_000_000, "currency": "eur"}, "amount", "amount_too_large"),
        ({"amount": 100, "currency": "euro"}, "currency", None),
        ({"amount": 100, "currency": "eur", "customer": "cus_none"}, "customer", "resource_missing"),
        ({"amount": 100, "currency": "eur", "payment_method": "pm_none"}, "payment_method", "resource_missing"),
        (
            {"amount": 100, "currency": "eur", "payment_method_types": ["card"]},
            "payment_method_types",
            "parameter_unknown",
        ),
        ({"amount": 100, "currency": "eur", "off_session": True}, "off_session", None),
    ],
)
def test_a_wrong_parameter_is_named(
    gateway: GatewayProgram, key: str, params: Any, param: str, code: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        gateway.client(key).v1.payment_intents.create(params)
    assert (refused.value.http_status, refused.value.param, refused.value.code) == (400, param, code)


def test_a_card_of_another_customer_is_refused(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    _, method = card_of(client, "pm_card_visa")
    other = client.v1.customers.create({"name": "Eve"})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create(
            {"amount": 100, "currency": "eur", "customer": other.id, "payment_method": method}
        )


def test_redirecting_methods_need_an_address_to_return_to(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    intent = intent_for(client, automatic_payment_methods={"enabled": True})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.confirm(intent.id, {"off_session": True})
    assert refused.value.param == "return_url"


def test_one_key_never_sees_what_another_made(gateway: GatewayProgram, key: str) -> None:
    intent = intent_for(gateway.client(key))
    other = gateway.client(fresh_key())
    with pytest.raises(stripe.InvalidRequestError) as refused:
        other.v1.payment_intents.retrieve(intent.id)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert other.v1.payment_intents.list().data == []


def test_a_key_that_is_no_test_key_is_refused(gateway: GatewayProgram) -> None:
    with pytest.raises(stripe.AuthenticationError):
        gateway.client("sk_live_abc").v1.customers.list()


def test_no_answer_after_the_charge_leaves_the_charge_made(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    intent = intent_for(client)
    gateway.fault("payment_intents.confirm", "no_answer", key=key)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.payment_intents.confirm(intent.id, {"off_session": True})
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    assert gateway.charges(key)["succeeded"] == 1


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("no_answer_before", stripe.APIConnectionError, "requires_confirmation"),
        ("server_error", stripe.APIError, "requires_confirmation"),
        ("server_error_after", stripe.APIError, "succeeded"),
        ("rate_limit", stripe.RateLimitError, "requires_confirmation"),
    ],
)
def test_a_fault_happens_once_and_says_what_it_left(
    gateway: GatewayProgram, key: str, fault: str, error: type[Exception], status: str
) -> None:
    client = gateway.client(key)
    intent = intent_for(client)
    gateway.fault("payment_intents.confirm", fault, key=key)
    with pytest.raises(error):
        client.v1.payment_intents.confirm(intent.id, {"off_session": True})
    assert client.v1.payment_intents.retrieve(intent.id).status == status


def test_a_refund_never_exceeds_its_charge(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    intent = client.v1.payment_intents.confirm(intent_for(client, amount=1000).id)
    first = client.v1.refunds.create({"payment_intent": intent.id, "amount": 400}, {"idempotency_key": "r"})
    again = client.v1.refunds.create({"payment_intent": intent.id, "amount": 400}, {"idempotency_key": "r"})
    assert first.id == again.id
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 601})
    client.v1.refunds.create({"payment_intent": intent.id})
    assert gateway.charges(key)["refunded_amount"] == 1000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"


def test_lists_are_newest_first_and_turn_pages(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    made = [client.v1.customers.create({"name": str(n)}).id for n in range(7)]
    first = client.v1.customers.list({"limit": 3})
    assert [c.id for c in first.data] == made[:3:-1]
    assert [c.id for c in first.auto_paging_iter()] == made[::-1]


def test_events_tell_what_happened(gateway: GatewayProgram, key: str) -> None:
    client = gateway.client(key)
    client.v1.payment_intents.confirm(intent_for(client).id)
    types = [event.type for event in client.v1.events.list({"limit": 20}).data]
    assert types[:3] == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]
    assert len(client.v1.events.list({"types": ["charge.succeeded"]}).data) == 1


def test_everything_survives_a_kill(tmp_path: Path) -> None:
    before, key = GatewayProgram(tmp_path / "state.sqlite"), fresh_key()
    intent = intent_for(before.client(key))
    before.client(key).v1.payment_intents.confirm(intent.id)
    before.kill()
    after = GatewayProgram(tmp_path / "state.sqlite")
    assert after.client(key).v1.payment_intents.retrieve(intent.id).status == "succeeded"
    assert after.charges(key)["succeeded_amount"] == 1250
    after.kill()


def test_an_unknown_route_or_setting_is_refused(gateway: GatewayProgram, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    assert gateway.http.get("/v1/balance", headers=headers).status_code == 404
    assert gateway.http.get("/v1/customers").status_code == 401
    assert gateway.http.post("/_control/faults", json={"route": "x", "fault": "no_answer"}).status_code == 422
    assert gateway.http.post("/_control/payment_methods/pm_x", json={"behaves_as": "gold"}).status_code == 422
