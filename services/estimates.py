"""Rating without storing anything."""

from __future__ import annotations

from collections.abc import Sequence

from billing import estimates
from billing.estimates import Estimate, EstimateLine
from core.errors import Invalid
from services import indexes
from services.context import Context


def estimate(ctx: Context, currency: str, lines: Sequence[EstimateLine]) -> Estimate:
    """Rate lines by the functions that bill; indexes are the provider's.

    Raises:
        Invalid: as `billing.estimates.estimate`; `index_currency_differs`.
    """
    spans = estimates.indexed_spans(lines)
    found = indexes.load(ctx, spans) if spans else {}
    for i, line in enumerate(lines):
        index = found.get(line.price.needs.index or "")
        if index is not None and index.currency != currency:
            detail = f"The index {index.code} is in {index.currency}."
            raise Invalid("index_currency_differs", detail, f"/lines/{i}/price/index")
    return estimates.estimate(currency, lines, found)
