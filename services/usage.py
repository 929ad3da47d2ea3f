"""Usage events: taken in bulk, counted once however often they are delivered."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b

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
_encode = msgspec.json.Encoder(order="sorted").encode


def take_events(ctx: Context, sent: Sent[SentEvent]) -> Receipt:
    """Store the events that can be stored; each of the others is refused by its index.

    Codes: `subscription_unknown`, `meter_unknown`, `too_late`, `ahead_of_clock`, `decimal_malformed`,
    `decimal_out_of_range`, `text_unstorable`, `event_id_reused`.
    """
    oldest, newest = ctx.now - timedelta(days=ctx.provider.settings.usage_cutoff_days), ctx.now + AHEAD_MAX
    subscriptions, meters = backend().references(
        ctx.session,
        ctx.provider.id,
        {e.subscription for _, e in sent},
        {e.meter for _, e in sent},
        [e.at for _, e in sent if oldest <= e.at <= newest],
        ctx.scope,
    )
    taking = _Taking(
        oldest=oldest,
        newest=newest,
        subscriptions={reference: i for i, reference in enumerate(subscriptions, 1)},
        meters={reference: i for i, reference in enumerate(meters, 1)},
        columns=EventColumns(list(subscriptions.values()), list(meters.values())),
    )
    for index, event in sent:
        taking.take(index, event)
    if taking.rows:
        known = backend().append_events(ctx.session, ctx.provider.id, taking.columns, system_now())
        taking.receipt.accepted = len(taking.rows) - len(known)
        if known:
            _sort_out(ctx, taking, known)
    return taking.receipt


@dataclass
class _Taking:
    """One pass over what was sent: rows become columns, or are refused. `subscriptions` and `meters` give a
    reference's place in the columns' ids.
    """

    oldest: datetime
    newest: datetime
    subscriptions: dict[str, int]
    meters: dict[str, int]
    columns: EventColumns
    rows: Sent[SentEvent] = field(default_factory=list)
    seen: dict[bytes, bytes] = field(default_factory=dict)
    receipt: Receipt = field(default_factory=Receipt)

    def take(self, index: int, event: SentEvent) -> None:
        properties = None if event.properties is None else _encode(event.properties)
        wrong = self._wrong(event, properties)
        if wrong is None:
            digest = blake2b(f"{event.source}\0{event.id}".encode(), digest_size=16).digest()
            content = _content(event, properties)
            first = self.seen.setdefault(digest, content)
            if first is content:
                self._append(index, event, digest, content, properties)
                return
            if first == content:
                self.receipt.duplicates += 1
                return
            wrong = REUSED
        self.receipt.rejected.append(Rejection(index, *wrong, event.id))

    def _wrong(self, event: SentEvent, properties: bytes | None) -> Wrong | None:
        if event.subscription not in self.subscriptions:
            return "subscription_unknown", f"There is no subscription {event.subscription}."
        if event.meter not in self.meters:
            return "meter_unknown", f"There is no meter {event.meter}."
        if event.at < self.oldest:
            return "too_late", f"Events before {self.oldest:%Y-%m-%d %H:%M} UTC are not taken any more."
        if event.at > self.newest:
            return "ahead_of_clock", f"Events are at most {AHEAD_MAX.days} days ahead of the provider's clock."
        if "\0" in event.id or "\0" in event.source or (properties and b"\\u0000" in properties):
            return "text_unstorable", "Text may not contain the character U+0000."
        return wrong_decimal(event.quantity) or _too_much(event.quantity)

    def _append(self, index: int, event: SentEvent, digest: bytes, content: bytes, properties: bytes | None) -> None:
        columns = self.columns
        columns.digests.append(digest)
        columns.contents.append(content)
        columns.sources.append(event.source)
        columns.ids.append(event.id)
        columns.subscriptions.append(self.subscriptions[event.subscription])
        columns.meters.append(self.meters[event.meter])
        columns.at.append(event.at)
        columns.quantities.append(event.quantity)
        columns.properties.append(None if properties is None else properties.decode())
        self.rows.append((index, event))


def _too_much(quantity: str) -> Wrong | None:
    if len(quantity) <= len(str(QUANTITY_MAX)) or abs(Decimal(quantity)) < QUANTITY_MAX:
        return None
    return "decimal_out_of_range", f"The quantity of one event is below {QUANTITY_MAX:.0e}."


def _content(event: SentEvent, properties: bytes | None) -> bytes:
    """What tells a repeat from a reuse of the id, as it was written."""
    written = f"{event.subscription}\0{event.meter}\0{event.at.timestamp()}\0{event.quantity}\0".encode()
    return blake2b(written + (properties or b""), digest_size=16).digest()


def _sort_out(ctx: Context, taking: _Taking, known: set[bytes]) -> None:
    """Events whose identity was taken: a repeat counts as a duplicate, other content is refused."""
    columns = taking.columns
    chosen = [i for i, digest in enumerate(columns.digests) if digest in known]
    subset = EventColumns(columns.subscription_ids, columns.meter_ids)
    for f in fields(EventColumns)[2:]:
        setattr(subset, f.name, [getattr(columns, f.name)[i] for i in chosen])
    repeats = backend().same_events(ctx.session, ctx.provider.id, subset)
    taking.receipt.duplicates += len(repeats)
    for i in chosen:
        if columns.digests[i] not in repeats:
            index, event = taking.rows[i]
            taking.receipt.rejected.append(Rejection(index, *REUSED, event.id))
