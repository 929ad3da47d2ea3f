"""Whether anything has come since usage was last rated: where nothing has, adding it up again tells nothing new.

What counts as coming: an event of the span, by when it was received; the reading that closes the time for which a
register counts; intervals of a register that were made anew (late readings, exchanges, mended doubts); an assignment or
a register that is new or was changed. Where a register has not been read to the end of the time for which it counts,
the rest is an estimate that changes with its history, so that is always looked at; so are levels that were carried in,
which hang on all events before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from sqlalchemy.orm import Session

from billing.metering.cuts import HOUR
from billing.metering.slots import SlotRequest
from core.period import Period
from stores.statements import EVER, FOREVER, chunks, run
from stores.usage._events import month_of

# One month at a time, which is one partition: what came late into it lies together in the index.
EVENTS = """
SELECT subscription_id, meter_id, date_bin('1 hour', at, timestamptz '2000-01-01 00:00Z'), max(received_at)
FROM usage_event
WHERE provider_id = %(provider)b AND subscription_id = ANY(%(subscriptions)b::uuid[]) AND received_at > %(since)b
  AND at >= %(start)b AND at < %(end)b
GROUP BY 1, 2, 3
"""
FEEDS = """
SELECT a.item_id, lower(a.span), upper(a.span), greatest(a.changed_at, r.recorded_at), r.id, r.reading_at,
       r.replayed_at, r.replayed_from
FROM assignment a
LEFT JOIN register r ON r.provider_id = a.provider_id AND r.point_id = a.point_id AND r.kind = 'counter'
WHERE a.provider_id = %(provider)b AND a.item_id = ANY(%(items)b::uuid[])
"""
# The interval in which a register reached an instant, by when it was made.
CLOSED = """
SELECT DISTINCT w.k
FROM unnest(%(ks)b::int4[], %(registers)b::uuid[], %(at)b::timestamptz[], %(since)b::timestamptz[])
  AS w (k, register_id, at, since)
CROSS JOIN LATERAL (
  SELECT i.known_at FROM interval i WHERE i.provider_id = %(provider)b AND i.register_id = w.register_id
    AND i.start_at < w.at ORDER BY i.start_at DESC LIMIT 1) i
WHERE i.known_at > w.since
"""


@dataclass(frozen=True)
class _Feed:
    """A register that counts for an item from `start` to `end`, or a place without one."""

    start: datetime
    end: datetime
    changed_at: datetime
    register_id: UUID | None
    read_until: datetime | None
    replayed_at: datetime | None
    replayed_from: datetime | None

    def counts_in(self, span: Period) -> bool:
        return self.register_id is not None and self.start < span.end and span.start < self.end

    def tells(self, span: Period, since: datetime) -> bool:
        """Whether it may tell something new of a span, apart from what closes it."""
        if self.changed_at > since:
            return True
        if not self.counts_in(span):
            return False
        if self.read_until is None or self.read_until < min(self.end, span.end):
            return True
        return self.replayed_at is not None and self.replayed_at > since and (self.replayed_from or EVER) < span.end


Feeds = Mapping[UUID, Sequence[_Feed]]


def arrived(session: Session, provider_id: UUID, looked: Mapping[SlotRequest, datetime]) -> set[SlotRequest]:
    """Of some requests, each with when it was last answered (system time), those whose answer may be another now."""
    if not looked:
        return set()
    feeds = _feeds(session, provider_id, {request.item_id for request in looked if request.registers})
    found = {
        request
        for request, since in looked.items()
        if request.carried or any(feed.tells(request.span, since) for feed in feeds[request.item_id])
    }
    for search in (_closed_since, _with_events):
        rest = {request: since for request, since in looked.items() if request not in found}
        found |= search(session, provider_id, rest, feeds)
    return found


def _feeds(session: Session, provider_id: UUID, items: Collection[UUID]) -> Feeds:
    found: defaultdict[UUID, list[_Feed]] = defaultdict(list)
    if items:
        for item, start, end, *rest in run(session, FEEDS, {"items": list(items), "provider": provider_id}).all():
            found[item].append(_Feed(start, end or FOREVER, *rest))
    return found


def _closed_since(
    session: Session, provider_id: UUID, looked: Mapping[SlotRequest, datetime], feeds: Feeds
) -> set[SlotRequest]:
    asked = [
        (request, feed.register_id, min(feed.end, request.span.end), since)
        for request, since in looked.items()
        for feed in feeds[request.item_id]
        if feed.counts_in(request.span)
    ]
    found: set[SlotRequest] = set()
    for some in chunks(asked):
        parameters = {
            "ks": list(range(len(some))),
            "registers": [register for _, register, _, _ in some],
            "at": [at for _, _, at, _ in some],
            "since": [since for _, _, _, since in some],
            "provider": provider_id,
        }
        found |= {some[k][0] for (k,) in run(session, CLOSED, parameters)}
    return found


def _with_events(
    session: Session, provider_id: UUID, looked: Mapping[SlotRequest, datetime], _: Feeds
) -> set[SlotRequest]:
    came: defaultdict[tuple[UUID, UUID], list[tuple[datetime, datetime]]] = defaultdict(list)
    by_month: defaultdict[datetime, dict[SlotRequest, datetime]] = defaultdict(dict)
    for request, since in looked.items():
        for month in _months(request.span):
            by_month[month][request] = since
    for month, its in by_month.items():
        parameters = {
            "subscriptions": list({request.subscription_id for request in its}),
            "since": min(its.values()),
            "start": month,
            "end": _next(month),
            "provider": provider_id,
        }
        for subscription, meter, hour, received_at in run(session, EVENTS, parameters):
            came[subscription, meter].append((hour, received_at))
    return {
        request
        for request, since in looked.items()
        if any(
            received_at > since and hour < request.span.end and hour + HOUR > request.span.start
            for hour, received_at in came.get((request.subscription_id, request.meter_id), ())
        )
    }


@lru_cache(maxsize=64)
def _months(period: Period) -> tuple[datetime, ...]:
    """The starts of the months (UTC) that a period touches."""
    first = month_of(period.start)
    months = [datetime(first.year, first.month, 1, tzinfo=UTC)]
    while (following := _next(months[-1])) < period.end:
        months.append(following)
    return tuple(months)


def _next(month: datetime) -> datetime:
    return (month + timedelta(days=31)).replace(day=1)
