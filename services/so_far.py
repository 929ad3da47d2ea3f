"""What usage comes to so far, for many items at once: by the functions that bill, storing nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from billing.items import Item
from billing.so_far import SoFar, running
from core.period import Period
from services import indexes
from services.context import Context
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
