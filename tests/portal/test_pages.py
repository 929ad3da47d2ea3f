"""What a customer sees, and what it does not."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from pypdf import PdfReader
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from core.ids import encode, new_id
from models.billing import Invoice, InvoiceLine
from models.providers import Seller
from services import portal_sessions, subscription_steps, subscriptions
from tests.builders.portal import Customer, a_power_customer, bill, make_account, set_clock
from tests.conftest import Open
from tests.portal.conftest import Browser, NewBrowser

STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "form-action": "'self'",
}


def words(html: str) -> str:
    """What a person reads on a page."""
    text = re.sub(r"(?s)<(script|style|svg)\b.*?</\1>", " ", html)
    text = re.sub(r"<[^>]+>", " ", text).replace("&nbsp;", " ").replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", text)


def newest_invoice(open_unit: Open, customer: Customer) -> tuple[UUID, UUID]:
    """The invoice with the energy, and its usage line."""
    with open_unit(customer.provider_id) as ctx:
        row = ctx.session.execute(
            select(InvoiceLine.invoice_id, InvoiceLine.id).where(InvoiceLine.kind == "usage")
        ).one()
    return row.invoice_id, row.id


def test_the_overview_shows_usage_and_what_it_comes_to(ada: Browser) -> None:
    said = words(ada.get().text)
    assert "Usage so far €203.97" in said
    assert "To pay €1,646.35 2 open invoices" in said
    assert "Next invoice 1 Mar 2026" in said
    assert "679.896 kWh February 2026" in said
    assert "Measured 100%" in said


def test_another_month_and_a_single_day_can_be_looked_at(ada: Browser) -> None:
    january = words(ada.get("?month=2026-01").text)
    assert "1,642.488 kWh January 2026" in january
    assert "Estimated 0.1%" in january
    day = words(ada.get("?day=2026-01-20").text)
    assert "Interpolated" in day
    assert "02:00 – 03:00" in day


def test_a_day_of_twenty_three_hours_has_twenty_three_bars(ada: Browser) -> None:
    chart = re.search(r'data-chart="([^"]+)"', ada.get("?day=2026-01-20").text)
    assert chart is not None
    assert chart[1].count(":00 – ") == 24
    from datetime import date

    from portal.usage import of_day

    assert len(of_day(date(2026, 3, 29), "Europe/Berlin").edges) == 24


def test_invoices_are_listed_with_their_state(ada: Browser) -> None:
    said = words(ada.get("invoices").text)
    assert re.search(r"INV-2026-000002 .*€1,101.85 €1,101.85 Open", said)


def test_an_invoice_shows_its_lines_grouped_and_its_sums(ada: Browser, customer: Customer, open_unit: Open) -> None:
    invoice_id, _ = newest_invoice(open_unit, customer)
    said = words(ada.get(f"invoices/{encode('invoice', invoice_id)}").text)
    assert "Rack 12, full cabinet" in said
    assert "1,642.488 kWh" in said
    assert "Subtotal €910.62 VAT 21% on €910.62 €191.23 Total €1,101.85" in said
    assert "quote INV-2026-000002" in said
    assert "Date 13 Feb 2026 Due 27 Feb 2026" in said


def test_the_pdf_of_an_invoice_is_the_document_itself(ada: Browser, customer: Customer, open_unit: Open) -> None:
    invoice_id, _ = newest_invoice(open_unit, customer)
    answer = ada.get(f"invoices/{encode('invoice', invoice_id)}/pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert "filename=INV-2026-000002.pdf" in answer.headers["content-disposition"]
    document = PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()
    assert "€1,101.85" in document
    assert "27 Feb 2026" in document


def test_a_usage_line_is_explained_down_to_the_meters(ada: Browser, customer: Customer, open_unit: Open) -> None:
    invoice_id, line_id = newest_invoice(open_unit, customer)
    path = f"invoices/{encode('invoice', invoice_id)}/lines/{encode('invoice_line', line_id)}"
    said = words(ada.get(path).text)
    for expected in (
        "1,000 kWh × €0.30 €300.00", "then 642.488 kWh × €0.25 €160.622", "rounded once €460.62",
        "room-2/rack-12/pdu-a", "room-2/rack-12/pdu-b",
        "The meter was exchanged.", "old meter ZA2043118 84,471,770 Wh", "new meter ZB2601007 12,345 Wh",
        "−84,459.425 kWh", "Above 1,000 kWh €0.25 per kWh", "version 1 of your price list",
    ):  # fmt: skip
        assert expected in said
    part = ada.get(path, headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "The meter was exchanged" in part


def test_every_line_explains_itself(ada: Browser, customer: Customer, open_unit: Open) -> None:
    with open_unit(customer.provider_id) as ctx:
        rows = ctx.session.execute(select(InvoiceLine.invoice_id, InvoiceLine.id)).all()
    for invoice_id, line_id in rows:
        path = f"invoices/{encode('invoice', invoice_id)}/lines/{encode('invoice_line', line_id)}"
        assert ada.get(path).status_code == 200


def test_a_credit_tells_what_it_gives_back(new_browser: NewBrowser, provider_id: UUID, open_unit: Open) -> None:
    cancelled_at = datetime(2026, 1, 19, 23, tzinfo=UTC)
    customer = a_power_customer(provider_id, cancelled_at)
    bill(provider_id)
    with open_unit() as ctx:
        subscription_steps.cancel(ctx, subscriptions.find(ctx, customer.subscription_id, lock=True), cancelled_at)
    set_clock(provider_id, datetime(2026, 2, 2, tzinfo=UTC))
    bill(provider_id)
    with open_unit() as ctx:
        row = ctx.session.execute(
            select(InvoiceLine.invoice_id, InvoiceLine.id, InvoiceLine.amount).where(InvoiceLine.kind == "credit")
        ).one()
    assert row.amount == -17419  # 450 less what 19 of 31 days cost, rounded once: 275.81
    browser = new_browser(provider_id)
    browser.enter(open_unit, provider_id, customer.account_id)
    path = f"invoices/{encode('invoice', row.invoice_id)}/lines/{encode('invoice_line', row.id)}"
    said = words(browser.get(path).text)
    assert "Billed before, for 1–31 Jan 2026 €450.00" in said
    assert "The part that was used: 19 of 31 days of 1–31 Jan 2026 −€275.81" in said
    assert "Given back −€174.19" in said


def test_missing_readings_are_told_with_what_stands_in_for_them(
    new_browser: NewBrowser, provider_id: UUID, open_unit: Open
) -> None:
    customer = a_power_customer(provider_id, datetime(2026, 1, 24, 23, tzinfo=UTC))
    set_clock(provider_id, datetime(2026, 2, 2, tzinfo=UTC))
    bill(provider_id)
    with open_unit() as ctx:
        row = ctx.session.execute(
            select(InvoiceLine.invoice_id, InvoiceLine.id).where(InvoiceLine.kind == "usage")
        ).one()
    browser = new_browser(provider_id)
    browser.enter(open_unit, provider_id, customer.account_id)
    path = f"invoices/{encode('invoice', row.invoice_id)}/lines/{encode('invoice_line', row.id)}"
    said = words(browser.get(path).text)
    assert "Readings were missing. 25–31 Jan 2026 is estimated at" in said
    assert "by the same hours of the four weeks before" in said
    assert "settled on a later invoice when readings come" in said


def test_the_pages_of_another_account_do_not_exist(
    new_browser: NewBrowser, customer: Customer, open_unit: Open
) -> None:
    invoice_id, line_id = newest_invoice(open_unit, customer)
    with open_unit(customer.provider_id) as ctx:
        stranger = make_account(ctx, name="Somebody else")
    browser = new_browser(customer.provider_id)
    browser.enter(open_unit, customer.provider_id, stranger)
    invoice = f"invoices/{encode('invoice', invoice_id)}"
    for path in (invoice, f"{invoice}/pdf", f"{invoice}/lines/{encode('invoice_line', line_id)}"):
        assert browser.get(path).status_code == 404
    said = words(browser.get().text)
    assert "No metered usage yet" in said
    assert "Nothing all invoices are settled" in said
    assert "No invoices yet" in words(browser.get("invoices").text)


def test_a_parent_sees_what_its_children_use(new_browser: NewBrowser, customer: Customer, open_unit: Open) -> None:
    with open_unit(customer.provider_id) as ctx:
        child = make_account(ctx, name="Child", parent=customer.account_id)
    browser = new_browser(customer.provider_id)
    browser.enter(open_unit, customer.provider_id, child)
    assert "billed to another account" in words(browser.get().text)
    assert "No invoices yet" in words(browser.get("invoices").text)


def test_a_draft_is_nobody_s_invoice_yet(ada: Browser, customer: Customer, open_unit: Open) -> None:
    draft = new_id()
    with open_unit(customer.provider_id) as ctx:
        seller = ctx.session.scalars(select(Seller.id)).one()
        ctx.session.add(
            Invoice(
                provider_id=customer.provider_id, id=draft, seller_id=seller, account_id=customer.account_id,
                currency="EUR", bill_on=ctx.now.date(), created_at=ctx.now, meta={},
            )
        )  # fmt: skip
    assert ada.get(f"invoices/{encode('invoice', draft)}").status_code == 404
    assert "Draft" not in ada.get("invoices").text


@pytest.mark.parametrize(
    "path",
    [
        "?month=2026-13", "?month=1", "?day=tomorrow", "?day=0001-01-01", "?day=9999-12-31", "?charge=nonsense",
        "invoices?after=nonsense", "invoices/inv_nonsense", "nowhere", "invoices/%00",
    ],
)  # fmt: skip
def test_an_address_that_means_nothing_is_a_page_that_says_so(path: str, ada: Browser) -> None:
    answer = ada.get(path)
    assert answer.status_code == 404
    assert "Nothing here" in answer.text


def test_lines_go_on_from_a_position_and_not_from_nonsense(ada: Browser, customer: Customer, open_unit: Open) -> None:
    invoice_id, _ = newest_invoice(open_unit, customer)
    path = f"invoices/{encode('invoice', invoice_id)}"
    assert "First lines" in ada.get(f"{path}?after=1").text
    assert ada.get(f"{path}?after=-1").status_code == 404
    assert ada.get(f"{path}?after=١").status_code == 404


@pytest.mark.parametrize("path", ["", "sign-in", "invoices", "nowhere", "brand.css", "enter/x"])
def test_every_answer_tells_the_browser_to_run_nothing_of_others(path: str, ada: Browser) -> None:
    answer = ada.get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy | STRICT == policy
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


def test_pages_carry_no_inline_style_or_script_and_name_no_outside_host(
    ada: Browser, customer: Customer, open_unit: Open
) -> None:
    invoice_id, _ = newest_invoice(open_unit, customer)
    for path in ("", "invoices", f"invoices/{encode('invoice', invoice_id)}", "nowhere"):
        html = ada.get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", html)
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', html)


def test_names_are_text_and_never_markup(new_browser: NewBrowser, open_unit: Open, provider_id: UUID) -> None:
    with open_unit() as ctx:
        account_id = make_account(ctx, name='<img src=x onerror=alert(1)>"')
        ctx.session.execute(update(Seller).values(name="<b>DC</b>", brand_color="#0f766e"))
    browser = new_browser(provider_id)
    browser.enter(open_unit, provider_id, account_id)
    html = browser.get().text
    assert "<img src=x" not in html
    assert "<b>DC" not in html
    assert "#0f766e" in browser.get("brand.css").text


def test_a_logo_is_served_so_that_it_can_run_nothing(
    new_browser: NewBrowser, open_unit: Open, provider_id: UUID
) -> None:
    browser = new_browser(provider_id)
    assert browser.get("logo.svg").status_code == 404
    with open_unit() as ctx:
        ctx.session.execute(update(Seller).values(logo_svg="<svg xmlns='http://www.w3.org/2000/svg'/>"))
    answer = browser.get("logo.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert "sandbox" in answer.headers["content-security-policy"]


def test_an_unknown_provider_has_no_pages(new_browser: NewBrowser) -> None:
    browser = new_browser(new_id())
    assert browser.get("sign-in").status_code == 404
    assert browser.get().status_code == 303


def test_a_session_that_is_over_opens_nothing(ada: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    from portal import visits
    from services.clock import system_now

    assert ada.get().status_code == 200
    monkeypatch.setattr(visits, "system_now", lambda: system_now() + portal_sessions.SESSION_LIFE)
    assert ada.get().status_code == 303


def test_our_own_fault_is_a_page_with_a_reference_and_no_trace(
    ada: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a detail of ours")

    monkeypatch.setattr("portal.views.invoices.customer_pages.invoices", broken)
    answer = ada.get("invoices")
    assert answer.status_code == 500
    assert "a detail of ours" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "a detail of ours" in caplog.text


def test_static_files_are_kept_forever_and_sent_packed(ada: Browser) -> None:
    address = re.search(r'href="([^"]+tabler\.min\.css\?v=\w+)"', ada.get().text)
    assert address is not None
    packed = ada.http.get(address[1], headers={"Accept-Encoding": "gzip"})
    plain = ada.http.get(address[1], headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 100_000 < int(plain.headers["content-length"])
    assert packed.content == plain.content
    assert "immutable" in packed.headers["cache-control"]
    assert ada.http.get("/portal/static/%2e%2e/app.py").status_code == 404


def test_a_database_that_is_away_is_a_page_that_says_so(ada: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("SELECT 1", {}, OSError("connection refused"))

    monkeypatch.setattr("portal.visits.unit", away)
    for path in ("", "invoices", "sign-in", "brand.css"):
        answer = ada.get(path)
        assert answer.status_code == 503
        assert "Back in a moment" in answer.text
        assert "refused" not in answer.text
