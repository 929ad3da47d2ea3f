"""Lines of every kind of price, as a customer reads why they cost what they cost."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from core.ids import encode
from tests.builders.billing import PriceOf, a_plan, an_account, subscribe
from tests.builders.metering import Metered, a_point, an_event, send
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
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
