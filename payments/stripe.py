"""Stripe, by its official SDK: off-session payment intents, created unconfirmed and confirmed in a second step.

Source: Stripe API version 2026-10-28, to which the SDK is pinned. Rules this file relies on, as Stripe documents them:
an intent succeeds at most once; a declined intent forgets its payment method, so a repeated confirmation without one
charges nothing; the answer of an idempotency key is kept for at least 24 hours; a list by customer is consistent at
once, the search is not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import requests
import stripe
from stripe.params import (
    CustomerCreateParams,
    PaymentIntentCreateParams,
    PaymentIntentListParams,
    RefundCreateParams,
    RefundListParams,
    WebhookEndpointCreateParams,
)

from core.errors import Invalid
from core.money import Money
from payments.port import (
    Access,
    BadSignature,
    Card,
    ChargeRequest,
    Customer,
    Errand,
    GatewayDown,
    GatewayRefused,
    Notice,
    Outcome,
    RefundOutcome,
    Registration,
    Result,
)
from payments.stripe_words import code, is_final, member, notice, outcome, page, refunded, refusal, unit_amount, words

TIMEOUT_S = 20.0
EVENTS = [
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "refund.created",
    "refund.updated",
    "refund.failed",
]
_KEY = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9_]{1,200}", re.ASCII)


class Stripe:
    """The port, spoken in Stripe's words."""

    name = "stripe"
    automatic = True

    def credentials_from(self, given: Mapping[str, object]) -> dict[str, str]:
        """`{"secret_key": "sk_test_…"}`; a restricted key will do."""
        for name in given:
            if name != "secret_key":
                raise Invalid("credentials_unexpected", f"Stripe knows no credential {name}.", f"/credentials/{name}")
        key = given.get("secret_key")
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise Invalid("secret_key_malformed", "A secret key looks like sk_test_….", "/credentials/secret_key")
        return {"secret_key": key}

    def is_test(self, credentials: Mapping[str, str]) -> bool:
        return "_test_" in credentials["secret_key"][:8]

    def register_webhook(self, access: Access, url: str) -> Registration:
        params: WebhookEndpointCreateParams = {"url": url, "enabled_events": EVENTS}  # type: ignore[typeddict-item]
        with _plainly():
            made = _client(access).v1.webhook_endpoints.create(params)
        return Registration(made.id, made.secret or "")

    def create_customer(self, access: Access, customer: Customer) -> str:
        params: CustomerCreateParams = {"name": customer.name, "metadata": {"busbar_account": customer.id}}
        if customer.email:
            params["email"] = customer.email
        # The key keeps a repeated request from making a second customer; another name or address is another request.
        digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
        with _plainly():
            return _client(access).v1.customers.create(params, {"idempotency_key": f"busbar-customer-{digest}"}).id

    def attach(self, access: Access, token: str, customer: str) -> Card:
        with _plainly():
            made = _client(access).v1.payment_methods.attach(token, {"customer": customer})
        card: Any = made.card or {}
        return Card(
            customer=customer,
            reference=made.id,
            kind=made.type,
            brand=getattr(card, "brand", None),
            last4=getattr(card, "last4", None),
            exp_month=getattr(card, "exp_month", None),
            exp_year=getattr(card, "exp_year", None),
            fingerprint=getattr(card, "fingerprint", None),
        )

    def detach(self, access: Access, reference: str) -> None:
        try:
            _client(access).v1.payment_methods.detach(reference)
        except stripe.InvalidRequestError:
            return
        except stripe.StripeError as error:
            raise GatewayDown("gateway_unavailable", "The card gateway does not answer; try again later.") from error

    def create_intent(self, access: Access, request: ChargeRequest) -> Outcome:
        if unit_amount(request.amount) is None:
            return Outcome(Result.FAILED, code="amount_not_payable", message="Stripe takes whole units of it only.")
        options: stripe.RequestOptions = {"idempotency_key": f"busbar-{request.attempt}-intent"}
        try:
            made = _client(access).v1.payment_intents.create(intent_params(request), options)
        except stripe.StripeError as error:
            return refusal(error)
        return outcome(made)

    def confirm(self, access: Access, reference: str) -> Outcome:
        # No payment method is named and no key is fixed: the intent itself can succeed only once, and an answer that
        # was kept for a key (a 500, say) would stand in the way of asking again.
        try:
            return outcome(_client(access).v1.payment_intents.confirm(reference, {"off_session": True}))
        except stripe.StripeError as error:
            known = refusal(error, reference)
            return self._hopeless(access, known) if is_final(error, known) else known

    def _hopeless(self, access: Access, refused: Outcome) -> Outcome:
        """An intent that cannot be confirmed as it is, its card was detached, say: cancelled, it never charges."""
        assert refused.reference is not None, "only an intent is confirmed"
        ended = self.cancel(access, refused.reference)
        said = replace(ended, code=refused.code, message=refused.message)
        return said if ended.result is Result.FAILED else ended

    def authenticate(self, access: Access, reference: str, payment_method: str, return_url: str) -> Errand:
        # With an address to come back to, Stripe answers with a page to go to; without one, with a word to its script.
        intents = _client(access).v1.payment_intents
        try:
            intent = intents.retrieve(reference)
            if intent.status in ("requires_payment_method", "requires_confirmation"):
                intent = intents.confirm(reference, {"payment_method": payment_method, "return_url": return_url})
        except stripe.StripeError as error:
            return Errand(refusal(error, reference))
        return Errand(outcome(intent), page(intent))

    def retrieve(self, access: Access, reference: str) -> Outcome:
        try:
            return outcome(_client(access).v1.payment_intents.retrieve(reference))
        except stripe.StripeError as error:
            return Outcome(Result.UNKNOWN, reference, code=code(error), message=words(error))

    def find(self, access: Access, request: ChargeRequest, since: datetime) -> Outcome | None:
        params: PaymentIntentListParams = {
            "customer": request.customer,
            "created": {"gte": int(since.timestamp()) - 60},  # the two clocks need not agree to the second
            "limit": 100,
        }
        try:
            for intent in _client(access).v1.payment_intents.list(params).auto_paging_iter():
                if member(intent.metadata, "busbar_attempt") == request.attempt:
                    return outcome(intent)
        except stripe.StripeError as error:
            return Outcome(Result.UNKNOWN, code=code(error), message=words(error))
        return None

    def cancel(self, access: Access, reference: str) -> Outcome:
        try:
            return outcome(_client(access).v1.payment_intents.cancel(reference))
        except stripe.InvalidRequestError:
            return self.retrieve(access, reference)  # it succeeded or was cancelled before
        except stripe.StripeError as error:
            return Outcome(Result.UNKNOWN, reference, code=code(error), message=words(error))

    def refund(self, access: Access, refund: str, charge: str, amount: Money) -> RefundOutcome:
        unit = unit_amount(amount)
        if unit is None:
            return RefundOutcome("failed", code="amount_not_payable", message="Stripe gives whole units of it only.")
        params: RefundCreateParams = {
            "payment_intent": charge,
            "amount": unit,
            "metadata": {"busbar_refund": refund},
        }
        try:
            made = _client(access).v1.refunds.create(params, {"idempotency_key": f"busbar-{refund}"})
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            return RefundOutcome("failed", code=code(error), message=words(error))
        except stripe.StripeError as error:
            return RefundOutcome("unknown", code=code(error), message=words(error))
        return refunded(made)

    def find_refund(self, access: Access, refund: str, charge: str) -> RefundOutcome | None:
        params: RefundListParams = {"payment_intent": charge, "limit": 100}
        try:
            for made in _client(access).v1.refunds.list(params).auto_paging_iter():
                if made.metadata and member(made.metadata, "busbar_refund") == refund:
                    return refunded(made)
        except stripe.StripeError as error:
            return RefundOutcome("unknown", code=code(error), message=words(error))
        return None

    def verify(self, access: Access, headers: Mapping[str, str], body: bytes) -> Notice:
        header = {name.lower(): value for name, value in headers.items()}.get("stripe-signature")
        for secret in access.webhook_secrets:
            try:
                stripe.WebhookSignature.verify_header(body, header, secret, stripe.Webhook.DEFAULT_TOLERANCE)
                return notice(json.loads(body))
            except (stripe.SignatureVerificationError, ValueError, LookupError, TypeError, AttributeError):
                continue
        raise BadSignature


