"""From a document to the bytes of its PDF."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path

import typst

from exports.document import InvoiceDocument
from exports.invoice_pdf.page import Page

TEMPLATE_VERSION = "pdf-2"
_HERE = Path(__file__).parent
# (with the machine's fonts, the standards held), best first.
_ATTEMPTS: tuple[tuple[bool, list[typst.PDFStandard]], ...] = ((False, ["a-3a"]), (True, ["a-3a"]), (True, ["1.7"]))


def render(document: InvoiceDocument) -> bytes:
    """The PDF of a document: PDF/A-3a, so that it can be archived and later carry an e-invoice inside.

    Its timestamp is the start of the day it was issued on, never the machine's clock. An invoice always goes out: a
    script that the fonts here do not cover is looked for in the machine's fonts, and without one the file is a plain
    PDF with boxes in place of the letters; a logo that cannot be drawn gives way to the seller's name.
    """
    wordmark = replace(document, seller=replace(document.seller, logo=None))
    for candidate in (document, wordmark):
        data = json.dumps(Page(candidate).data(), ensure_ascii=False)
        for machine_fonts, standards in _ATTEMPTS:
            try:
                return _draw(data, document.issued_on, machine_fonts, standards)
            except typst.TypstError as error:
                failure = error
    raise failure


def _draw(data: str, day: date, machine_fonts: bool, standards: list[typst.PDFStandard]) -> bytes:
    compiler = typst.Compiler(_template(), root=_HERE, font_paths=_fonts(machine_fonts), sys_inputs={"data": data})
    stamp = datetime.combine(day, time(), UTC)
    pdf = compiler.compile(format="pdf", pdf_standards=standards, timestamp=stamp)
    if not isinstance(pdf, bytes):  # the wheel's signature also covers formats of several files
        raise TypeError("typst gave no single file")
    return pdf


@cache
def _template() -> bytes:
    return (_HERE / "invoice.typ").read_bytes()


@cache
def _fonts(machine_fonts: bool) -> typst.Fonts:
    """The fonts beside this file and typst's own: the same everywhere. The machine's only where those do not do."""
    return typst.Fonts(include_system_fonts=machine_fonts, include_embedded_fonts=True, font_paths=[_HERE / "fonts"])
