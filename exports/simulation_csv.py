"""What prices would have come to, as CSV (RFC 4180, UTF-8): a row per customer or subscription, then one per currency.

Amounts are in minor units of the currency beside them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from exports.lines_csv import as_text

COLUMNS = (
    "row",
    "account",
    "account_reference",
    "account_name",
    "subscription",
    "subscription_reference",
    "currency",
    "subscriptions",
    "unpriced",
    "current_amount",
    "simulated_amount",
    "difference_amount",
    "difference_percent",
    "outcome",
    "obstacles",
)
# People write these.
WRITTEN = frozenset(("account_reference", "account_name", "subscription_reference"))


def write(rows: Iterable[Mapping[str, Any]], *, names: bool) -> bytes:
    """Rows as CSV.

    Args:
        rows: with some of `COLUMNS`; what is not there, or None, is an empty cell.
        names: whether the names of the columns come first.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    if names:
        writer.writerow(COLUMNS)
    writer.writerows([_cell(name, row.get(name)) for name in COLUMNS] for row in rows)
    return text.getvalue().encode()


def _cell(name: str, value: Any) -> Any:
    return as_text(value) if name in WRITTEN else value
