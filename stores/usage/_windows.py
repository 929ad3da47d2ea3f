"""Hours of many registers or subscriptions over one and the same stretch, added up in one pass over the tables.

That is what a billing run asks for: a month of thousands. Of the days that are summed (`_days`) one row is read instead
of 24; the hours around them are read as they are. Hours lie in a table as they came in, so those of one
register are hundreds of pages apart, and those of its neighbours are on the same pages: read page by page they cost a
fraction of what reading them register by register does. Days lie likewise.
"""

# ruff: noqa: S608 (statements are put together from constants; values are parameters)

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.slots import Part
from stores.statements import run
from stores.usage._days import DAY, day_of

Window = TypeVar("Window")

# Fewer than this are looked up one by one; more stretches than this are slots of a day or a month, not spans of many.
LEAST = 20
STRETCHES_MOST = 8

# What each table tells of a stretch; `{n}` is the stretch's number.
REGISTER_ROWS = """
SELECT register_id, measured, interpolated, estimated, substituted, invalid, intervals, known_at
FROM register_{rows} WHERE provider_id = %(provider)b AND register_id = ANY(%(registers)b::uuid[])
  AND {rows} >= %(from_{n})b AND {rows} < %(until_{n})b
"""
EVENT_ROWS = """
SELECT subscription_id, quantity, count, minimum, maximum, known_at
FROM event_{rows} WHERE provider_id = %(provider)b AND subscription_id = ANY(%(subscriptions)b::uuid[])
  AND meter_id = %(meter)b AND {rows} >= %(from_{n})b AND {rows} < %(until_{n})b
"""
# Nearly all that is not measured is zero: comparing it costs less than adding it.
REGISTER_SUMS = """
SELECT h.register_id, sum(h.measured), coalesce(sum(h.interpolated) FILTER (WHERE h.interpolated <> 0), 0),
       coalesce(sum(h.estimated) FILTER (WHERE h.estimated <> 0), 0),
       coalesce(sum(h.substituted) FILTER (WHERE h.substituted <> 0), 0),
       coalesce(sum(h.invalid) FILTER (WHERE h.invalid <> 0), 0), sum(h.intervals), max(h.known_at)
FROM ({rows}) h GROUP BY h.register_id
"""
# The least and the most take a fifth of the statement: they are told where they are asked for.
EVENT_SUMS = """
SELECT h.subscription_id, sum(h.quantity), sum(h.count)::int8, {least}, {most}, max(h.known_at)
FROM ({rows}) h GROUP BY h.subscription_id
"""
# The planner takes hours of one key to lie side by side; the map of pages has room in memory. There are as many workers
# as processors already: further processes of one statement would only take turns with them.
SETTINGS = {"enable_indexscan": "off", "work_mem": "32MB", "max_parallel_workers_per_gather": "0"}
PAGE_BY_PAGE = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in SETTINGS.items())
# In the same round trip, from when on days are not summed yet.
SUMMED_UNTIL = PAGE_BY_PAGE + ", (SELECT until FROM summed_usage WHERE provider_id = %(provider)b)"
AS_USUAL = "; ".join(f"SET LOCAL {name} TO DEFAULT" for name in SETTINGS)


def crowded(windows: Iterable[tuple[int, Window]]) -> dict[Window, list[int]]:
    """The stretches that many share, each with the numbers of those that share it; none where there are too many."""
    sharing: defaultdict[Window, list[int]] = defaultdict(list)
    for k, window in windows:
        sharing[window].append(k)
    found = {window: ks for window, ks in sharing.items() if len(ks) >= LEAST}
    return found if len(found) <= STRETCHES_MOST else {}


class Rows(NamedTuple):
    """Rows of one kind (`hour`, `day`) that make up a stretch."""

    kind: str
    start: datetime
    end: datetime


def rows_of(start: datetime, end: datetime, summed_until: datetime | None) -> list[Rows]:
    """The rows that whole hours are read from: the days that are summed, and the hours around them."""
    first, last = day_of(start), day_of(end)
    first = first if first == start else first + DAY
    last = min(last, summed_until) if summed_until is not None else first
    if first >= last:
        return [Rows("hour", start, end)]
    around = (Rows("hour", start, first), Rows("hour", last, end))
    return [Rows("day", first, last), *(rows for rows in around if rows.start < rows.end)]


def register_hours(
    session: Session, provider_id: UUID, registers: Sequence[UUID], start: datetime, end: datetime
) -> Mapping[UUID, Sequence[Any]]:
    """By register: its sums by quality, intervals, latest arrival. Registers without hours are left out."""
    parameters = {"registers": registers, "provider": provider_id}
    return _sums(session, REGISTER_SUMS, REGISTER_ROWS, (start, end), parameters)


class EventHours(NamedTuple):
    """What many subscriptions share of one meter's events: the stretch, and which parts are asked for."""

    start: datetime
    end: datetime
    meter_id: UUID
    parts: frozenset[Part]

    @property
    def statement(self) -> str:
        """The sums that are asked for; the others are NULL."""
        return EVENT_SUMS.format(
            least="min(h.minimum)" if Part.MIN in self.parts else "NULL",
            most="max(h.maximum)" if Part.MAX in self.parts else "NULL",
            rows="{rows}",
        )


def event_hours(
    session: Session, provider_id: UUID, subscriptions: Sequence[UUID], wanted: EventHours
) -> Mapping[UUID, Sequence[Any]]:
    """By subscription: sum, count, least, most, latest arrival of events. Those without are left out."""
    parameters = {"subscriptions": subscriptions, "meter": wanted.meter_id, "provider": provider_id}
    return _sums(session, wanted.statement, EVENT_ROWS, (wanted.start, wanted.end), parameters)


def _sums(
    session: Session, sums: str, rows: str, stretch: tuple[datetime, datetime], parameters: dict[str, Any]
) -> dict[UUID, Sequence[Any]]:
    """One statement, so one snapshot: days and the hours around them tell of the same moment.

    Up to when days are summed is read before it. It only goes forward, and what is summed stays so: a day that is
    summed meanwhile is read by its hours. Read after it, or beside it in a later snapshot, it might name a day whose
    row the sums do not see.
    """
    with _page_by_page(session, parameters["provider"]) as summed_until:
        parts = rows_of(*stretch, summed_until)
        read = " UNION ALL ".join(rows.format(rows=part.kind, n=n) for n, part in enumerate(parts))
        bounds = {f"from_{n}": part.start for n, part in enumerate(parts)}
        bounds |= {f"until_{n}": part.end for n, part in enumerate(parts)}
        return {key: found for key, *found in run(session, sums.format(rows=read), parameters | bounds).all()}


@contextmanager
def _page_by_page(session: Session, provider_id: UUID) -> Iterator[datetime | None]:
    """Settings of this transaction only; should a statement fail, they go with it.

    Yields:
        Up to when days are summed.
    """
    connection = session.connection()
    row = connection.exec_driver_sql(SUMMED_UNTIL, {"provider": provider_id}).one()
    yield row[-1]
    connection.exec_driver_sql(AS_USUAL)