def intent_params(request: ChargeRequest) -> PaymentIntentCreateParams:
    """What is asked of Stripe for one charge. Redirecting methods are off: nobody is there to be redirected."""
    return {
        "amount": unit_amount(request.amount) or 0,
        "currency": request.amount.currency.lower(),
        "customer": request.customer,
        "payment_method": request.payment_method,
        "description": request.description,
        "metadata": {"busbar_attempt": request.attempt},
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
    }


@cache
def _http(process: int, direct: bool) -> stripe.RequestsClient:
    """One per process, for its kept connections. A gateway that was named by address is reached without any proxy."""
    if not direct:
        return stripe.RequestsClient(timeout=TIMEOUT_S)
    session = requests.Session()
    session.trust_env = False
    return stripe.RequestsClient(timeout=TIMEOUT_S, session=session)


def _client(access: Access) -> stripe.StripeClient:
    return stripe.StripeClient(
        access.credentials["secret_key"],
        base_addresses={"api": access.base_url} if access.base_url else None,
        http_client=_http(os.getpid(), access.base_url is not None),
        max_network_retries=0,  # the database decides what is asked again, and when
    )


class _plainly:  # noqa: N801 -- a context manager, read as a word
    """Turns the SDK's errors into the port's, for calls that move no money."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, stripe.InvalidRequestError | stripe.CardError):
            raise GatewayRefused("gateway_refused", words(error), "/token") from error
        if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
            detail = "The card gateway refuses the credentials of this gateway account."
            raise GatewayRefused("credentials_refused", detail, "/gateway_account") from error
        if isinstance(error, stripe.StripeError):
            raise GatewayDown("gateway_unavailable", "The card gateway does not answer; try again later.") from error


PLUGIN = Stripe()
