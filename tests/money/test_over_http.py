"""Money over HTTP: methods, payments by hand, refunds, webhooks of gateways, dunning, and who may do what."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from core.errors import Forbidden, NotFound
from core.ids import decode, encode
from jobs import money
from models.payments import GatewayAccount, InboundEvent, Refund
from services import collection, dunning, gateway_accounts, inbound, payments_manual
from services.payments_manual import NewPayment
from standins.gateway.delivery import sign
from tests.api.conftest import Caller
from tests.builders.payments import Till

TOTAL = 84309


def owing(till: Till, token: str | None = None) -> tuple[str, str]:
    """A payer that owes one invoice: the ids of both."""
    payer = till.payer(token)
    (invoice_id,) = till.bill()
    return encode("account", payer.id), encode("invoice", invoice_id)


def begin(till: Till) -> None:
    for invoice_id in till.invoices("open"):
        with till.open() as ctx:
            collection.collect(ctx, invoice_id, "finalized")
    till.collect()


def by_hand(account: str, amount: int = TOTAL, **more: Any) -> dict[str, Any]:
    return {"account": account, "method": "manual", "amount": amount, "currency": "EUR", **more}


def answer(response: Any) -> Any:
    return response.json


def shown(caller: Caller, path: str) -> Any:
    return answer(caller.get(path))


def posted(caller: Caller, path: str) -> Any:
    return answer(caller.post(path, {}))


def refused(answer: Any, status: int, code: str, pointer: str | None = None) -> None:
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.get_data(as_text=True)
    if pointer is not None:
        assert answer.json["errors"][0]["pointer"] == pointer


def test_a_card_is_attached_shown_and_charged(till: Till, client: Caller) -> None:
    account, invoice = owing(till)
    method = client.made("/v1/payment-methods", {"account": account, "token": "pm_card_mastercard"})
    assert method["card"] == {"brand": "mastercard", "last4": "4444", "exp_month": 12, "exp_year": 2040}
    assert (method["is_default"], method["kind"], method["account"]) == (True, "card", account)
    assert client.get(f"/v1/payment-methods/{method['id']}").json == method
    assert shown(client, f"/v1/payment-methods?account={account}")["data"] == [method]
    attempt = client.made(f"/v1/invoices/{invoice}/collect", {})
    refused(client.post(f"/v1/invoices/{invoice}/collect", {}), 409, "attempt_under_way")
    till.collect()
    (seen,) = shown(client, f"/v1/invoices/{invoice}/attempts")["data"]
    assert (seen["id"], seen["status"]) == (attempt["id"], "succeeded")
    (payment,) = shown(client, f"/v1/payments?invoice={invoice}")["data"]
    assert payment["allocations"] == [{"invoice": invoice, "amount": TOTAL}]
    assert payment["gateway_reference"] == seen["gateway_reference"]
    assert shown(client, f"/v1/invoices/{invoice}")["status"] == "paid"
    assert answer(client.delete(f"/v1/payment-methods/{method['id']}"))["status"] == "detached"


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"token": "pm_card_of_nobody"}, "gateway_refused", "/token"),
        ({"token": 7}, "string_expected", "/token"),
        ({"account": "nobody"}, "account_unknown", "/account"),
        ({"gateway_account": "nowhere"}, "gateway_account_unknown", "/gateway_account"),
        ({"colour": "red"}, "member_unknown", "/colour"),
    ],
)
def test_a_wrong_payment_method_is_refused_with_its_member(
    till: Till, client: Caller, body: dict[str, Any], code: str, pointer: str
) -> None:
    account = encode("account", till.payer(None).id)
    answer = client.post("/v1/payment-methods", {"account": account, "token": "pm_card_visa", **body})
    refused(answer, 422, code, pointer)


def test_a_cheque_pays_part_and_a_transfer_the_rest_with_credit_left_over(till: Till, client: Caller) -> None:
    account, invoice = owing(till)
    first = client.made("/v1/payments", by_hand(account, 40000, reference="Cheque 7"))
    assert (first["allocated_amount"], first["credit_amount"], first["received_on"]) == (40000, 0, "2026-02-01")
    assert shown(client, f"/v1/invoices/{invoice}")["due_amount"] == TOTAL - 40000
    second = client.made("/v1/payments", by_hand(account, 50000, received_on="2026-01-31", external_id="bank-1"))
    assert (second["allocated_amount"], second["credit_amount"]) == (TOTAL - 40000, 90000 - TOTAL)
    assert shown(client, f"/v1/invoices/{invoice}")["status"] == "paid"
    assert shown(client, "/v1/payments?external_id=bank-1")["data"] == [second]
    assert client.get(f"/v1/payments/{first['id']}").json == first
    till.bill()
    begin(till)
    used = shown(client, f"/v1/payments/{second['id']}")
    assert (used["credit_amount"], len(used["allocations"])) == (0, 2)


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"amount": 0}, 422, None, "/amount"),
        ({"amount": "12.50"}, 422, "integer_expected", "/amount"),
        ({"amount": 12.5}, 422, "integer_expected", "/amount"),
        ({"amount": 10**16}, 422, None, "/amount"),
        ({"currency": "USD"}, 422, "currency_mismatch", "/currency"),
        ({"currency": "EURO"}, 422, None, "/currency"),
        ({"method": "barter"}, 422, None, "/method"),
        ({"received_on": "2026-02-03"}, 422, "received_in_future", "/received_on"),
        ({"received_on": "03-02-2026"}, 422, None, "/received_on"),
        ({"invoice": "inv_01h455vb4pex5vsknk084sn02q"}, 422, "invoice_unknown", "/invoice"),
        ({"account": "acc_01h455vb4pex5vsknk084sn02q"}, 422, "account_unknown", "/account"),
    ],
)
def test_a_wrong_payment_is_refused_with_its_member(
    till: Till, client: Caller, body: dict[str, Any], status: int, code: str | None, pointer: str
) -> None:
    account, _ = owing(till)
    answer = client.post("/v1/payments", {**by_hand(account), **body})
    refused(answer, status, code or answer.json["code"], pointer)
    assert till.payments() == []


def test_a_card_account_takes_no_cheque(till: Till, client: Caller) -> None:
    account, _ = owing(till)
    cards = next(g for g in shown(client, "/v1/gateway-accounts")["data"] if g["gateway"] == "stripe")
    answer = client.post("/v1/payments", by_hand(account, gateway_account=cards["id"]))
    refused(answer, 422, "gateway_charges_itself", "/gateway_account")


def test_the_same_payment_sent_twice_is_recorded_once(till: Till, client: Caller) -> None:
    account, _ = owing(till)
    for _ in range(2):
        client.made("/v1/payments", by_hand(account), headers={"Idempotency-Key": "cheque-7"})
    assert len(till.payments()) == 1


def test_a_customer_sees_its_own_and_records_nothing(till: Till, new_caller: Callable[..., Caller]) -> None:
    account, invoice = owing(till, "pm_card_visa")
    begin(till)
    payment = new_caller().get("/v1/payments").json["data"][0]["id"]
    other = till.payer(None)
    stranger, self = new_caller(other.id), new_caller(till.payments()[0].account_id)
    for path in (f"/v1/payments/{payment}", f"/v1/invoices/{invoice}/attempts"):
        assert (self.get(path).status_code, stranger.get(path).status_code) == (200, 404)
    assert shown(stranger, "/v1/payments")["data"] == shown(stranger, "/v1/payment-methods")["data"] == []
    for path, body in (("/v1/payments", by_hand(account)), ("/v1/refunds", {"payment": payment})):
        refused(self.post(path, body), 403, "scope_missing")
    root = till.payments()[0].account_id
    with till.open(scope=frozenset({root})) as ctx, pytest.raises(Forbidden, match="operator_only"):
        payments_manual.record(ctx, NewPayment(account, 1, "EUR"))
    with till.open(scope=frozenset({other.id})) as ctx, pytest.raises(NotFound):
        collection.collect_on_request(ctx, decode("invoice", invoice))


def settle_refunds(till: Till) -> None:
    with till.open() as ctx:
        ids = list(ctx.session.scalars(select(Refund.id).where(Refund.provider_id == ctx.provider.id)))
    money.give_back(till.provider_id, ids)


def test_a_refund_goes_back_to_the_card_once(till: Till, client: Caller) -> None:
    owing(till, "pm_card_visa")
    begin(till)
    payment = shown(client, "/v1/payments")["data"][0]["id"]
    refund = client.made("/v1/refunds", {"payment": payment, "amount": 309, "reason": "goodwill"})
    assert refund["status"] == "created"
    till.fault("refunds.create", "no_answer")
    settle_refunds(till)
    assert shown(client, f"/v1/refunds/{refund['id']}")["status"] == "unknown"
    with till.open() as ctx:
        row = ctx.session.scalars(select(Refund).where(Refund.provider_id == ctx.provider.id)).one()
        row.next_at = row.created_at
    settle_refunds(till)
    assert shown(client, f"/v1/refunds/{refund['id']}")["status"] == "succeeded"
    assert till.charges()["refunded_amount"] == 309
    refused(client.post("/v1/refunds", {"payment": payment, "amount": TOTAL}), 422, "refund_exceeds_payment", "/amount")
    assert client.made("/v1/refunds", {"payment": payment})["amount"] == TOTAL - 309
    settle_refunds(till)
    assert till.charges()["refunded_amount"] == TOTAL
    assert shown(client, f"/v1/payments/{payment}")["refunded_amount"] == TOTAL


def test_a_refund_of_a_cheque_takes_the_credit_first(till: Till, client: Caller) -> None:
    account, _ = owing(till)
    payment = client.made("/v1/payments", by_hand(account, TOTAL + 1000))["id"]
    refund = client.made("/v1/refunds", {"payment": payment, "amount": 1500})
    assert (refund["status"], refund["credit_amount"]) == ("succeeded", 1000)
    assert shown(client, f"/v1/payments/{payment}")["credit_amount"] == 0


def test_secrets_of_a_gateway_account_go_in_and_never_out(till: Till, client: Caller) -> None:
    key = f"sk_test_{uuid4().hex}"
    made = client.made("/v1/gateway-accounts", {"gateway": "stripe", "name": "Two", "credentials": {"secret_key": key}})
    changed = client.patch(f"/v1/gateway-accounts/{made['id']}", {"webhook_secret": "whsec_another_one", "name": "2"})
    shown = json.dumps([made, changed.json, client.get("/v1/gateway-accounts").json, client.get("/v1/audit").json])
    assert key not in shown
    assert "whsec" not in shown
    with till.open() as ctx:
        row = ctx.session.scalars(select(GatewayAccount).where(GatewayAccount.name == "2")).one()
        assert key.encode() not in row.credentials
        assert len(gateway_accounts.access(ctx, row).webhook_secrets) == 2


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"gateway": "paypal"}, None, "/gateway"),
        ({"credentials": {}}, "secret_key_malformed", "/credentials/secret_key"),
        ({"credentials": {"secret_key": "sk_live_abc"}}, "live_credentials_in_sandbox", "/credentials"),
        ({"gateway": "manual"}, "credentials_unexpected", "/credentials"),
    ],
)
def test_a_wrong_gateway_account_is_refused_with_its_member(
    client: Caller, body: dict[str, Any], code: str | None, pointer: str
) -> None:
    sent = {"gateway": "stripe", "name": "X", "credentials": {"secret_key": "sk_test_abc"}, **body}
    answer = client.post("/v1/gateway-accounts", sent)
    refused(answer, 422, code or answer.json["code"], pointer)


class Hook:
    """What the gateway would send about an intent, and the inbound address of the till's card account."""

    def __init__(self, till: Till, client: Caller) -> None:
        with till.open() as ctx:
            row = till._cards(ctx)
            (self.secret, *_) = gateway_accounts.access(ctx, row).webhook_secrets
            self.path = f"/v1/inbound/stripe/{encode('gateway_account', row.id)}"
        self.till, self.client = till, client

    def send(self, intent: str | None, event: str, type_: str = "payment_intent.succeeded", **headers: str) -> Any:
        subject: dict[str, Any] = {"object": "payment_intent", "id": intent, "metadata": {}}
        body = json.dumps({"id": event, "object": "event", "type": type_, "data": {"object": subject}})
        signed = {"Stripe-Signature": sign(body, self.secret), "Content-Type": "application/json", **headers}
        return Caller(self.client._http, None)("POST", self.path, data=body, headers=signed)

    def handle(self) -> list[str]:
        with self.till.open() as ctx:
            rows = ctx.session.scalars(select(InboundEvent).where(InboundEvent.provider_id == ctx.provider.id)).all()
            for row in rows:
                inbound.handle(ctx, row.id)
            return [row.status for row in rows]


