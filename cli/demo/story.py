"""The story itself, step by step. Every figure is read back over the API."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from cli.demo.client import Api
from cli.demo.programs import wait_for
from cli.demo.shop import Shop
from cli.demo.stage import EXCHANGE, Stage
from cli.demo.telling import Teller, amount, kwh

MONTH_END = "2026-04-01T02:00:00Z"
STEP_SECONDS = 30
MONTH_SECONDS = 170


def advance(api: Api, to: str, tell: Teller, seconds: float = MONTH_SECONDS) -> None:
    """Let the sandbox's time pass, saying now and then how far it has come."""
    api.post("/v1/test-clock/advance", {"to": to})
    end = time.monotonic() + seconds
    shown = time.monotonic()
    while True:
        clock = api.get("/v1/test-clock")
        if clock["status"] != "advancing" or time.monotonic() > end:
            break
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            tell.step(f"  … {clock['now'][:16].replace('T', ' ')} UTC, a poll of every PDU each hour")
        time.sleep(0.2)
    tell.claim(f"the clock has come to {to[:10]}", clock["status"] == "ready" and clock["now"] == to, clock)


def begin_contracts(stage: Stage, shop: Shop, tell: Teller) -> None:
    """Orders ask the provisioning system; its answers start billing."""
    asked = "subscription.provision_requested"
    wait_for(lambda: len(stage.receiver.of_type(asked)) >= 2, STEP_SECONDS, "two provisioning requests at the receiver")
    tell.step(f"the provisioning system was asked for {len(stage.receiver.of_type(asked))} racks, by signed webhook")

    def started() -> bool:
        return all(
            stage.api.get(f"/v1/subscriptions/{shop.subscriptions[name]}")["status"] == "active"
            for name in ("rack-12", "rack-14")
        )

    wait_for(started, STEP_SECONDS, "the start of two subscriptions")
    tell.claim("two subscriptions run since they were provisioned; the third starts on 10 March", True)


def month_passes(stage: Stage, shop: Shop, tell: Teller) -> None:
    advance(stage.api, MONTH_END, tell)
    for name, subscription in shop.subscriptions.items():
        usage = stage.api.get(
            f"/v1/subscriptions/{subscription}/usage", **{"from": "2026-02-28T23:00:00Z", "to": "2026-03-31T22:00:00Z"}
        )
        tell.step(f"{name}: {energy_of(usage)} in March")


def energy_of(usage: dict[str, Any]) -> str:
    total = sum((Decimal(row["quantity"]) for row in usage["data"]), Decimal(0))
    return kwh(total)


def exchange_noticed(stage: Stage, tell: Teller) -> None:
    """The PDU that was exchanged: found by its serial, whatever its register said."""
    found = [a for a in stage.api.every("/v1/anomalies") if a["kind"] == "swap"]
    tell.claim("one exchanged PDU was noticed", len(found) == 1, found)
    if not found:
        return
    evidence = found[0]["evidence"]
    tell.step(f"at {found[0]['point_path']}: serial {evidence['serial_before']} → {evidence['serial_after']}")
    tell.step(f"a naive difference of registers would have billed {kwh(evidence['naive'])} for that hour")
    tell.claim("its new serial is the one that was hung up", evidence["serial_after"] == EXCHANGE["serial"], evidence)


