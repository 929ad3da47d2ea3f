"""Append-only timelines: which rows make one say something else from an instant on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

State = TypeVar("State")
_TICK = timedelta(microseconds=1)


def turns(
    said: Callable[[datetime], State], at: datetime, turning: Iterable[datetime], written: Collection[datetime]
) -> list[tuple[datetime, State]]:
    """The rows to add, each an instant and what holds from there on.

    Args:
        said: what the timeline shall say at an instant; before `at` it says that already.
        turning: where it may turn; instants before `at` are left alone.
        written: where rows are already; from `at` on they are overruled.
    """
    instants = sorted({at, *(i for i in turning if i > at), *(i for i in written if i > at)})
    before = said(at - _TICK)
    rows = []
    for instant in instants:
        now = said(instant)
        if instant in written or now != before:
            rows.append((instant, now))
        before = now
    return rows