def test_a_webhook_tells_what_became_of_a_charge_that_nobody_answered(till: Till, client: Caller) -> None:
    owing(till, "pm_card_visa")
    till.fault("payment_intents.confirm", "no_answer")
    till.fault("payment_intents.retrieve", "server_error", times=2)
    begin(till)
    (attempt,) = till.attempts()
    assert attempt.status == "unknown"
    hook = Hook(till, client)
    for _ in range(3):
        assert hook.send(attempt.intent_reference, "evt_1").status_code == 204
    till.gateway.http.delete("/_control/faults")
    assert hook.handle() == ["done"]
    till.collect()
    assert hook.send(attempt.intent_reference, "evt_2").status_code == 204
    assert hook.handle() == ["done", "done"]
    till.collect()
    assert (till.attempts()[0].status, len(till.payments()), till.charges()["count"]) == ("succeeded", 1, 1)


def test_a_webhook_about_nothing_of_ours_is_stored_and_ignored(till: Till, client: Caller) -> None:
    hook = Hook(till, client)
    assert hook.send("pi_of_another", "evt_1").status_code == 204
    assert hook.handle() == ["ignored"]


def test_a_webhook_that_is_not_signed_is_refused_and_not_stored(till: Till, client: Caller) -> None:
    hook = Hook(till, client)
    refused(hook.send("pi_1", "evt_1", **{"Stripe-Signature": sign("{}", "whsec_wrong")}), 400, "signature_invalid")
    hook.path = hook.path[:-1] + ("0" if hook.path[-1] != "0" else "1")
    assert hook.send("pi_1", "evt_1").status_code == 404
    assert hook.handle() == []


