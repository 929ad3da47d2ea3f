"""A customer sees what is not billed yet, takes it as a file, and chooses when it is mailed."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from uuid import UUID

from pypdf import PdfReader

from models.accounts import Account
from runtime.house import House
from tests.builders.portal import Customer, a_power_customer, bill, make_account
from tests.conftest import Open, make_provider
from tests.portal.conftest import FEBRUARY_13, Browser, NewBrowser
from tests.portal.test_pages import words


def printed(data: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages).split())


def test_running_usage_stands_there_line_by_line(ada: Browser) -> None:
    said = words(ada.get("unbilled").text)
    assert "To be billed €0.00" in said
    assert "Usage that still runs €203.97" in said
    assert "Next invoice 1 Mar 2026 with all usage until then As of 13 Feb 2026, 15:00" in said
    assert "1–28 Feb 2026 · still running, so far" in said


def test_it_can_be_had_as_a_pdf_and_as_a_csv(ada: Browser) -> None:
    answer = ada.get("unbilled/pdf?currency=EUR")
    assert answer.headers["content-disposition"] == "attachment; filename=unbilled-eur.pdf"
    assert "This is not an invoice" in printed(answer.content)
    rows = list(csv.DictReader(io.StringIO(ada.get("unbilled/lines.csv").text)))
    assert sum(int(row["amount"]) for row in rows) == 20397
    assert ada.get("unbilled/pdf?currency=USD").status_code == 404


def test_the_next_bill_can_be_looked_at_as_a_pro_forma(ada: Browser) -> None:
    said = printed(ada.get("unbilled/pro-forma").content)
    assert "Pro forma" in said
    assert "Not an invoice: nothing is to be paid" in said


def test_who_does_not_pay_is_told_so(open_unit: Open, provider_id: UUID, new_browser: NewBrowser) -> None:
    with open_unit() as ctx:
        child = make_account(ctx, name="Child", parent=make_account(ctx))
    browser = new_browser(provider_id)
    browser.enter(open_unit, provider_id, child)
    assert "Another account pays for you" in words(browser.get("unbilled").text)
    for path in ("unbilled/pdf?currency=EUR", "unbilled/lines.csv", "unbilled/pro-forma"):
        assert browser.get(path).status_code == 404


def test_a_payer_chooses_when_a_statement_is_mailed(house: House, open_unit: Open, new_browser: NewBrowser) -> None:
    made: Customer = a_power_customer(make_provider(house), FEBRUARY_13, email="bob@lumen.example")
    bill(made.provider_id)
    browser = new_browser(made.provider_id)
    browser.enter(open_unit, made.provider_id, made.account_id)

    def next_at() -> datetime | None:
        with open_unit(made.provider_id) as ctx:
            return ctx.session.get_one(Account, (made.provider_id, made.account_id)).next_statement_at

    assert next_at() is None
    page = browser.get("unbilled").text
    secret = page.split('name="csrf" value="')[-1].split('"')[0]
    sent = browser.http.post(f"{browser.home}unbilled/schedule", data={"csrf": secret, "schedule": "weekly"})
    assert sent.status_code == 303
    found = next_at()
    assert found is not None
    assert found.isoformat() == "2026-02-15T23:30:00+00:00"
    assert '<option value="weekly" selected>' in browser.get("unbilled").text
    wrong = browser.http.post(f"{browser.home}unbilled/schedule", data={"csrf": secret, "schedule": "hourly"})
    assert wrong.status_code == 404
