"""Claims that need not be looked at: nothing that was written since they were made reaches into their spans.

A claim is made of what is agreed for its span. What is agreed is told by rows that are only ever added, each from some
instant on; so as long as no row from before the end of the claim was added after it, the same is agreed for all of its
span, and nothing of it is given back. All that is left to know of such a claim is that its span is billed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

# A row may have been written so long before a claim that was made without knowing it: the row's transaction ran beside
# the one that made the claim, or that took its time.
BESIDE = timedelta(hours=1)


class Written(NamedTuple):
    """A row of what is agreed: from when on it holds, and when it was written (system time)."""

    from_at: datetime
    recorded_at: datetime


class Untouched(NamedTuple):
    """Claims whose spans end in `(after, until]` are untouched if they were made after an instant (system time)."""

    after: datetime
    until: datetime
    made_after: datetime


def untouched(rows: Iterable[Written], until: datetime) -> Iterator[Untouched]:
    """Which claims of an item are untouched, by where their spans end.

    Args:
        rows: all that was ever written of the item.
        until: claims whose spans end later may come to something else for other reasons.
    """
    ordered = sorted(rows)
    found: list[Untouched] = []
    latest: datetime | None = None
    for row in ordered:
        if row.from_at >= until:
            break
        if latest is not None and row.recorded_at <= latest:
            continue
        latest = row.recorded_at
        if found:
            found[-1] = found[-1]._replace(until=row.from_at)
        found.append(Untouched(row.from_at, until, latest + BESIDE))
    return (each for each in found if each.after < each.until)
