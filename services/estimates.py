"""Rating without storing anything."""

from __future__ import annotations

from collections.abc import Sequence

from billing import estimates
from billing.estimates import Estimate, EstimateLine
from services.context import Context


def estimate(ctx: Context, currency: str, lines: Sequence[EstimateLine]) -> Estimate:
    """Rate lines by the functions that bill.

    Raises:
        Invalid: a line has no amount (`quantity_negative`, `amount_out_of_range`, a model's own codes).
    """
    return estimates.estimate(currency, lines)
