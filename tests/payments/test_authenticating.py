"""A charge whose customer has to authenticate, at the port to gateways."""

from __future__ import annotations

import pytest

from payments.port import Access, Result
from payments.stripe import PLUGIN
from tests.payments.test_stripe import access, request_for
from tests.standins.gateway_program import GatewayProgram

__all__ = ["access"]
BACK = "http://127.0.0.1:9/back"


def waiting(access: Access) -> tuple[str, str]:
    """The ids of an intent that waits for its customer, and of its card."""
    request = request_for(access, "pm_card_authenticationRequired")
    made = PLUGIN.create_intent(access, request)
    assert made.reference
    assert PLUGIN.confirm(access, made.reference).result is Result.REQUIRES_ACTION
    return made.reference, request.payment_method


@pytest.mark.parametrize(("answer", "result"), [("approve", Result.SUCCEEDED), ("refuse", Result.FAILED)])
def test_what_the_customer_decides_at_its_bank_is_what_becomes_of_the_charge(
    access: Access, gateway: GatewayProgram, answer: str, result: Result
) -> None:
    reference, method = waiting(access)
    errand = PLUGIN.authenticate(access, reference, method, BACK)
    assert errand.outcome.result is Result.REQUIRES_ACTION
    assert errand.url is not None
    assert PLUGIN.authenticate(access, reference, method, BACK) == errand  # asked twice, it is the same page
    gateway.http.post(errand.url, data={"answer": answer})
    assert PLUGIN.retrieve(access, reference).result is result


def test_a_card_that_needs_no_bank_after_all_is_charged_at_once(
    access: Access, gateway: GatewayProgram, key: str
) -> None:
    reference, method = waiting(access)
    gateway.control(f"payment_methods/{method}", behaves_as="pm_card_visa")
    errand = PLUGIN.authenticate(access, reference, method, BACK)
    assert (errand.outcome.result, errand.url) == (Result.SUCCEEDED, None)
    assert gateway.charges(key)["succeeded"] == 1


def test_a_gateway_that_does_not_answer_leaves_the_charge_unknown(
    access: Access, gateway: GatewayProgram, key: str
) -> None:
    reference, method = waiting(access)
    gateway.fault("payment_intents.confirm", "no_answer", key=key)
    errand = PLUGIN.authenticate(access, reference, method, BACK)
    assert (errand.outcome.result, errand.url) == (Result.UNKNOWN, None)
    assert PLUGIN.authenticate(access, reference, method, BACK).url is not None
