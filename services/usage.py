"""Usage events: taken in bulk, counted once however often they are delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

import msgspec

from billing.metering.readings import QUANTITY_MAX
from services.clock import system_now
from services.context import Context
from services.usage_sent import Receipt, Rejection, Sent, SentEvent, wrong_decimal
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
    taking = _begin(ctx, sent)
    rows = _distinct(taking.sound(sent), taking.receipt)
    if rows:
        columns = _columns(rows, taking)
        known = backend().append_events(ctx.session, ctx.provider.id, columns, system_now())
        taking.receipt.accepted = len(rows) - len(known)
        if known:
            again = [row for row, digest in zip(rows, columns.digests, strict=True) if digest in known]
            _sort_out(ctx, again, taking)
    return taking.receipt


@dataclass(frozen=True)
class _Taking:
    """What one request's events are held against; `receipt` collects what becomes of them."""

    oldest: datetime
    newest: datetime
    subscriptions: Mapping[str, UUID]
    meters: Mapping[str, UUID]
    receipt: Receipt

    def sound(self, sent: Sent[SentEvent]) -> Sent[SentEvent]:
        """The events that can be stored; the others stand in the receipt, each with what is wrong with it."""
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
            self.receipt.rejected += [Rejection(i, *wrong, event_id) for i, event_id, wrong in wrongs if wrong]
        return good

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
    subscriptions, meters = backend().references(
        ctx.session,
        ctx.provider.id,
        {e.subscription for _, e in sent},
        {e.meter for _, e in sent},
        [e.at for _, e in sent if oldest <= e.at <= newest],
        ctx.scope,
    )
    return _Taking(oldest, newest, subscriptions, meters, Receipt())


def _distinct(rows: Sent[SentEvent], receipt: Receipt) -> Sent[SentEvent]:
    """The first event of each identity: a repeat in the same request is a duplicate, other content is refused."""
    if len({(event.source, event.id) for _, event in rows}) == len(rows):
        return rows
    first: dict[tuple[str, str], SentEvent] = {}
    kept = []
    for index, event in rows:
        known = first.setdefault((event.source, event.id), event)
        if known is event:
            kept.append((index, event))
        elif _content(known) == _content(event):
            receipt.duplicates += 1
        else:
            receipt.rejected.append(Rejection(index, *REUSED, event.id))
    return kept


def _content(event: SentEvent) -> tuple[object, ...]:
    return event.subscription, event.meter, event.at, Decimal(event.quantity), event.properties


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
    repeats = backend().same_events(ctx.session, ctx.provider.id, columns)
    taking.receipt.duplicates += len(repeats)
    for (index, event), digest in zip(rows, columns.digests, strict=True):
        if digest not in repeats:
            taking.receipt.rejected.append(Rejection(index, *REUSED, event.id))