def invoices_of(api: Api, account: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.every("/v1/invoices", account=account)
    return sorted(rows, key=lambda row: row["number"] or "")


def month_billed(stage: Stage, shop: Shop, tell: Teller) -> None:
    """Invoices on the 1st: a master account's on a card, a declined one."""
    for account in (shop.northwind, shop.tidewater):
        for invoice in invoices_of(stage.api, account):
            tell.step(
                f"invoice {invoice['number']} of {invoice['issued_on']}: "
                f"{amount(invoice['total_amount'], invoice['currency'])}, {invoice['status']}"
            )
    paid = invoices_of(stage.api, shop.northwind)
    declined = invoices_of(stage.api, shop.tidewater)
    tell.claim("the master account got one invoice a month, its child's rack on it", len(paid) == 2, paid)
    tell.claim(
        "its card was charged", bool(paid) and all(i["status"] == "paid" for i in paid), [i["status"] for i in paid]
    )
    tell.claim("the child account got none of its own", not invoices_of(stage.api, shop.labs))
    open_ = [i for i in declined if i["status"] == "open"]
    tell.claim("the other card was declined; its invoice is open", len(open_) == 1, declined)


def dunned(stage: Stage, shop: Shop, tell: Teller) -> None:
    """Unpaid: reminded, retried, suspended by event, then paid by transfer and resumed."""
    advance(stage.api, "2026-04-23T00:00:00Z", tell)
    subscription = shop.subscriptions["rack-20"]
    mails = [m for m in stage.api.every("/v1/test-clock/outbox") if "accounts@tidewater.example" in m["to"]]
    for mail in mails:
        tell.step(f"mail {mail['created_at'][:10]} to {mail['to'][0]}: {mail['subject']}")
    asked = "subscription.suspend_requested"
    wait_for(lambda: bool(stage.receiver.of_type(asked)), STEP_SECONDS, "the suspension at the receiver")
    wait_for(
        lambda: stage.api.get(f"/v1/subscriptions/{subscription}")["status"] == "suspended",
        STEP_SECONDS,
        "the suspension",
    )
    tell.claim("rack-20 is suspended: requested by signed webhook, confirmed by the provisioning system", True)
    invoice = next(i for i in invoices_of(stage.api, shop.tidewater) if i["status"] == "open")
    tell.claim("no webhook came with a wrong signature", stage.receiver.refused == 0, stage.receiver.refused)
    stage.api.post(
        "/v1/payments",
        {
            "account": shop.tidewater,
            "method": "manual",
            "amount": invoice["due_amount"],
            "currency": invoice["currency"],
            "reference": f"SEPA transfer, {invoice['number']}",
            "received_on": "2026-04-23",
        },
    )
    tell.step(f"a transfer of {amount(invoice['due_amount'], invoice['currency'])} comes in for {invoice['number']}")
    wait_for(
        lambda: stage.api.get(f"/v1/subscriptions/{subscription}")["status"] == "active", STEP_SECONDS, "the resumption"
    )
    settled = stage.api.get(f"/v1/invoices/{invoice['id']}")
    tell.claim("paid, and the rack is on again", settled["status"] == "paid" and settled["due_amount"] == 0, settled)


def line_explained(stage: Stage, shop: Shop, tell: Teller) -> None:
    """The usage line of the rack with the exchanged PDU says why."""
    line = usage_line(stage, shop)
    told = stage.api.get(f"/v1/invoices/{line['invoice']}/lines/{line['id']}/explanation")
    tell.step(f"line {line['charge_code']}: {told}")


def usage_line(stage: Stage, shop: Shop) -> dict[str, Any]:
    invoice = invoices_of(stage.api, shop.northwind)[-1]
    lines = stage.api.every(f"/v1/invoices/{invoice['id']}/lines")
    found = next(row for row in lines if row["kind"] == "usage" and row["subscription"] == shop.subscriptions["rack-12"])
    return {**found, "invoice": invoice["id"]}


def what_to_open(stage: Stage, shop: Shop, tell: Teller) -> None:
    tell.chapter("Open")
    link = stage.api.post("/v1/portal-sessions", {"account": shop.northwind})["url"]
    line = usage_line(stage, shop)
    pdf = stage.directory / "invoice.pdf"
    pdf.write_bytes(stage.api.bytes(f"/v1/invoices/{line['invoice']}/pdf"))
    tell.claim("the invoice's PDF was drawn", pdf.read_bytes().startswith(b"%PDF-"))
    tell.step(f"the customer's page (works once): {link}")
    tell.step(f"the API's documentation: {stage.api.base_url}/docs")
    tell.step(f"an invoice: {pdf}")
    tell.step(f"why a line is what it is: /v1/invoices/{line['invoice']}/lines/{line['id']}/explanation")
    tell.step(f"the webhook receiver's log: {stage.directory / 'webhooks.log'}")
