"""When a span is closed: its boundary readings had time to arrive, so its usage is billed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from billing.drawdown import waits_for_usage
from billing.items import USAGE
from billing.proposal import ProposedCharge
from services.context import Context


def closed_by(ctx: Context, as_of: datetime) -> datetime:
    """Spans that ended by then are closed: their boundary readings had time to arrive.

    Looking ahead (a dry run, a preview), every span that ends by `as_of` counts, as far as its usage is known.
    """
    return as_of if as_of > ctx.now else ctx.now - timedelta(minutes=ctx.provider.settings.close_after_minutes)


def settled(charges: Iterable[ProposedCharge], closed: datetime) -> tuple[ProposedCharge, ...]:
    """The charges that may be made: those of usage only where their spans are closed.

    Args:
        closed: as `closed_by` tells it.
    """
    return tuple(c for c in charges if c.span.end <= closed or not (c.kind == USAGE or waits_for_usage(c)))
