"""Numbers of documents: a series per seller, kind and year, without gap.

A number is taken under its series' lock, in the transaction that stamps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from core.ids import new_id
from models.billing import NumberSeries
from services.context import Context
from services.sets import add_rows, among

INVOICES, CREDIT_NOTES = "invoice", "credit_note"


def series(ctx: Context, kind: str, prefixes: Mapping[tuple[UUID, int], str]) -> dict[tuple[UUID, int], NumberSeries]:
    """The series of each (seller, year), made when first used, locked in the order of ids.

    Args:
        kind: `INVOICES` or `CREDIT_NOTES`.
        prefixes: what the numbers of a series that is made now begin with.
    """
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "seller_id": seller_id,
            "kind": kind,
            "year": year,
            "prefix": prefix,
        }
        for (seller_id, year), prefix in sorted(prefixes.items(), key=lambda item: item[0])
    ]
    add_rows(ctx, NumberSeries, rows, pass_over_known=True)
    found = ctx.session.scalars(
        select(NumberSeries)
        .where(
            NumberSeries.provider_id == ctx.provider.id,
            NumberSeries.kind == kind,
            among(NumberSeries.seller_id, {seller_id for seller_id, _ in prefixes}),
            among(NumberSeries.year, {year for _, year in prefixes}),
        )
        .order_by(NumberSeries.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {(row.seller_id, row.year): row for row in found}


def numbered(row: NumberSeries) -> dict[str, Any]:
    """The next number of a series, as the members of a document. Flush before the document is written."""
    sequence = row.next
    row.next += 1
    return {"series_id": row.id, "sequence": sequence, "number": f"{row.prefix}-{row.year}-{sequence:06d}"}
