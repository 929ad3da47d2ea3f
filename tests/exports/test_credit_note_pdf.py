"""A credit note on paper: which invoice it corrects, what it gives back, and that nothing is to be paid."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date

import pytest
from pypdf import PdfReader

from exports.document import Corrected, InvoiceDocument
from exports.invoice_pdf import render
from tests.exports.documents import group, invoice, line


def text(document: InvoiceDocument) -> str:
    """The text of all pages, with every kind of space made plain."""
    pages = PdfReader(io.BytesIO(render(document))).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))


def credit_note(*corrects: str, **members: object) -> InvoiceDocument:
    named = tuple(Corrected(number, date(2026, 1, 1)) for number in corrects)
    document = invoice(group(line(10000)), kind="credit_note", number="CN-2026-000007", corrects=named)
    return replace(document, **members)  # type: ignore[arg-type]


def test_it_names_itself_and_the_invoice_that_it_corrects() -> None:
    said = text(credit_note("INV-2026-000123"))
    for words in ("Credit note", "CN-2026-000007", "Corrects invoice", "INV-2026-000123", "1 Jan 2026"):
        assert words in said
    assert "Invoice number" not in said


def test_it_asks_for_nothing() -> None:
    said = text(credit_note("INV-2026-000123"))
    assert "Nothing is to be paid" in said
    assert "121.00" in said
    assert "How to pay" not in said


def test_of_many_invoices_some_are_named_and_the_others_counted() -> None:
    said = text(credit_note(*(f"INV-2026-{n:06d}" for n in range(1, 20))))
    assert "INV-2026-000006" in said
    assert "INV-2026-000007" not in said
    assert "and 13 more" in said


@pytest.mark.parametrize(("locale", "words"), [("de-DE", "Rechnungskorrektur"), ("nl-NL", "Creditnota")])
def test_it_speaks_the_language_of_the_payer(locale: str, words: str) -> None:
    assert words in text(credit_note("INV-2026-000123", locale=locale))


def test_one_without_a_number_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="without a number"):
        credit_note("INV-2026-000123", number=None)
