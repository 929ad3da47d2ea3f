"""The PDF shows what was frozen, so it is the same file whenever it is drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO

import pytest
from pypdf import PdfReader
from sqlalchemy import select, update

from exports.invoice_pdf import PLUGIN as PDF
from models.accounts import Account
from models.billing import Blob, Invoice
from models.providers import Seller
from services import invoicing
from services.context import Context
from services.invoicing_pdf import document
from stores.blobs.postgresql import PLUGIN as BLOBS
from tests.builders.billing import RACK, PriceOf, a_plan, an_account, subscribe
from tests.builders.runs import bill_at, invoices
from tests.conftest import Open

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="10"><rect width="40" height="10" fill="#123456"/></svg>'
)


@pytest.fixture
def invoice(open_unit: Open) -> Invoice:
    """An invoice of a payer with a child, by a seller with a logo and a bank."""
    with open_unit() as ctx:
        bank = {"iban": "NL91ABNA0417164300", "bic": "ABNANL2A"}
        change(ctx, Seller, logo_svg=LOGO, bank=bank, footer="Thank you.", address={"line1": "Dock 1"})
        master = an_account(ctx, "Master", purchase_order="PO-7", address={"line1": "Keizersgracht 1"})
        plan = a_plan(ctx, RACK)
        subscribe(ctx, master, plan)
        subscribe(ctx, an_account(ctx, "Child", parent=master, payer="parent"), plan)
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        return invoices(ctx)[0]


def change(ctx: Context, table: type[Seller] | type[Account] | type[Invoice], **values: object) -> None:
    ctx.session.execute(update(table).where(table.provider_id == ctx.provider.id).values(**values))


def test_the_pdf_says_what_the_invoice_says(open_unit: Open, invoice: Invoice) -> None:
    with open_unit() as ctx:
        data = invoicing.pdf(ctx, invoice.id)
    text = "\n".join(page.extract_text() for page in PdfReader(BytesIO(data)).pages)
    for expected in (
        "INV-2026-000001",
        "Master",
        "Child",
        "PO-7",
        "Keizersgracht 1",
        "2,178.00",
        "NL91",
        "15 Feb 2026",
    ):
        assert expected in text


def test_a_line_of_several_prices_says_so(open_unit: Open) -> None:
    tiers = {"model": "graduated", "tiers": [{"up_to": "2", "unit_price": "9"}, {"up_to": None, "unit_price": "5"}]}
    with open_unit() as ctx:
        subscribe(ctx, an_account(ctx), a_plan(ctx, PriceOf("ports", tiers)), quantity="3")
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (group,) = document(ctx, invoices(ctx)[0]).groups[0].subscriptions
    assert [(line.unit_price, line.prices, line.amount) for line in group.lines] == [(None, 2, 2300)] * 2


def test_it_stays_the_same_file_whatever_becomes_of_the_parties(open_unit: Open, invoice: Invoice) -> None:
    with open_unit() as ctx:
        before = PDF.render(document(ctx, invoice))
        change(ctx, Seller, legal_name="Other", logo_svg=None, bank={}, footer=None, tax_rate=9)
        change(ctx, Account, name="Renamed", address={}, locale="nl-NL", time_zone="Asia/Tokyo")
    with open_unit() as ctx:
        assert PDF.render(document(ctx, invoice)) == before
        assert invoicing.pdf(ctx, invoice.id) == before


def test_it_is_drawn_once_and_kept(open_unit: Open, invoice: Invoice) -> None:
    with open_unit() as ctx:
        invoicing.make_pdf(ctx, invoice.id)
    with open_unit() as ctx:
        drawn = PDF.render(document(ctx, invoice))
        assert pdfs_kept(ctx) == [drawn]
        assert invoicing.pdf(ctx, invoice.id) == drawn


def test_what_is_kept_is_not_drawn_again(open_unit: Open, invoice: Invoice) -> None:
    with open_unit() as ctx:
        change(ctx, Invoice, pdf_blob=BLOBS.put(ctx.session, ctx.provider.id, b"as before", PDF.media_type))
    with open_unit() as ctx:
        invoicing.make_pdf(ctx, invoice.id)
        assert invoicing.pdf(ctx, invoice.id) == b"as before"
        assert pdfs_kept(ctx) == [b"as before"]


def pdfs_kept(ctx: Context) -> list[bytes]:
    kept = (Blob.provider_id == ctx.provider.id, Blob.content_type == PDF.media_type)
    return list(ctx.session.scalars(select(Blob.data).where(*kept)))


@pytest.mark.parametrize(("most", "told_apart"), [(3, True), (1, False)])
def test_a_document_of_very_many_lines_sums_them_up(
    open_unit: Open, monkeypatch: pytest.MonkeyPatch, most: int, told_apart: bool
) -> None:
    with open_unit() as ctx:
        plan = a_plan(ctx, RACK)
        payer = an_account(ctx, "Master")
        child = an_account(ctx, "Child", parent=payer, payer="parent")
        for account in (payer, payer, child):
            subscribe(ctx, account, plan)
    bill_at(open_unit, FEBRUARY)
    monkeypatch.setattr("services.invoicing_lines.SHOWN_MOST", most)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        drawn = document(ctx, invoice)
        shown = [(g.name, line.price_note, line.amount) for g in drawn.groups for line in g.subscriptions[0].lines]
        apart = [("Master", "4×", 180000), ("Child", "2×", 90000)]
        assert shown == (apart if told_apart else [("Master", "6×", 270000)])
        assert drawn.lines_apart == 6
        text = "".join(page.extract_text() for page in PdfReader(BytesIO(PDF.render(drawn))).pages)
        assert "sums up 6 lines" in text
