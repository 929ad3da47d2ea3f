"""The lines of an invoice as CSV (RFC 4180, UTF-8): one row each, for spreadsheets and for what reads them.

Amounts are in minor units of the currency beside them, prices in major units, as everywhere in the API.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

COLUMNS = (
    "invoice",
    "position",
    "id",
    "kind",
    "beneficiary",
    "beneficiary_name",
    "subscription",
    "subscription_reference",
    "subscription_name",
    "charge_code",
    "description",
    "start",
    "end",
    "quantity",
    "unit",
    "unit_price",
    "exact",
    "amount",
    "currency",
    "tax_category",
    "tax_rate",
    "purchase_order",
    "cost_centre",
)
# People write these; a spreadsheet takes a text that begins like this for a formula.
WRITTEN = frozenset(
    (
        "beneficiary_name",
        "subscription_reference",
        "subscription_name",
        "description",
        "purchase_order",
        "cost_centre",
    )
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(rows: Iterable[Mapping[str, Any]], *, names: bool) -> bytes:
    """Rows as CSV.

    Args:
        rows: each with all of `COLUMNS`; None is an empty cell.
        names: whether the names of the columns come first.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    if names:
        writer.writerow(COLUMNS)
    writer.writerows([_cell(name, row[name]) for name in COLUMNS] for row in rows)
    return text.getvalue().encode()


def _cell(name: str, value: Any) -> Any:
    if name in WRITTEN and isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return value
