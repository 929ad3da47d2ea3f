"""Taxes: what a charge is taxed with, and what the taxes of a document come to.

Owns: the decision (category, rates, legal ground) as a value, the arithmetic of rates on a document, prices that
include their tax.
Does not own: where rates and parties come from (`services`), asking an engine outside (`tax_engines`).
"""

from billing.tax.amounts import (
    Priced,
    Taxed,
    TaxSubtotal,
    read_subtotal,
    subtotal_json,
    tax_lines,
    tax_on,
    tax_subtotals,
)
from billing.tax.decision import Tax, TaxRate, details_json, flat, flat_rate, rate_json, read_rate, taxed

__all__ = [
    "Priced",
    "Tax",
    "TaxRate",
    "TaxSubtotal",
    "Taxed",
    "details_json",
    "flat",
    "flat_rate",
    "rate_json",
    "read_rate",
    "read_subtotal",
    "subtotal_json",
    "tax_lines",
    "tax_on",
    "tax_subtotals",
    "taxed",
]
