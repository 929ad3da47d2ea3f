"""Usage events: taken in bulk, counted once however often they are delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

import msgspec

from billing.metering.readings import QUANTITY_MAX
from services import spending_news
from services.clock import system_now
from services.context import Context
from services.usage_sent import ROWS_MAX, Receipt, Rejection, Sent, SentEvent, wrong_decimal
from stores.usage import backend
from stores.usage.port import EventColumns

AHEAD_MAX = timedelta(days=31)
Wrong = tuple[str, str]
REUSED: Wrong = ("event_id_reused", "Another event with this source and id was taken before, with other content.")
_encode = msgspec.json.Encoder().encode


def take_events(ctx: Context, sent: Sent[SentEvent]) -> Receipt:
    """Store the events that can be stored; each of the others is refused by its index.

    Codes: `subscription_unknown`, `meter_unknown`, `too_late`, `ahead_of_clock`, `decimal_malformed`,
    `decimal_out_of_range`, `event_id_reused`.
    """
    return _receipts([sent], _taken(ctx, sent))[0]


def take_events_together(ctx: Context, requests: Sequence[Sent[SentEvent]]) -> list[Receipt]:
    """The same for several requests of one caller at once: a receipt for each, as if they had come one by one."""
    sent = [(number * ROWS_MAX + index, event) for number, rows in enumerate(requests) for index, event in rows]
    return _receipts(requests, _taken(ctx, sent))


def _taken(ctx: Context, sent: Sent[SentEvent]) -> _Taking:
    taking = _begin(ctx, sent)
    rows = taking.distinct(taking.sound(sent))
    if rows:
        columns = _columns(rows, taking)
        known = backend().append_events(ctx.session, ctx.provider.id, columns, system_now(), taking.summed_until)
        spending_news.note_events(ctx, ((taking.subscriptions[e.subscription], e.at) for _, e in rows))
        if known:
            again = [row for row, digest in zip(rows, columns.digests, strict=True) if digest in known]
            _sort_out(ctx, again, taking)
    return taking


def _receipts(requests: Sequence[Sent[SentEvent]], taking: _Taking) -> list[Receipt]:
    """What became of each request's rows, which are counted through in `taking`."""
    receipts = [Receipt(accepted=len(rows)) for rows in requests]
    for place in taking.repeats:
        receipt = receipts[place // ROWS_MAX]
        receipt.accepted -= 1
        receipt.duplicates += 1
    for rejection in taking.rejected:
        number, index = divmod(rejection.index, ROWS_MAX)
        receipts[number].accepted -= 1
        receipts[number].rejected.append(replace(rejection, index=index))
    return receipts


@dataclass(frozen=True)
class _Taking:
    """What events are held against, and what becomes of those that are not stored.

    `repeats` are the indexes of those that were sent before.
    """

    oldest: datetime
    newest: datetime
    subscriptions: Mapping[str, UUID]
    meters: Mapping[str, UUID]
    summed_until: datetime | None
    repeats: list[int] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    def sound(self, sent: Sent[SentEvent]) -> Sent[SentEvent]:
        """The events that can be stored; the others are rejected, each with what is wrong with it."""
        subscriptions, meters, oldest, newest = self.subscriptions, self.meters, self.oldest, self.newest
        good = [
            row
            for row in sent
            if (event := row[1]).subscription in subscriptions
            and event.meter in meters
            and oldest <= event.at <= newest
            and wrong_quantity(event.quantity) is None
        ]
        if len(good) < len(sent):
            wrongs = ((index, event.id, self._wrong(event)) for index, event in sent)
            self.rejected.extend(Rejection(i, *wrong, event_id) for i, event_id, wrong in wrongs if wrong)
        return good

    def distinct(self, rows: Sent[SentEvent]) -> Sent[SentEvent]:
        """The first event of each identity: a repeat beside it is a duplicate, other content is refused."""
        if len({(event.source, event.id) for _, event in rows}) == len(rows):
            return rows
        first: dict[tuple[str, str], SentEvent] = {}
        kept = []
        for index, event in rows:
            known = first.setdefault((event.source, event.id), event)
            if known is event:
                kept.append((index, event))
            elif self._content(known) == self._content(event):
                self.repeats.append(index)
            else:
                self.rejected.append(Rejection(index, *REUSED, event.id))
        return kept

    def _content(self, event: SentEvent) -> tuple[object, ...]:
        """What two deliveries of one event have in common, however they write it."""
        said = event.properties or {}
        # True is 1 to Python, and not to JSON.
        properties = {name: (type(value) is bool, value) for name, value in said.items()}
        subscription_id, meter_id = self.subscriptions[event.subscription], self.meters[event.meter]
        return subscription_id, meter_id, event.at, Decimal(event.quantity), event.properties is None, properties

    def _wrong(self, event: SentEvent) -> Wrong | None:
        if event.subscription not in self.subscriptions:
            return "subscription_unknown", f"There is no subscription {event.subscription}."
        if event.meter not in self.meters:
            return "meter_unknown", f"There is no meter {event.meter}."
        if event.at < self.oldest:
            return "too_late", f"Events before {self.oldest:%Y-%m-%d %H:%M} UTC are not taken any more."
        if event.at > self.newest:
            return "ahead_of_clock", f"Events are at most {AHEAD_MAX.days} days ahead of the provider's clock."
        return wrong_quantity(event.quantity)


def _begin(ctx: Context, sent: Sent[SentEvent]) -> _Taking:
    oldest, newest = ctx.now - timedelta(days=ctx.provider.settings.usage_cutoff_days), ctx.now + AHEAD_MAX
    found = backend().references(
        ctx.session,
        ctx.provider.id,
        {e.subscription for _, e in sent},
        {e.meter for _, e in sent},
        [e.at for _, e in sent if oldest <= e.at <= newest],
        ctx.scope,
    )
    return _Taking(oldest, newest, found.subscriptions, found.meters, found.summed_until)


def _columns(rows: Sent[SentEvent], taking: _Taking) -> EventColumns:
    subscriptions = {reference: place for place, reference in enumerate(taking.subscriptions, 1)}
    meters = {reference: place for place, reference in enumerate(taking.meters, 1)}
    events = [event for _, event in rows]
    return EventColumns(
        subscription_ids=list(taking.subscriptions.values()),
        meter_ids=list(taking.meters.values()),
        digests=[blake2b(f"{e.source}\0{e.id}".encode(), digest_size=16).digest() for e in events],
        sources=[e.source for e in events],
        ids=[e.id for e in events],
        subscriptions=[subscriptions[e.subscription] for e in events],
        meters=[meters[e.meter] for e in events],
        at=[e.at for e in events],
        quantities=[e.quantity for e in events],
        properties=[None if e.properties is None else _encode(e.properties).decode() for e in events],
    )


@lru_cache(maxsize=65_536)
def wrong_quantity(text: str) -> Wrong | None:
    """What is wrong with a quantity, or None. Quantities repeat, so it is remembered."""
    if (wrong := wrong_decimal(text)) is not None:
        return wrong
    if abs(Decimal(text)) < QUANTITY_MAX:
        return None
    return "decimal_out_of_range", f"The quantity of one event is below {QUANTITY_MAX:.0e}."


def _sort_out(ctx: Context, rows: Sent[SentEvent], taking: _Taking) -> None:
    """Events whose identity was taken: a repeat counts as a duplicate, other content is refused."""
    columns = _columns(rows, taking)
    stored = backend().same_events(ctx.session, ctx.provider.id, columns)
    for (index, event), digest in zip(rows, columns.digests, strict=True):
        if digest in stored:
            taking.repeats.append(index)
        else:
            taking.rejected.append(Rejection(index, *REUSED, event.id))
