"""The lines of an invoice as CSV (RFC 4180, UTF-8): one row each, for spreadsheets and for what reads them.

Amounts are in minor units of the currency beside them, prices in major units, as everywhere in the API.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
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
    "charged_amount",
    "reductions",
    "tax_inclusive",
    "currency",
    "tax_category",
    "tax_rate",
    "purchase_order",
    "cost_centre",
)
# A statement of what is not billed yet has lines that are on no document; `state` tells which are due.
UNBILLED = ("state", *(name for name in COLUMNS if name not in ("invoice", "position", "id")))
COST_CENTRES = ("invoice", "cost_centre", "net_amount", "currency")
# People write these; a spreadsheet takes a text that begins like this for a formula.
WRITTEN = frozenset(
    (
        "beneficiary_name",
        "subscription_reference",
        "subscription_name",
        "description",
        "reductions",
        "purchase_order",
        "cost_centre",
    )
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(rows: Iterable[Mapping[str, Any]], *, names: bool, columns: Sequence[str] = COLUMNS) -> bytes:
    """Rows as CSV.

    Args:
        rows: each with all of the columns; None is an empty cell.
        names: whether the names of the columns come first.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    if names:
        writer.writerow(columns)
    writer.writerows([_cell(name, row[name]) for name in columns] for row in rows)
    return text.getvalue().encode()


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if name == "reductions":
        value = "; ".join(map(_reduction, value or ()))
    return as_text(value) if name in WRITTEN else value


def _reduction(reduction: Mapping[str, Any]) -> str:
    """What a coupon took off, in minor units: `Welcome 10 %: 3100`."""
    percent = f" {reduction['percent']} %" if reduction["percent"] is not None else ""
    return f"{reduction['name']}{percent}: {reduction['amount']}"


def as_text(value: Any) -> Any:
    """A text that people wrote, so that no spreadsheet takes it for a formula."""
    return "'" + value if isinstance(value, str) and value.startswith(FORMULA) else value
