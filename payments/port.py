"""The port to gateways: the values that go in and come out, and what a gateway must be able to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Protocol

from core.errors import Invalid, Unavailable
from core.money import Money
from core.registry import plugins


@dataclass(frozen=True)
class Access:
    """How to reach one seller's account at a gateway.

    Args:
        credentials: secrets by name, as the gateway's `credentials_from` gave them.
        webhook_secrets: every secret that may have signed an inbound webhook; several while one is being replaced.
        base_url: the gateway's address; None is the real one.
    """

    credentials: Mapping[str, str] = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    base_url: str | None = None


class Result(StrEnum):
    """What is known about one charge."""

    UNCONFIRMED = "unconfirmed"  # made, not charged: confirming it is safe
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # nothing was charged, and this one never will be
    REQUIRES_ACTION = "requires_action"  # the customer has to authenticate
    UNKNOWN = "unknown"  # no answer: ask again, never charge anew


@dataclass(frozen=True)
class Outcome:
    """What a gateway says about one charge.

    Args:
        reference: the gateway's own id of the charge's intent; None while no intent is known.
        charge: the gateway's id of the movement of money, once there is one.
        amount: what was collected, where it succeeded.
        code, decline_code, message: why not, in the gateway's words, where it failed.
        retryable: whether the same card may be tried again later.
    """

    result: Result
    reference: str | None = None
    charge: str | None = None
    amount: Money | None = None
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None
    retryable: bool = False


@dataclass(frozen=True)
class Errand:
    """What became of a charge that its customer was to authenticate, and where the customer goes for that.

    Args:
        url: the page of the bank or the gateway; None where there is nothing to be done there.
    """

    outcome: Outcome
    url: str | None = None


@dataclass(frozen=True)
class Customer:
    """Whom a card belongs to, as the gateway should know it. `id` is our account's id."""

    id: str
    name: str
    email: str | None = None


@dataclass(frozen=True)
class Card:
    """An attached payment method: the gateway's ids, and what may be shown of it."""

    customer: str
    reference: str
    kind: str
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    fingerprint: str | None = None


@dataclass(frozen=True)
class ChargeRequest:
    """One charge to be made. `attempt` is our attempt's id: it travels as metadata and names the idempotency key."""

    attempt: str
    amount: Money
    customer: str
    payment_method: str
    description: str


@dataclass(frozen=True)
class RefundOutcome:
    """What a gateway says about one refund: `succeeded`, `pending`, `failed` or `unknown`."""

    result: str
    reference: str | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Registration:
    """A webhook endpoint that was made at the gateway, and the secret it signs with."""

    reference: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Notice:
    """A verified inbound webhook: which charge or refund to look at. It is a hint; the truth is asked for.

    Args:
        id: the gateway's id of the event, its identity however often it is told.
        subject: `"charge"`, `"refund"`, or None where the event is about nothing we follow.
        reference: the gateway's id of the subject.
        attempt: our attempt's id, where the subject carries it.
    """

    id: str
    type: str
    subject: str | None
    reference: str | None
    attempt: str | None


class BadSignature(Exception):
    """An inbound webhook that this account did not sign, or signed too long ago."""


class GatewayRefused(Invalid):
    """The gateway refuses what it was asked: a wrong token, wrong credentials. Nothing was done."""


class GatewayDown(Unavailable):
    """The gateway gave no usable answer to something that may safely be asked again."""


class Gateway(Protocol):
    """What every gateway has. One that is not `automatic` cannot charge: somebody records what arrived."""

    name: str
    automatic: bool

    def credentials_from(self, given: Mapping[str, object]) -> dict[str, str]:
        """The credentials that this gateway needs, checked.

        Raises:
            core.errors.Invalid: one is missing, malformed or unknown.
        """
        ...


class ChargingGateway(Gateway, Protocol):
    """A gateway that takes money by itself: announced first, so that the charge's id is kept before money moves."""

    def is_test(self, credentials: Mapping[str, str]) -> bool:
        """Whether these credentials move no real money."""
        ...

    def register_webhook(self, access: Access, url: str) -> Registration:
        """Have the gateway tell `url` about charges and refunds. Raises GatewayRefused or GatewayDown."""
        ...

    def create_customer(self, access: Access, customer: Customer) -> str:
        """The gateway's id for a customer; the same one for the same `customer.id` within a day."""
        ...

    def attach(self, access: Access, token: str, customer: str) -> Card:
        """Attach what the token stands for to a customer. Raises GatewayRefused or GatewayDown."""
        ...

    def detach(self, access: Access, reference: str) -> None:
        """Forget a payment method. One that is gone already is no error."""
        ...

    def create_intent(self, access: Access, request: ChargeRequest) -> Outcome:
        """Announce a charge without making it. Repeating it within 24 hours gives the same intent.

        Returns:
            UNCONFIRMED with the reference, FAILED where the gateway refuses it, UNKNOWN where it does not answer.
        """
        ...

    def confirm(self, access: Access, reference: str) -> Outcome:
        """Make the charge. A second confirmation never charges twice: the intent can succeed once only."""
        ...

    def authenticate(self, access: Access, reference: str, payment_method: str, return_url: str) -> Errand:
        """Make a charge that its customer has to authenticate, now that the customer is here.

        Args:
            return_url: where the customer's browser comes back to.
        """
        ...

    def retrieve(self, access: Access, reference: str) -> Outcome:
        """Ask what became of a charge."""
        ...

    def find(self, access: Access, request: ChargeRequest, since: datetime) -> Outcome | None:
        """Look for the intent of an attempt whose id never reached us. None: there is none since then."""
        ...

    def cancel(self, access: Access, reference: str) -> Outcome:
        """Make sure that a charge which was not made never will be: FAILED, or what it became before."""
        ...

    def refund(self, access: Access, refund: str, charge: str, amount: Money) -> RefundOutcome:
        """Give back part of a charge's intent. `refund` is our id: repeating it refunds once."""
        ...

    def find_refund(self, access: Access, refund: str, charge: str) -> RefundOutcome | None:
        """Look for a refund whose id never reached us. None: it was not made."""
        ...

    def verify(self, access: Access, headers: Mapping[str, str], body: bytes) -> Notice:
        """Check who sent a webhook and say what it is about. Raises BadSignature, before anything is parsed."""
        ...


@cache
def _all() -> dict[str, Gateway]:
    return plugins("payments")


def names() -> tuple[str, ...]:
    """Every gateway's name."""
    return tuple(_all())


def gateway(name: str, pointer: str = "/gateway") -> Gateway:
    """The gateway of a name, or `Invalid` with `gateway_unknown`."""
    found = _all().get(name)
    if found is None:
        raise Invalid("gateway_unknown", f"There is no gateway {name}; there are {', '.join(names())}.", pointer)
    return found


def charging(name: str, pointer: str = "/gateway_account") -> ChargingGateway:
    """The gateway of a name, which must be able to charge, or `Invalid` with `gateway_cannot_charge`."""
    found = gateway(name, pointer)
    if not found.automatic:
        raise Invalid("gateway_cannot_charge", f"{name} takes no money by itself; record what arrived.", pointer)
    return found  # type: ignore[return-value]  # `automatic` says that it is one
