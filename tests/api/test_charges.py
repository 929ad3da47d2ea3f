"""Charges over HTTP: what waits, what is billed, what was taken back."""

from __future__ import annotations

from datetime import UTC, datetime

from core.ids import encode
from tests.api.conftest import Caller, NewCaller
from tests.builders.billing import PriceOf, a_plan, agree, an_account, subscribe
from tests.builders.runs import bill_at
from tests.conftest import Open

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)


def test_a_credit_is_seen_on_its_credit_note_and_while_it_waits_for_one(
    client: Caller, open_unit: Open, new_caller: NewCaller
) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, PriceOf("rack", {"model": "flat", "amount_price": "310"}))
        account, other = an_account(ctx), an_account(ctx, "Other")
        subscription = subscribe(ctx, account, plan, start=datetime(2026, 2, 1, tzinfo=UTC))
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        at = datetime(2026, 2, 15, tzinfo=UTC)
        agree(ctx, subscription.items["rack"], plan.prices["rack"], at, ended=True)
    client.patch("/v1/provider", {"draft_review": True})
    bill_at(open_unit, MARCH)
    (note,) = client.get("/v1/credit-notes?status=draft").json["data"]
    (line,) = client.get(f"/v1/credit-notes/{note['id']}/lines").json["data"]
    noted, _ = client.get("/v1/charges?state=billed").json["data"]
    assert (noted["kind"], noted["invoice_line"], noted["credit_note_line"]) == ("credit", None, line["id"])
    client.made(f"/v1/credit-notes/{note['id']}/discard", None)

    (waiting,) = client.get("/v1/charges?state=waiting").json["data"]
    (billed,) = client.get("/v1/charges?state=billed").json["data"]
    assert (waiting["kind"], waiting["amount"], waiting["invoice_line"]) == ("credit", -15500, None)
    assert waiting["span"] == {"start": "2026-02-15T00:00:00Z", "end": "2026-03-01T00:00:00Z"}
    assert (waiting["adjusts"], waiting["payer"]) == (billed["id"], encode("account", account.id))
    found = client.get(f"/v1/charges?subscription={encode('subscription', subscription.id)}").json["data"]
    assert [charge["id"] for charge in found] == [waiting["id"], noted["id"], billed["id"]]
    assert [charge["id"] for charge in client.get("/v1/charges?state=released").json["data"]] == [noted["id"]]
    assert client.get("/v1/charges?subscription=nothing").json["code"] == "subscription_unknown"
    assert len(new_caller(account_id=account.id).get("/v1/charges").json["data"]) == 3
    assert new_caller(account_id=other.id).get("/v1/charges").json["data"] == []


def test_what_was_voided_shows_as_released(client: Caller, open_unit: Open) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, PriceOf("rack", {"model": "flat", "amount_price": "310"}))
        subscribe(ctx, an_account(ctx), plan, start=datetime(2026, 2, 1, tzinfo=UTC))
    bill_at(open_unit, FEBRUARY)
    (invoice,) = client.get("/v1/invoices").json["data"]
    client.made(f"/v1/invoices/{invoice['id']}/void", None)
    assert [charge["state"] for charge in client.get("/v1/charges").json["data"]] == ["released"]
