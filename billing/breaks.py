"""Stretches of a contract in which nothing is billed: a trial, a pause, the time after a fixed term has run out.

What is agreed of prices and quantities goes on meanwhile; billing takes the breaks out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from billing.items import AgreedTerm

TRIAL, PAUSE, TERM = "trial", "pause", "term"


@dataclass(frozen=True)
class BreakRow:
    """One row of a subscription's breaks: from an instant on nothing is billed, for a reason, or is again (None).

    Of several rows for one instant the last one written holds; `order` decides between two of one transaction.
    """

    from_at: datetime
    reason: str | None
    recorded_at: datetime
    order: str = ""


@dataclass(frozen=True)
class Break:
    """`[start, end)` in which nothing is billed; an end of None is open."""

    start: datetime
    end: datetime | None
    reason: str


def fold_breaks(rows: Iterable[BreakRow]) -> tuple[Break, ...]:
    """The breaks that a timeline says, in order of time and without overlap."""
    latest: dict[datetime, str | None] = {}
    for row in sorted(rows, key=lambda r: (r.recorded_at, r.order)):
        latest[row.from_at] = row.reason
    instants = sorted(latest)
    found: list[Break] = []
    for start, end in zip(instants, [*instants[1:], None], strict=False):
        reason = latest[start]
        if reason is None:
            continue
        before = found[-1] if found else None
        if before is not None and before.end == start and before.reason == reason:
            found[-1] = replace(before, end=end)
        else:
            found.append(Break(start, end, reason))
    return tuple(found)


def reason_at(breaks: Iterable[Break], at: datetime) -> str | None:
    """Why nothing is billed at an instant; None where it is."""
    return next((b.reason for b in breaks if b.start <= at and (b.end is None or at < b.end)), None)


def until(breaks: Iterable[Break], at: datetime, reason: str | None = None) -> tuple[Break, ...]:
    """The breaks without what lies at or after an instant; with a reason, only those of that reason are cut."""
    kept: list[Break] = []
    for each in breaks:
        if (reason is not None and each.reason != reason) or (each.end is not None and each.end <= at):
            kept.append(each)
        elif each.start < at:
            kept.append(replace(each, end=at))
    return tuple(kept)


def with_break(breaks: Sequence[Break], added: Break) -> tuple[Break, ...]:
    """The breaks and a further one; where another is already, that one stays."""
    free = [added]
    for other in breaks:
        free = [piece for each in free for piece in _outside(each, other)]
    return tuple(sorted([*breaks, *free], key=lambda b: b.start))


def _outside(each: Break, other: Break) -> Iterator[Break]:
    if other.start > each.start:
        yield replace(each, end=other.start if each.end is None else min(each.end, other.start))
    if other.end is not None and (each.end is None or other.end < each.end):
        yield replace(each, start=max(each.start, other.end))


def billed(terms: Iterable[AgreedTerm], breaks: Sequence[Break]) -> tuple[AgreedTerm, ...]:
    """What is agreed, without the breaks: the terms that billing follows.

    A charge that was put on one contract alone, such as work done during a pause, is billed all the same.
    """
    return tuple(
        piece for term in terms for piece in ((term,) if term.price.version_id is None else _pieces(term, breaks))
    )


def _pieces(term: AgreedTerm, breaks: Sequence[Break]) -> Iterator[AgreedTerm]:
    start = term.start
    for each in breaks:
        if (each.end is not None and each.end <= start) or (term.end is not None and each.start >= term.end):
            continue
        if each.start > start:
            yield replace(term, start=start, end=each.start)
        if each.end is None:
            return
        start = each.end
    if term.end is None or start < term.end:
        yield replace(term, start=start)
