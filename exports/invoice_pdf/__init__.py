"""An invoice as a PDF (PDF/A-3, tagged), drawn by typst with the fonts in `fonts/`.

Owns: the template, its words in each language, the fonts. Does not own: the figures of the document, or where the
file is kept. The same document always gives the same bytes, so its SHA-256 names it.
"""

from __future__ import annotations

from exports.format import InvoiceFormat
from exports.invoice_pdf.render import TEMPLATE_VERSION, render

PLUGIN = InvoiceFormat(name="pdf", media_type="application/pdf", suffix="pdf", version=TEMPLATE_VERSION, render=render)
