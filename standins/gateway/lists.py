"""Stripe's list envelope: newest first, `limit`, `starting_after`, `ending_before`, `created[gte]` and its kin."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from standins.gateway.form import Params
from standins.gateway.problems import invalid, missing
from standins.gateway.store import Account, Json

PAGING = ("limit", "starting_after", "ending_before", "created")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def page(account: Account, kind: str, params: Params, url: str, keep: Callable[[Json], bool] = lambda _: True) -> Json:
    """One page of the objects of a kind that `keep` keeps."""
    limit = params.integer("limit") or 10
    if not 1 <= limit <= 100:
        raise invalid("Limit can range between 1 and 100.", "limit")
    created = params.group("created") if isinstance(params.values.get("created"), dict) else Params({})
    bounds = [(_COMPARE[name], created.integer(name) or 0) for name in created.values if name in _COMPARE]
    wanted = (
        item
        for item in _from_cursor(account, kind, params)
        if keep(item) and all(compare(item["created"], bound) for compare, bound in bounds)
    )
    found = list(islice(wanted, limit + 1))
    return {"object": "list", "url": url, "has_more": len(found) > limit, "data": found[:limit]}


def _from_cursor(account: Account, kind: str, params: Params) -> Iterator[Json]:
    items: Any = list(account.newest(kind))
    ids = [item["id"] for item in items]
    for name in ("starting_after", "ending_before"):
        cursor = params.text(name)
        if cursor is None:
            continue
        if cursor not in ids:
            raise missing(kind, cursor, name)
        at = ids.index(cursor)
        items = items[at + 1 :] if name == "starting_after" else items[:at]
    return iter(items)
