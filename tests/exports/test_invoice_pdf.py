"""What the PDF says is what the document says."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from core.money import exponent
from core.registry import plugins
from exports.document import (
    BankDetails,
    CardOnFile,
    CostCentre,
    DocumentTax,
    InvoiceDocument,
    Logo,
    PaymentInstructions,
)
from exports.invoice_pdf import render
from exports.invoice_pdf.labels import ENGLISH, LANGUAGES
from tests.exports.documents import BUYER, SELLER, group, invoice, line


def pages(document: InvoiceDocument) -> list[str]:
    """The text of each page, with every kind of space made plain."""
    return [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(io.BytesIO(render(document))).pages]


def text(document: InvoiceDocument) -> str:
    return " ".join(pages(document))


def test_the_pdf_is_an_export_format() -> None:
    plugin = plugins("exports")["pdf"]
    assert plugin.media_type == "application/pdf"
    assert plugin.render(invoice(group(line(100)))).startswith(b"%PDF-")


def test_the_parties_the_number_and_the_dates_are_printed() -> None:
    said = text(invoice(group(line(10000)), purchase_order="PO-7781"))
    for expected in (
        "Lumen Analytics GmbH", "Friedrichstraße 88", "Germany", "Tax ID DE298765432", "LUM-0042",
        "Northgate Data Centres B.V.", "Kabelweg 37", "Netherlands", "NG-2026-000123",
        "1 Feb 2026", "15 Feb 2026", "PO-7781",
    ):  # fmt: skip
        assert expected in said


def test_a_line_says_quantity_unit_price_span_and_quality() -> None:
    said = text(invoice(group(line(23190, unit_price=None, prices=3, quality_note="12 % estimated"))))
    assert "744.128 kWh" in said
    assert "3 prices" in said
    assert "231.90" in said
    assert "1–31 Jan 2026 · 12 % estimated" in said


def test_taxes_are_listed_by_rate_with_their_ground() -> None:
    taxes = (
        DocumentTax("S", Decimal(21), 10000, 2100),
        DocumentTax("S", Decimal("9.5"), 5000, 475),
        DocumentTax("AE", Decimal(0), 2000, 0, note="Reverse charge.", jurisdiction="of Utopia"),
    )
    document = invoice(group(line(17000)), taxes=taxes, total_amount=19575, due_amount=19575)
    said = text(document)
    sums = ("VAT 21% on €100.00 €21.00", "VAT 9.5% on €50.00 €4.75", "VAT of Utopia 0% (AE) on €20.00")
    for expected in (*sums, "Reverse charge."):
        assert expected in said


def test_a_transfer_is_asked_for_with_the_account_and_the_reference() -> None:
    said = text(invoice(group(line(10000))))
    assert "Please transfer €121.00" in said
    assert "NL91 ABNA 0417 1643 00" in said
    assert "Reference NG-2026-000123" in said


def test_a_bank_account_without_an_iban_is_printed_too() -> None:
    bank = BankDetails("Northgate Inc.", account_number="000123456789", bank_code="021000021")
    said = text(invoice(group(line(10000)), currency="USD", payment=PaymentInstructions(bank=bank, reference="R 1")))
    assert "Account number 000123456789" in said
    assert "Bank code 021000021" in said


def test_with_a_card_on_file_nothing_is_asked_of_the_customer() -> None:
    card = PaymentInstructions(card=CardOnFile("Visa", "4242", date(2026, 2, 1)))
    said = text(invoice(group(line(10000)), payment=card))
    assert "We charge your Visa ending in 4242 on 1 Feb 2026." in said
    assert "Please transfer" not in said


def test_what_is_settled_lowers_what_is_asked_for() -> None:
    said = text(invoice(group(line(10000)), settled_amount=2100))
    assert "Already paid −€21.00" in said
    assert "Amount due €100.00" in said


def test_a_void_invoice_says_so_on_every_page_and_asks_for_nothing() -> None:
    document = invoice(*(group(*[line(100)] * 40, name=f"Tenant {i}") for i in range(3)), watermark="void")
    said = pages(document)
    assert len(said) >= 3
    assert all("VOID" in page for page in said)
    assert "Please transfer" not in " ".join(said)


def test_a_draft_is_marked_and_has_no_number() -> None:
    said = text(invoice(group(line(100)), number=None, watermark="draft"))
    assert "DRAFT" in said
    assert "Invoice number" not in said


def test_a_thousand_lines_repeat_the_head_and_the_group_on_each_page() -> None:
    groups = [group(*(line(i + 1) for i in range(50)), name=f"Tenant {t}", subscription=f"Rack {t}") for t in range(20)]
    said = pages(invoice(*groups))
    assert len(said) > 20
    for number, page in enumerate(said[:-1], start=1):
        assert "DESCRIPTION" in page
        assert re.search(r"Tenant \d+", page)
        assert f"Page {number} of {len(said)}" in page


def test_names_of_any_length_stay_on_the_page() -> None:
    long = "Z" * 400
    document = invoice(group(line(1, description=long), name=long, subscription=long), purchase_order=long)
    said = text(replace(document, buyer=replace(BUYER, name=long, address=(long,)))).replace("\N{ZERO WIDTH SPACE}", "")
    assert said.replace(" ", "").count(long) >= 4


def test_markup_in_a_name_is_printed_and_not_run() -> None:
    hostile = '#panic("x") *bold* $x$ \\ <tag> @ref "quoted" //not a comment'
    assert '#panic("x") *bold* $x$ \\ <tag> @ref "quoted" //not a comment' in text(
        invoice(group(line(100, description=hostile)))
    )


def test_the_same_document_gives_the_same_bytes() -> None:
    document = invoice(group(line(100)))
    assert render(document) == render(document)


def test_the_file_declares_itself_fit_for_archiving() -> None:
    metadata = PdfReader(io.BytesIO(render(invoice(group(line(100)))))).xmp_metadata
    assert metadata is not None
    assert metadata.pdfaid_part == "3"


@pytest.mark.parametrize("logo", [Logo("svg", b"<svg"), Logo("png", b"\x89PNG broken"), Logo("svg", b"")])
def test_a_broken_logo_gives_way_to_the_name(logo: Logo) -> None:
    assert "Northgate DC" in text(invoice(group(line(100)))), "the wordmark is the fallback"
    document = replace(invoice(group(line(100))), seller=replace(SELLER, logo=logo))
    assert "Northgate DC" in text(document)


@pytest.mark.parametrize(("width", "named"), [(48, True), (150, False), (480, False)])
def test_the_name_stands_beside_a_square_mark_and_not_beside_a_wide_logo(width: int, named: bool) -> None:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 48"><rect width="{width}" height="48"/></svg>'
    document = replace(invoice(group(line(100))), seller=replace(SELLER, logo=Logo("svg", svg.encode())))
    assert ("Northgate DC" in text(document)) is named


def test_a_script_without_a_font_here_still_gives_an_invoice() -> None:
    document = replace(invoice(group(line(100))), buyer=replace(BUYER, name="東京データ株式会社"))
    assert "€1.21" in text(document)


@pytest.mark.parametrize("locale", ["de-DE", "nl-NL"])
def test_another_language_speaks_throughout(locale: str) -> None:
    said = text(invoice(group(line(123456)), locale=locale))
    assert LANGUAGES[locale[:2]]["invoice"] in said
    assert "1.234,56" in said
    assert "Amount due" not in said


def test_every_language_has_every_word_with_the_same_places() -> None:
    for language, labels in LANGUAGES.items():
        assert labels.keys() == ENGLISH.keys(), language
        for key, english in ENGLISH.items():
            places = sorted(re.findall(r"\{\w+\}", english))
            assert sorted(re.findall(r"\{\w+\}", labels[key])) == places, (language, key)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    amounts=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=12),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    rate=st.sampled_from(["0", "9", "21", "7.7"]),
)
@example(amounts=[-(10**9)], currency="EUR", rate="21")
def test_the_amounts_shown_add_up_to_the_total_shown(amounts: list[int], currency: str, rate: str) -> None:
    document = invoice(
        group(*(line(a, description=f"Item {i};") for i, a in enumerate(amounts))), rate=rate, currency=currency
    )
    said = text(document).replace(",", "").replace("−", "-")
    figure = r"(-?\d+(?:\.\d+)?)"
    lines = [Decimal(m) for m in re.findall(rf"Item \d+; 1–31 Jan 2026 744\.128 kWh 0\.30*\s{figure}", said)]
    sums = {label: _figure(said, label) for label in ("Subtotal", "Total")}
    tax = _figure(said, r"VAT \S+ on \S+(?: [\d.]+)?")
    scale = Decimal(10) ** exponent(currency)
    assert [int(amount * scale) for amount in lines] == amounts
    assert sum(lines) == sums["Subtotal"]
    assert sums["Subtotal"] + tax == sums["Total"]


def _figure(said: str, label: str) -> Decimal:
    """The amount printed after a label, with its sign and without its currency."""
    found = re.search(rf"\b{label} (-?)(?:€|JP¥|KWD )(\d+(?:\.\d+)?)", said)
    assert found, (label, said)
    return Decimal(found[1] + found[2])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pro_forma", ["Pro forma", "Would come to", "nothing is to be paid", "no input tax can be deducted"]),
        ("statement", ["Not billed yet", "Without tax", "grows until its period ends"]),
    ],
)
def test_what_is_no_invoice_says_so_and_asks_for_no_money(
    kind: Literal["pro_forma", "statement"], said: list[str]
) -> None:
    document = invoice(group(line(10000)), kind=kind, number=None, due_on=None)
    printed = text(document)
    for expected in said:
        assert expected in printed
    assert "Please transfer" not in printed
    assert "Invoice number" not in printed


def test_cost_centres_stand_on_lines_and_are_summed_up() -> None:
    lines = group(line(10000, cost_centre="CC-7"), line(6000, cost_centre="R&D"), line(500))
    sums = (CostCentre("", 500), CostCentre("CC-7", 10000), CostCentre("R&D", 6000))
    said = text(invoice(lines, cost_centres=sums))
    assert "1–31 Jan 2026 · Cost centre CC-7" in said
    for expected in ("Without a cost centre 5.00", "CC-7 100.00", "R&D 60.00"):
        assert expected in said


def test_a_cost_centre_that_all_lines_of_a_subscription_have_stands_once() -> None:
    said = text(invoice(group(line(10000, cost_centre="CC-7"), line(6000, cost_centre="CC-7"))))
    assert said.count("CC-7") == 1
