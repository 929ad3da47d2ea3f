"""Lines of every kind of price, as a customer reads why they cost what they cost."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from core.ids import decode, encode
from tests.api.conftest import Caller
from tests.builders.billing import PriceOf, a_plan, an_account, subscribe
from tests.builders.metering import Metered, a_point, an_event, send
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
from tests.builders.sandbox import Sandbox, usage_price
from tests.conftest import Open
from tests.portal.conftest import NewBrowser
from tests.portal.test_pages import words

JANUARY = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
COMMITMENT = {"model": "committed_amount", "amount_price": "1000", "draws": ["energy"]}
BANDS = {
    "model": "time_of_use",
    "bands": [{"name": "peak", "from": "07:00", "to": "23:00", "unit_price": "0.5"}],
    "otherwise": {"unit_price": "0.25"},
}
CELLS = {
    "model": "matrix",
    "dimensions": ["region"],
    "cells": [{"region": "ams", "unit_price": "2"}],
    "otherwise": {"unit_price": "3"},
}
PERCENTAGE = {"model": "percentage", "rate": "2.5", "fixed_price": "0.1"}


def usage(code: str, spec: dict[str, object]) -> PriceOf:
    return PriceOf(code, spec, kind="usage", timing="arrears", proration="none")


def test_every_line_tells_how_it_comes_about(new_browser: NewBrowser, provider_id: UUID, open_unit: Open) -> None:
    set_clock(open_unit, JANUARY)
    with open_unit() as ctx:
        commitment = PriceOf("commitment", COMMITMENT, proration="none", unit="year")
        metered_prices = [usage("energy", BANDS), usage("cells", CELLS), usage("payments", PERCENTAGE)]
        plan = a_plan(ctx, commitment, *metered_prices)
        account = an_account(ctx, email="ada@example.com")
        account_id = account.id
        metered = Metered(a_point(ctx), plan, subscribe(ctx, account, plan))
    set_clock(open_unit, FEBRUARY)
    with open_unit() as ctx:
        noon = datetime(2026, 1, 20, 12, tzinfo=UTC)
        send(ctx, [an_event(metered, "one", noon, "100", properties={"region": "ams"})])
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        lines = [(line.id, line.kind, line.charge_code) for line in lines_of(ctx, invoice)]
    browser = new_browser(provider_id)
    browser.enter(open_unit, provider_id, account_id)
    said = {}
    for line_id, kind, code in lines:
        answer = browser.get(f"invoices/{encode('invoice', invoice.id)}/lines/{encode('invoice_line', line_id)}")
        assert answer.status_code == 200
        said[kind, code] = words(answer.text)
    assert "100 kWh, peak × €0.50 €50.00" in said["usage", "energy"]
    assert "Peak: 07:00 to 23:00, every day €0.50" in said["usage", "energy"]
    assert "100 kWh, region ams × €2.00 €200.00" in said["usage", "cells"]
    assert "100 kWh × 2.5% €2.50 1 event at €0.10 €0.10" in said["usage", "payments"]
    assert "Used so far €50.00" in said["drawdown", "commitment"]
    assert "Left €950.00" in said["drawdown", "commitment"]


def test_a_level_says_what_it_was_taken_from_in_the_unit_of_that(
    client: Caller, open_unit: Open, new_browser: NewBrowser
) -> None:
    sandbox = Sandbox(client)
    meter = {"aggregation": "percentile", "percentile": "95", "sample_minutes": 5, "direction": "percentile_of_sum"}
    client.made("/v1/meters", {"code": "traffic", "name": "Traffic", "unit": "octets", **meter})
    price = usage_price({"model": "per_unit", "unit_price": "1"}, charge_code="traffic", meter="traffic")
    client.made("/v1/plans", {"code": "transit", "name": "Transit", "version": {"prices": [price]}})
    subscription = sandbox.subscribe("transit")
    event = {
        "subscription": subscription,
        "meter": "traffic",
        "quantity": "3000000000",
        "properties": {"direction": "in"},
    }
    at = [f"2026-01-01T00:{minute:02}:00Z" for minute in range(0, 60, 5)]
    sandbox.advance("2026-01-01T02:00:00Z")
    client.made("/v1/usage/events", {"events": [{**event, "id": when, "at": when} for when in at]})
    sandbox.advance("2026-02-01T02:00:00Z")
    (line,) = sandbox.lines(sandbox.invoices()[-1])
    browser = new_browser(sandbox.provider_id)
    browser.enter(open_unit, sandbox.provider_id, decode("account", sandbox.account))
    said = words(browser.get(f"invoices/{sandbox.invoices()[-1]['id']}/lines/{line['id']}").text)
    assert "Reported to us directly: 36,000,000,000 octets in 12 reports" in said
    assert "36,000,000,000 octets It was told to us as it was used." in said


def test_an_early_end_tells_what_was_left_and_which_part_of_it_is_due(
    client: Caller,
    open_unit: Open,
    new_browser: NewBrowser,
) -> None:
    sandbox = Sandbox(client)
    cage = {
        "charge_code": "cage",
        "product": "power",
        "kind": "recurring",
        "currencies": {"EUR": {"model": "flat", "amount_price": "300"}},
    }
    client.made("/v1/plans", {"code": "cage", "name": "Cage", "version": {"prices": [cage]}})
    term = {"interval": {"unit": "month", "count": 3}, "early_termination": {"rate": "50"}}
    subscription = sandbox.subscribe("cage", minimum_term=term)
    sandbox.advance("2026-02-01T02:00:00Z")
    end = {"effective": {"at": "2026-03-01T00:00:00Z"}, "cancel": {"early": True}}
    client.made(f"/v1/subscriptions/{subscription}/changes", end)
    sandbox.advance("2026-03-01T02:00:00Z")
    invoice = sandbox.invoices()[-1]
    (line,) = [each for each in sandbox.lines(invoice) if each["charge_code"] == "early_termination"]
    browser = new_browser(sandbox.provider_id)
    browser.enter(open_unit, sandbox.provider_id, decode("account", sandbox.account))
    said = words(browser.get(f"invoices/{invoice['id']}/lines/{line['id']}").text)
    assert "Cage, agreed for 1–31 Mar 2026 €300.00" in said
    assert "Due of it, since the contract ended on 1 Mar 2026 50%" in said
