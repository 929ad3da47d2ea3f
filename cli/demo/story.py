"""The story itself, step by step. Every figure is read back over the API."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from cli.demo.client import Api
from cli.demo.programs import wait_for
from cli.demo.shop import Shop
from cli.demo.stage import CLOCK_START, EXCHANGE, Stage, pdu_registers
from cli.demo.telling import Teller, amount, kwh
from core.money import round_line
from core.quantity import convert

MONTH_START_APRIL = "2026-03-31T22:00:00Z"
MONTH_END = "2026-04-01T02:00:00Z"
SUSPENDED_BY = "2026-04-10T06:00:00Z"
STEP_SECONDS = 30
MONTH_SECONDS = 900


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
    tell.must(f"the clock has come to {to[:10]}", clock["status"] == "ready" and clock["now"] == to, clock)


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
    third = stage.api.get(f"/v1/subscriptions/{shop.subscriptions['rack-20']}")["status"]
    tell.claim(
        "two subscriptions run since they were provisioned; the third waits for 10 March", third == "pending", third
    )


def month_passes(stage: Stage, shop: Shop, tell: Teller) -> None:
    advance(stage.api, MONTH_END, tell)
    for name in shop.subscriptions:
        usage = march(stage, shop, name)
        shares = ", ".join(
            f"{kwh(quantity)} {quality}" for quality, quantity in usage["quality"].items() if Decimal(quantity) != 0
        )
        tell.step(f"{name}: {kwh(usage['quantity'])} in March ({shares})")
    counted = Decimal(march(stage, shop, "rack-14")["quantity"])
    risen = registers_risen(stage, "rack-14/pdu-a")
    tell.claim(f"rack-14 counts what its PDU's register rose by, {kwh(risen)}", counted == risen, counted)


def march(stage: Stage, shop: Shop, name: str) -> dict[str, Any]:
    """The metered item of a subscription over the local month of March, 743 hours long."""
    span = {"from": CLOCK_START, "to": MONTH_START_APRIL, "group_by": "month"}
    usage = stage.api.get(f"/v1/subscriptions/{shop.subscriptions[name]}/usage", **span)
    item: dict[str, Any] = usage["items"][0]
    return item


def registers_risen(stage: Stage, pdu: str) -> Decimal:
    """What the PDU itself says its register rose by in March, in steps of its display: 0.1 kWh."""
    before, after = (pdu_registers(stage.directory, at)[pdu] for at in (CLOCK_START, MONTH_START_APRIL))
    return (after - before) / 10


def exchange_noticed(stage: Stage, tell: Teller) -> None:
    """The PDU that was exchanged: found by its serial, whatever its register said."""
    found = stage.api.every("/v1/anomalies", type="swap")
    tell.claim("one exchanged PDU was noticed, and nothing else was taken for one", len(found) == 1, found)
    if not found:
        return
    told = found[0]["evidence"]
    before, after = told["before"], told["after"]
    tell.step(f"serial {before['serial']} at {told_value(before)} → {after['serial']} at {told_value(after)}")
    naive = Decimal(told["naive_difference"])
    tell.step(f"a naive difference of the registers would have billed {told_kwh(naive, told)} there")
    tell.step(f"instead, the gap counts {told_kwh(told['estimated'], told)}, estimated at the last load")
    tell.claim("its new serial is the one that was hung up", after["serial"] == EXCHANGE["serial"], told)


def told_kwh(quantity: str | Decimal, told: dict[str, Any]) -> str:
    return kwh(convert(Decimal(quantity), told["unit"], "kWh"))


def told_value(side: dict[str, Any]) -> str:
    return f"{side['value']} ({side['at'][11:16]} UTC)"


def invoices_of(api: Api, account: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.every("/v1/invoices", account=account)
    return sorted(rows, key=lambda row: row["number"] or "")


def attempts(api: Api, invoice: dict[str, Any]) -> list[dict[str, Any]]:
    """What was tried to collect an invoice, the first try first."""
    rows: list[dict[str, Any]] = api.every(f"/v1/invoices/{invoice['id']}/attempts")
    return rows[::-1]


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
    tell.must("the master account got one invoice a month, its child's rack on it", len(paid) == 2, paid)
    tell.claim(
        "its card was charged", bool(paid) and all(i["status"] == "paid" for i in paid), [i["status"] for i in paid]
    )
    tell.claim("the child account got none of its own", not invoices_of(stage.api, shop.labs))
    open_ = [i for i in declined if i["status"] == "open"]
    tell.must("the other card was declined; its invoice is open", len(open_) == 1, declined)
    for attempt in attempts(stage.api, open_[0]):
        tell.step(f"attempt of {attempt['created_at'][:10]}: {attempt['status']}, {attempt['decline_code']}")


def dunned(stage: Stage, shop: Shop, tell: Teller) -> None:
    """Unpaid: reminded, retried, suspended by event, then paid by transfer and resumed."""
    advance(stage.api, SUSPENDED_BY, tell)
    subscription = shop.subscriptions["rack-20"]
    invoice = next(i for i in invoices_of(stage.api, shop.tidewater) if i["status"] == "open")
    tried = attempts(stage.api, invoice)
    tell.claim(f"the card was tried again and declined again, {len(tried)} times in all", len(tried) == 2, tried)
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
    confirmed = "subscription.suspended"
    wait_for(lambda: bool(stage.receiver.of_type(confirmed)), STEP_SECONDS, "the confirmation of the suspension")
    about = {event["object"]["id"] for name in (asked, confirmed) for event in stage.receiver.of_type(name)}
    tell.claim(
        "rack-20, and nothing else, is suspended: requested by signed webhook, confirmed by the provisioning system",
        about == {subscription},
        about,
    )
    tell.claim("no webhook came with a wrong signature", stage.receiver.refused == 0, stage.receiver.refused)
    stage.api.post(
        "/v1/payments",
        {
            "account": shop.tidewater,
            "method": "manual",
            "amount": invoice["due_amount"],
            "currency": invoice["currency"],
            "reference": f"SEPA transfer, {invoice['number']}",
            "received_on": SUSPENDED_BY[:10],
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
    why = stage.api.get(f"/v1/invoices/{line['invoice']}/lines/{line['id']}/explanation")
    for part in why["parts"]:
        tell.step(f"{kwh(part['quantity'])} × {part['unit_price']} = {Decimal(part['exact']):,.4f} {why['currency']}")
    for point in why["usage"]["points"]:
        first, last = point["first"], point["last"]
        registers = f"{first['value']} {first['unit']} → {last['value']} {last['unit']}"
        tell.step(f"{point['path']}: {registers}, {kwh(point['quantity'])}")
    summed = sum((Decimal(part["exact"]) for part in why["parts"]), Decimal(0))
    tell.claim(
        "the tiers add up to the line, to the cent", round_line(summed, why["currency"]).minor == line["amount"], why
    )
    tell.claim("it names the swap", len(why["usage"]["swaps"]) == 1, why["usage"]["swaps"])
    tell.claim("asked again today, it would look the same", why["today"] is None, why["today"])


def usage_line(stage: Stage, shop: Shop) -> dict[str, Any]:
    invoice = invoices_of(stage.api, shop.northwind)[-1]
    lines = stage.api.every(f"/v1/invoices/{invoice['id']}/lines")
    found = next(
        row for row in lines if row["kind"] == "usage" and row["subscription"] == shop.subscriptions["rack-12"]
    )
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