def test_a_manual_account_has_no_inbound_address(till: Till, client: Caller) -> None:
    manual = next(g for g in shown(client, "/v1/gateway-accounts")["data"] if g["gateway"] == "manual")
    hook = Hook(till, client)
    hook.path = f"/v1/inbound/manual/{manual['id']}"
    assert hook.send("pi_1", "evt_1").status_code == 404


def test_a_dunning_case_shows_its_steps_and_can_be_paused(till: Till, client: Caller) -> None:
    owing(till)
    (invoice_id,) = till.invoices("open")
    due_at = till.invoice(invoice_id).due_at
    assert due_at is not None
    till.set_clock(due_at + timedelta(days=1))
    with till.open() as ctx:
        dunning.open_case(ctx, invoice_id)
    (case,) = shown(client, "/v1/dunning-cases?status=open")["data"]
    assert [step["action"] for step in case["steps"]][:3] == ["retry", "remind", "retry"]
    assert client.get(f"/v1/dunning-cases/{case['id']}").json == case
    assert posted(client, f"/v1/dunning-cases/{case['id']}/pause")["status"] == "paused"
    refused(client.post(f"/v1/dunning-cases/{case['id']}/pause", {}), 409, "illegal_transition")
    assert posted(client, f"/v1/dunning-cases/{case['id']}/resume")["status"] == "open"
    assert shown(client, "/v1/suspensions?open=true")["data"] == []


