"""Which slots of which price indexes a piece of billing needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from billing.items import USAGE, Item, PriceTerms
from billing.walk import Bill, steps
from core.period import Period

Wanted = Mapping[str, set[Period]]


def index_of(price: PriceTerms) -> str | None:
    """The code of the index that a price follows, if it follows one."""
    return price.price.needs.index if price.kind == USAGE else None


def indexed_spans(items: Iterable[Item], as_of: datetime, since: datetime) -> Wanted:
    """The spans that are rated by an index, by its code.

    Args:
        as_of: everything due up to then is rated.
        since: billed spans that end later are rated again.
    """
    found: defaultdict[str, set[Period]] = defaultdict(set)
    for item in items:
        if any(index_of(term.price) for term in item.terms) or any(index_of(claim.price) for claim in item.claims):
            for price, span in _rated(item, as_of, since):
                if (code := index_of(price)) is not None:
                    found[code].add(span)
    return found


def _rated(item: Item, as_of: datetime, since: datetime) -> Iterator[tuple[PriceTerms, Period]]:
    for step in steps(item, as_of):
        if isinstance(step, Bill):
            yield step.price, step.span
        elif step.keeps is not None:
            yield step.claim.price, step.keeps
    for claim in item.claims:
        if claim.span.end > since:
            yield claim.price, claim.span
