"""Which claims a billing run need not look at: those that nothing agreed upon or come in since can touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.items import USAGE
from billing.terms import TermRow
from billing.untouched import Untouched, Written, untouched
from services.contract_calendars import Calendar
from stores.statements import FOREVER


def of_items(
    items: Mapping[UUID, UUID],
    terms: Mapping[UUID, Sequence[TermRow]],
    calendars: Mapping[UUID, Calendar],
    prices: Mapping[UUID, Any],
    since: datetime,
) -> dict[UUID, list[Untouched]]:
    """Of some items; none of subscriptions with a committed amount, which is drawn by sums.

    Args:
        items: each with its subscription.
        terms: by item, every row that there ever was.
        calendars: by subscription.
        prices: rows of `contract_prices`, all that the terms name.
        since: usage is looked at again where it ended later, and so is what has a corrected price.
    """
    drawn = {key for key, row in prices.items() if any(spec.get("draws") for spec in row.currencies.values())}
    again = {key for key, row in prices.items() if row.kind == USAGE or row.corrected}
    named = {item: {row.price_id for row in terms[item]} for item in items}
    commits = {subscription for item, subscription in items.items() if named[item] & drawn}
    found = {}
    for item, subscription in items.items():
        if subscription not in commits:
            rows = [Written(row.from_at, row.recorded_at) for row in terms[item]]
            written = (*rows, *calendars[subscription].written)
            found[item] = list(untouched(written, since if named[item] & again else FOREVER))
    return found
