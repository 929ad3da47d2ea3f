"""What was agreed, when: append-only timeline rows folded into the terms in force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

ZERO = Decimal(0)


@dataclass(frozen=True)
class TermRow:
    """One row of an item's timeline: from an instant on, this price and quantity, or nothing any more.

    `recorded_at` is when the row was written; of several rows for one instant the last one written holds, and `order`
    (the row's id will do) decides between two of the same transaction.
    """

    from_at: datetime
    price_id: UUID | None
    quantity: Decimal
    ended: bool
    recorded_at: datetime
    order: str = ""
    discount: Decimal = ZERO


@dataclass(frozen=True)
class Term:
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
    for row in sorted(rows, key=lambda r: (r.recorded_at, r.order)):
        if known_at is None or row.recorded_at <= known_at:
            latest[row.from_at] = row
    ordered = [latest[at] for at in sorted(latest)]
    terms: list[Term] = []
    for i, row in enumerate(ordered):
        end = ordered[i + 1].from_at if i + 1 < len(ordered) else None
        if row.ended or row.price_id is None:
            continue
        before = terms[-1] if terms else None
        term = Term(row.from_at, end, row.price_id, row.quantity, row.discount)
        if before and replace(before, start=term.start, end=end) == term and before.end == term.start:
            terms[-1] = replace(before, end=end)
        else:
            terms.append(term)
    return tuple(terms)
