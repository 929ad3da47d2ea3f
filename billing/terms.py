"""What was agreed, when: append-only timeline rows folded into the terms in force."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

ZERO = Decimal(0)
_WRITTEN = attrgetter("recorded_at", "order")


class TermRow(NamedTuple):
    """One row of an item's timeline: from an instant on, this price and quantity, or nothing any more.

    `recorded_at` is when the row was written; of several rows for one instant the last one written holds, and `order`
    (of the row's id) decides between two of the same transaction.
    """

    from_at: datetime
    price_id: UUID | None
    quantity: Decimal
    ended: bool
    recorded_at: datetime
    order: int = 0
    discount: Decimal = ZERO


class Term(NamedTuple):
    """A stretch in which one price, quantity and discount hold: `[start, end)`, an end of None being open."""

    start: datetime
    end: datetime | None
    price_id: UUID
    quantity: Decimal
    discount: Decimal = ZERO


def fold(rows: Iterable[TermRow], known_at: datetime | None = None) -> tuple[Term, ...]:
    """The terms that a timeline says, in order of time.

    Args:
        known_at: look at the timeline as it was known then: rows recorded later are left out.

    A row holds until the next row's `from_at`. Neighbours that say the same are one term. A row with `ended` opens a
    stretch without terms.
    """
    latest: dict[datetime, TermRow] = {}
    for row in sorted(rows, key=_WRITTEN):
        if known_at is None or row.recorded_at <= known_at:
            latest[row.from_at] = row
    ordered = [latest[at] for at in sorted(latest)]
    terms: list[Term] = []
    for row, after in zip_longest(ordered, ordered[1:]):
        if row.ended or row.price_id is None:
            continue
        term = Term(row.from_at, after and after.from_at, row.price_id, row.quantity, row.discount)
        before = terms[-1] if terms else None
        if before is not None and before.end == term.start and before._replace(start=term.start, end=term.end) == term:
            terms[-1] = before._replace(end=term.end)
        else:
            terms.append(term)
    return tuple(terms)
