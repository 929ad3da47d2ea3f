"""Hours of many registers or subscriptions over one and the same stretch, added up in one pass over the table.

That is what a billing run asks for: a month of thousands. Hours lie in a table as they came in, so those of one
register are hundreds of pages apart, and those of its neighbours are on the same pages: read page by page they cost a
fraction of what reading them register by register does.
"""

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

Window = TypeVar("Window")

# Fewer than this are looked up one by one; more stretches than this are slots of a day or a month, not spans of many.
LEAST = 20
STRETCHES_MOST = 8

# Nearly all that is not measured is zero: comparing it costs less than adding it.
REGISTER_HOURS = """
SELECT h.register_id, sum(h.measured), coalesce(sum(h.interpolated) FILTER (WHERE h.interpolated <> 0), 0),
       coalesce(sum(h.estimated) FILTER (WHERE h.estimated <> 0), 0),
       coalesce(sum(h.substituted) FILTER (WHERE h.substituted <> 0), 0),
       coalesce(sum(h.invalid) FILTER (WHERE h.invalid <> 0), 0), sum(h.intervals), max(h.known_at)
FROM register_hour h WHERE h.provider_id = %(provider)b AND h.register_id = ANY(%(registers)b::uuid[])
  AND h.hour >= %(h0)b AND h.hour < %(h1)b
GROUP BY h.register_id
"""
# The least and the most take a fifth of the statement: they are told where they are asked for.
EVENT_HOURS = """
SELECT h.subscription_id, sum(h.quantity), sum(h.count)::int8, {least}, {most}, max(h.known_at)
FROM event_hour h WHERE h.provider_id = %(provider)b AND h.subscription_id = ANY(%(subscriptions)b::uuid[])
  AND h.meter_id = %(meter)b AND h.hour >= %(h0)b AND h.hour < %(h1)b
GROUP BY h.subscription_id
"""
# The planner takes hours of one key to lie side by side; the map of pages has room in memory. There are as many workers
# as processors already: further processes of one statement would only take turns with them.
SETTINGS = {"enable_indexscan": "off", "work_mem": "32MB", "max_parallel_workers_per_gather": "0"}
PAGE_BY_PAGE = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in SETTINGS.items())
AS_USUAL = "; ".join(f"SET LOCAL {name} TO DEFAULT" for name in SETTINGS)


def crowded(windows: Iterable[tuple[int, Window]]) -> dict[Window, list[int]]:
    """The stretches that many share, each with the numbers of those that share it; none where there are too many."""
    sharing: defaultdict[Window, list[int]] = defaultdict(list)
    for k, window in windows:
        sharing[window].append(k)
    found = {window: ks for window, ks in sharing.items() if len(ks) >= LEAST}
    return found if len(found) <= STRETCHES_MOST else {}


def register_hours(
    session: Session, provider_id: UUID, registers: Sequence[UUID], start: datetime, end: datetime
) -> Mapping[UUID, Sequence[Any]]:
    """By register: its sums by quality, intervals, latest arrival. Registers without hours are left out."""
    parameters = {"registers": registers, "h0": start, "h1": end}
    return _sums(session, REGISTER_HOURS, parameters | {"provider": provider_id})


class EventHours(NamedTuple):
    """What many subscriptions share of one meter's events: the stretch, and which parts are asked for."""

    start: datetime
    end: datetime
    meter_id: UUID
    parts: frozenset[Part]

    @property
    def statement(self) -> str:
        """The sums that are asked for; the others are NULL."""
        return EVENT_HOURS.format(
            least="min(h.minimum)" if Part.MIN in self.parts else "NULL",
            most="max(h.maximum)" if Part.MAX in self.parts else "NULL",
        )


def event_hours(
    session: Session, provider_id: UUID, subscriptions: Sequence[UUID], wanted: EventHours
) -> Mapping[UUID, Sequence[Any]]:
    """By subscription: sum, count, least, most, latest arrival of events. Those without are left out."""
    parameters = {"subscriptions": subscriptions, "meter": wanted.meter_id, "h0": wanted.start, "h1": wanted.end}
    return _sums(session, wanted.statement, parameters | {"provider": provider_id})


def _sums(session: Session, statement: str, parameters: dict[str, Any]) -> dict[UUID, Sequence[Any]]:
    with _page_by_page(session):
        return {key: sums for key, *sums in run(session, statement, parameters).all()}


@contextmanager
def _page_by_page(session: Session) -> Iterator[None]:
    """Settings of this transaction only; should a statement fail, they go with it."""
    connection = session.connection()
    connection.exec_driver_sql(PAGE_BY_PAGE)
    yield
    connection.exec_driver_sql(AS_USUAL)
