"""What usage comes to so far, for many items at once: by the functions that bill, storing nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from billing.items import Item
from billing.reduced_so_far import after_coupons
from billing.so_far import SoFar, running
from core.period import Period
from models.subscriptions import Subscription
from services import contract_items, coupons_redeemed, indexes
from services.context import Context
from services.sets import among
from stores.usage import slots_many


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
        each.so_far(used[request] if request is not None else None, known)
        for each, request in zip(found, requests, strict=True)
    ]


def net_so_far(ctx: Context, items: Iterable[tuple[Item, Period]]) -> list[SoFar]:
    """The same, after what coupons take off: one query more where there are none."""
    found = so_far(ctx, items)
    redeemed = coupons_redeemed.load(ctx, among(Subscription.id, {each.item.subscription_id for each in found}))
    if not redeemed:
        return found
    contracts = contract_items.load_subscriptions(ctx, redeemed.keys())
    return after_coupons(contracts.items, found, redeemed)
