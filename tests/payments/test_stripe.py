"""The Stripe gateway over the real SDK and HTTP."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from stripe import params as stripe_params

from core.errors import Invalid
from core.money import Money
from payments.port import (
    Access,
    BadSignature,
    ChargeRequest,
    Customer,
    GatewayDown,
    GatewayRefused,
    Result,
    charging,
    gateway,
    names,
)
from payments.stripe import PLUGIN, intent_params
from payments.stripe_words import notice
from standins.gateway import customers, intents
from standins.gateway.delivery import sign
from tests.standins.gateway_program import GatewayProgram


@pytest.fixture
def access(gateway: GatewayProgram, key: str) -> Access:
    return Access({"secret_key": key}, ("whsec_old", "whsec_new"), gateway.url)


def request_for(access: Access, token: str = "pm_card_visa", minor: int = 1250) -> ChargeRequest:
    customer = PLUGIN.create_customer(access, Customer(str(uuid4()), "Ada GmbH", "ada@example.com"))
    card = PLUGIN.attach(access, token, customer)
    return ChargeRequest(str(uuid4()), Money(minor, "EUR"), customer, card.reference, "Invoice 2026-1")


def announced(access: Access, token: str = "pm_card_visa") -> str:
    made = PLUGIN.create_intent(access, request_for(access, token))
    assert (made.result, bool(made.reference)) == (Result.UNCONFIRMED, True)
    assert made.reference is not None
    return made.reference


def members_of(typed: str) -> frozenset[str]:
    params: Any = getattr(stripe_params, typed)
    return frozenset(params.__required_keys__ | params.__optional_keys__)


def test_a_charge_is_announced_and_then_made(access: Access, gateway: GatewayProgram, key: str) -> None:
    reference = announced(access)
    assert gateway.charges(key)["count"] == 0
    paid = PLUGIN.confirm(access, reference)
    assert (paid.result, paid.amount, paid.reference) == (Result.SUCCEEDED, Money(1250, "EUR"), reference)
    assert PLUGIN.retrieve(access, reference) == paid


def test_confirming_twice_charges_once(access: Access, gateway: GatewayProgram, key: str) -> None:
    reference = announced(access)
    assert PLUGIN.confirm(access, reference) == PLUGIN.confirm(access, reference)
    assert gateway.charges(key)["count"] == 1


def test_a_declined_charge_stays_declined(access: Access, gateway: GatewayProgram, key: str) -> None:
    reference = announced(access, "pm_card_visa_chargeDeclinedInsufficientFunds")
    declined = PLUGIN.confirm(access, reference)
    assert (declined.result, declined.decline_code, declined.retryable) == (Result.FAILED, "insufficient_funds", True)
    assert PLUGIN.confirm(access, reference) == declined == PLUGIN.retrieve(access, reference)
    assert gateway.charges(key)["count"] == 1


@pytest.mark.parametrize("token", ["pm_card_visa_chargeDeclinedLostCard", "pm_card_chargeDeclinedExpiredCard"])
def test_a_hopeless_card_is_not_retryable(access: Access, token: str) -> None:
    assert PLUGIN.confirm(access, announced(access, token)).retryable is False


def test_a_card_that_wants_its_owner_requires_action(access: Access) -> None:
    outcome = PLUGIN.confirm(access, announced(access, "pm_card_authenticationRequired"))
    assert (outcome.result, outcome.code) == (Result.REQUIRES_ACTION, "authentication_required")


def test_a_charge_of_a_card_that_was_detached_has_failed_for_good(
    access: Access, gateway: GatewayProgram, key: str
) -> None:
    request = request_for(access)
    made = PLUGIN.create_intent(access, request)
    assert made.reference is not None
    PLUGIN.detach(access, request.payment_method)
    refused = PLUGIN.confirm(access, made.reference)
    assert (refused.result, refused.retryable) == (Result.FAILED, False)
    assert "detached" in (refused.message or "")
    assert PLUGIN.retrieve(access, made.reference).result is Result.FAILED
    assert gateway.charges(key)["count"] == 0


def test_no_answer_after_the_charge_is_unknown_until_asked(access: Access, gateway: GatewayProgram, key: str) -> None:
    reference = announced(access)
    gateway.fault("payment_intents.confirm", "no_answer", key=key)
    lost = PLUGIN.confirm(access, reference)
    assert (lost.result, lost.reference, lost.code) == (Result.UNKNOWN, reference, "no_answer")
    assert PLUGIN.retrieve(access, reference).result == Result.SUCCEEDED
    assert gateway.charges(key)["count"] == 1


@pytest.mark.parametrize("fault", ["no_answer_before", "server_error", "rate_limit"])
def test_a_charge_that_never_reached_the_gateway_is_safe_to_confirm(
    access: Access, gateway: GatewayProgram, key: str, fault: str
) -> None:
    reference = announced(access)
    gateway.fault("payment_intents.confirm", fault, key=key)
    assert PLUGIN.confirm(access, reference).result == Result.UNKNOWN
    assert PLUGIN.retrieve(access, reference).result == Result.UNCONFIRMED
    assert PLUGIN.confirm(access, reference).result == Result.SUCCEEDED


def test_announcing_again_after_no_answer_gives_the_same_intent(
    access: Access, gateway: GatewayProgram, key: str
) -> None:
    request = request_for(access)
    gateway.fault("payment_intents.create", "no_answer", key=key)
    assert PLUGIN.create_intent(access, request).result == Result.UNKNOWN
    since = datetime.now(UTC) - timedelta(minutes=1)
    found = PLUGIN.find(access, request, since)
    assert found is not None
    assert PLUGIN.create_intent(access, request).reference == found.reference
    other = ChargeRequest(str(uuid4()), request.amount, request.customer, request.payment_method, "")
    assert PLUGIN.find(access, other, since) is None


def test_an_amount_that_the_gateway_refuses_has_failed_for_good(access: Access) -> None:
    refused = PLUGIN.create_intent(access, request_for(access, minor=49))
    assert (refused.result, refused.code, refused.retryable) == (Result.FAILED, "amount_too_small", False)


@pytest.mark.parametrize(
    ("minor", "currency", "units"), [(1250, "EUR", 1250), (500, "JPY", 500), (500, "ISK", 50000), (70000, "MGA", 700)]
)
def test_an_amount_is_asked_for_in_the_unit_that_stripe_counts_in(
    access: Access, gateway: GatewayProgram, key: str, minor: int, currency: str, units: int
) -> None:
    asked = replace(request_for(access), amount=Money(minor, currency))
    made = PLUGIN.create_intent(access, asked)
    assert made.reference is not None
    assert PLUGIN.confirm(access, made.reference).amount == Money(minor, currency)
    assert gateway.charges(key)["succeeded_amount"] == units


def test_an_amount_that_stripe_cannot_write_is_not_asked_for(access: Access) -> None:
    asked = replace(request_for(access), amount=Money(70050, "MGA"))
    assert PLUGIN.create_intent(access, asked).code == "amount_not_payable"


def test_a_cancelled_charge_can_no_longer_be_made(access: Access, gateway: GatewayProgram, key: str) -> None:
    reference = announced(access)
    assert PLUGIN.cancel(access, reference).result == Result.FAILED
    assert PLUGIN.confirm(access, reference).result == Result.FAILED
    paid = announced(access)
    PLUGIN.confirm(access, paid)
    assert PLUGIN.cancel(access, paid).result == Result.SUCCEEDED
    assert gateway.charges(key)["count"] == 1


def test_a_refund_repeated_refunds_once(access: Access, gateway: GatewayProgram, key: str) -> None:
    reference = announced(access)
    PLUGIN.confirm(access, reference)
    for _ in range(2):
        assert PLUGIN.refund(access, "ref_1", reference, Money(500, "EUR")).result == "succeeded"
    assert gateway.charges(key)["refunded_amount"] == 500
    assert PLUGIN.refund(access, "ref_2", reference, Money(751, "EUR")).result == "failed"
    found = PLUGIN.find_refund(access, "ref_1", reference)
    assert found is not None
    assert found.result == "succeeded"
    assert PLUGIN.find_refund(access, "ref_2", reference) is None


def test_a_card_shows_no_more_than_its_last_digits(access: Access) -> None:
    customer = PLUGIN.create_customer(access, Customer("acc_1", "Ada"))
    assert PLUGIN.create_customer(access, Customer("acc_1", "Ada")) == customer
    card = PLUGIN.attach(access, "pm_card_mastercard", customer)
    assert (card.brand, card.last4, card.exp_year) == ("mastercard", "4444", 2040)
    PLUGIN.detach(access, card.reference)
    PLUGIN.detach(access, card.reference)


def test_a_token_that_is_none_is_refused_with_its_member(access: Access) -> None:
    customer = PLUGIN.create_customer(access, Customer("acc_1", "Ada"))
    with pytest.raises(GatewayRefused) as refused:
        PLUGIN.attach(access, "pm_card_of_nobody", customer)
    assert refused.value.errors[0].pointer == "/token"


def test_a_gateway_that_is_away_is_unavailable_and_unknown() -> None:
    away = Access({"secret_key": "sk_test_x"}, (), "http://127.0.0.1:9")
    with pytest.raises(GatewayDown):
        PLUGIN.create_customer(away, Customer("acc_1", "Ada"))
    assert PLUGIN.confirm(away, "pi_1").result == Result.UNKNOWN


def test_wrong_credentials_charge_nothing(gateway: GatewayProgram) -> None:
    wrong = Access({"secret_key": "sk_live_x"}, (), gateway.url)
    with pytest.raises(GatewayRefused) as refused:
        PLUGIN.register_webhook(wrong, "http://busbar.sandbox/x")
    assert refused.value.code == "credentials_refused"


@pytest.mark.parametrize(
    "given", [{}, {"secret_key": "pk_test_x"}, {"secret_key": 7}, {"secret_key": "sk_test_x", "a": "b"}]
)
def test_malformed_credentials_are_refused(given: Any) -> None:
    with pytest.raises(Invalid):
        PLUGIN.credentials_from(given)


def event_body(kind: str = "payment_intent") -> str:
    subject = {"object": kind, "id": "pi_1", "metadata": {"busbar_attempt": "att_1"}}
    return json.dumps({"id": "evt_1", "object": "event", "type": f"{kind}.succeeded", "data": {"object": subject}})


def test_a_webhook_signed_with_either_secret_is_accepted(access: Access) -> None:
    for secret in access.webhook_secrets:
        found = PLUGIN.verify(access, {"Stripe-Signature": sign(event_body(), secret)}, event_body().encode())
        assert (found.id, found.subject, found.reference, found.attempt) == ("evt_1", "charge", "pi_1", "att_1")


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({}, event_body()),
        ({"Stripe-Signature": "nonsense"}, event_body()),
        ({"Stripe-Signature": "t=x,v1=y"}, event_body()),
        ({"Stripe-Signature": sign(event_body(), "whsec_of_another")}, event_body()),
        ({"Stripe-Signature": sign(event_body(), "whsec_new")}, event_body() + " "),
        ({"Stripe-Signature": sign(event_body(), "whsec_new", int(time.time()) - 301)}, event_body()),
        ({"Stripe-Signature": sign("no json", "whsec_new")}, "no json"),
        ({"Stripe-Signature": sign("{}", "whsec_new")}, "{}"),
        ({"Stripe-Signature": sign("[]", "whsec_new")}, "[]"),
        ({"Stripe-Signature": sign('{"data": "x"}', "whsec_new")}, '{"data": "x"}'),
    ],
)
def test_a_webhook_that_is_not_ours_is_refused(access: Access, header: dict[str, str], body: str) -> None:
    with pytest.raises(BadSignature):
        PLUGIN.verify(access, header, body.encode())


def test_a_webhook_body_that_is_no_text_is_refused(access: Access) -> None:
    with pytest.raises(BadSignature):
        PLUGIN.verify(access, {"Stripe-Signature": "t=1,v1=x"}, b"\xff\xfe")


def test_an_event_about_something_else_is_about_nothing() -> None:
    assert notice(json.loads(event_body("customer"))).subject is None


@given(st.integers(1, 10**8), st.sampled_from(["EUR", "JPY", "KWD"]), st.text(max_size=40))
def test_what_is_asked_for_a_charge_is_what_the_sdk_types_allow(minor: int, currency: str, description: str) -> None:
    params = intent_params(ChargeRequest("att", Money(minor, currency), "cus_1", "pm_1", description))
    assert set(params) <= members_of("PaymentIntentCreateParams")
    assert set(params["automatic_payment_methods"]) <= {"enabled", "allow_redirects"}
    assert params["amount"] == minor


@pytest.mark.parametrize(
    ("known", "typed"),
    [
        (intents.CREATE, "PaymentIntentCreateParams"),
        (intents.CONFIRM, "PaymentIntentConfirmParams"),
        (customers.CUSTOMER, "CustomerCreateParams"),
    ],
)
def test_the_stand_in_takes_no_parameter_that_the_sdk_does_not_know(known: Any, typed: str) -> None:
    assert set(known) <= members_of(typed)


def test_every_request_sent_is_typed_by_the_sdk(
    access: Access, gateway: GatewayProgram, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listens on the SDK's way out, and holds each request's members against the typed parameters of its call."""
    sent: list[tuple[str, str, set[str]]] = []
    original: Any = stripe.StripeClient(key)._requestor.__class__.request

    def listen(self: Any, method: str, url: str, params: Any = None, *args: Any, **kwargs: Any) -> Any:
        sent.append((method, url, set(params or {})))
        return original(self, method, url, params, *args, **kwargs)

    monkeypatch.setattr(stripe.StripeClient(key)._requestor.__class__, "request", listen)
    request = request_for(access)
    made = PLUGIN.create_intent(access, request)
    assert made.reference is not None
    PLUGIN.confirm(access, made.reference)
    PLUGIN.find(access, request, datetime.now(UTC))
    PLUGIN.refund(access, "ref_9", made.reference, Money(100, "EUR"))
    PLUGIN.cancel(access, announced(access))
    PLUGIN.register_webhook(access, "http://busbar.sandbox/v1/inbound/stripe/gwa_1")
    PLUGIN.detach(access, request.payment_method)
    typed = {
        "/v1/customers": "CustomerCreateParams",
        "attach": "PaymentMethodAttachParams",
        "confirm": "PaymentIntentConfirmParams",
        "cancel": "PaymentIntentCancelParams",
        "detach": "PaymentMethodDetachParams",
        "/v1/refunds": "RefundCreateParams",
        "/v1/webhook_endpoints": "WebhookEndpointCreateParams",
    }
    assert len(sent) >= 12
    for method, url, members in sent:
        name = "PaymentIntentListParams" if method == "get" else "PaymentIntentCreateParams"
        name = typed.get(url, typed.get(url.rsplit("/", 1)[-1], name))
        assert members <= members_of(name), (url, members)


def test_gateways_are_found_by_name() -> None:
    assert names() == ("manual", "stripe")
    assert gateway("manual").automatic is False
    assert charging("stripe").is_test({"secret_key": "sk_test_1"})
    assert not charging("stripe").is_test({"secret_key": "sk_live_1"})
    for wrong in (lambda: gateway("paypal"), lambda: charging("manual")):
        with pytest.raises(Invalid):
            wrong()


def test_a_manual_account_takes_no_credentials() -> None:
    assert gateway("manual").credentials_from({}) == {}
    with pytest.raises(Invalid):
        gateway("manual").credentials_from({"secret_key": "x"})