def test_a_policy_is_replaced_whole_and_later_cases_follow_it(till: Till, client: Caller) -> None:
    assert len(shown(client, "/v1/dunning-policy")["steps"]) == 8
    mine = {"steps": [{"after_days": 0, "action": "remind"}, {"after_days": 2, "action": "suspend"}]}
    assert answer(client("PUT", "/v1/dunning-policy", mine)) == mine == shown(client, "/v1/dunning-policy")
    owing(till)
    (invoice_id,) = till.invoices("open")
    due_at = till.invoice(invoice_id).due_at
    assert due_at is not None
    till.set_clock(due_at)
    with till.open() as ctx:
        dunning.open_case(ctx, invoice_id)
    (case,) = shown(client, "/v1/dunning-cases")["data"]
    assert [(step["after_days"], step["action"]) for step in case["steps"]] == [(0, "remind"), (2, "suspend")]
    backwards = {"steps": [{"after_days": 2, "action": "remind"}, {"after_days": 1, "action": "remind"}]}
    refused(client("PUT", "/v1/dunning-policy", backwards), 422, "dunning_steps_out_of_order", "/steps")


def test_a_child_account_has_no_card_of_its_own(till: Till, client: Caller) -> None:
    payer = till.payer(None)
    body = {"name": "Child", "currency": "EUR", "country": "NL", "parent": encode("account", payer.id)}
    child = client.made("/v1/accounts", {**body, "payer": "parent", "mode": "postpaid"})["id"]
    for path, sent in (
        ("/v1/payment-methods", {"account": child, "token": "pm_card_visa"}),
        ("/v1/payments", by_hand(child)),
    ):
        refused(client.post(path, sent), 422, "account_is_no_payer", "/account")


def test_a_second_card_is_charged_once_it_is_the_default(till: Till, client: Caller) -> None:
    account, invoice = owing(till, "pm_card_visa_chargeDeclinedInsufficientFunds")
    till.react()
    till.collect()
    second = client.made("/v1/payment-methods", {"account": account, "token": "pm_card_visa"})
    assert second["is_default"] is False
    till.react()
    till.collect()
    assert len(shown(client, f"/v1/invoices/{invoice}/attempts")["data"]) == 1
    assert posted(client, f"/v1/payment-methods/{second['id']}/default")["is_default"] is True
    till.react()
    till.collect()
    assert shown(client, f"/v1/invoices/{invoice}")["status"] == "paid"
