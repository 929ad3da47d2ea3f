"""What usage comes to so far, for many items at once: by the functions that bill, storing nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.items import Item, PriceTerms
from billing.metered import Index
from billing.metering.slots import Usage
from billing.so_far import Running, running
from core.money import Money
from core.period import Period
from services import indexes
from services.context import Context
from stores.usage import slots_many

ZERO = Decimal(0)


@dataclass(frozen=True)
class SoFar:
    """A stretch that is billed at once, rated up to now. `amount` is net, and None where there is none yet.

    `quantity` is in the unit of the price's aggregation.
    """

    item: Item
    price: PriceTerms
    span: Period
    until: datetime
    quantity: Decimal
    amount: Money | None


def so_far(ctx: Context, items: Iterable[tuple[Item, Period]]) -> list[SoFar]:
    """What items come to in the billing spans that overlap a period each, in a fixed number of queries."""
    found = [each for item, asked in items for each in running(item, asked, ctx.now)]
    spans: defaultdict[str, set[Period]] = defaultdict(set)
    for each in found:
        if each.index is not None:
            spans[each.index].add(each.known)
    known = indexes.load(ctx, spans)
    requests = [each.request(known) for each in found]
    wanted = [request for request in requests if request is not None]
    used = slots_many(ctx.session, ctx.provider.id, wanted, now=ctx.now, evidence=False) if wanted else {}
    return [
        _so_far(each, used[request] if request is not None else None, known)
        for each, request in zip(found, requests, strict=True)
    ]


def _so_far(each: Running, used: Usage | None, known: Mapping[str, Index]) -> SoFar:
    rated = each.rated(used, known) if used is not None else None
    if rated is not None:
        return SoFar(each.item, each.price, each.span, each.until, rated.quantity, rated.amount)
    quantity = used.quality.total if used is not None else ZERO
    return SoFar(each.item, each.price, each.span, each.until, quantity, None)
