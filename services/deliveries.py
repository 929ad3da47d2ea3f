"""Events on their way to webhook endpoints: at least once, in order per endpoint and object, for three days.

All instants here are system time: a receiver's troubles have nothing to do with a sandbox's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import exists, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from core.ids import encode, new_id
from events.catalogue import matches
from events.sending import Outcome
from events.signing import headers
from models.outbox import Delivery, OutboxEvent, WebhookEndpoint
from services import audit, webhooks
from services.clock import system_now
from services.context import Context
from services.events import envelope
from services.lookups import by_id
from services.paging import Slice, Window, newest_first

JOB = "deliveries"
KIND = "delivery"
OPEN = ("pending", "retrying")
LEASE = timedelta(seconds=60)
GIVE_UP = timedelta(days=3)
PAUSES = tuple(timedelta(seconds=s) for s in (5, 30, 120, 300, 900, 1800, 3600, 7200, 14400, 28800, 43200))
FAN_OUT_MAX = 1000
CLAIM_MAX = 16
PER_ENDPOINT_MAX = 4
LOG_MAX = 20


@dataclass(frozen=True)
class Parcel:
    """A claimed delivery, ready to be sent."""

    delivery_id: UUID
    url: str
    headers: dict[str, str]
    body: bytes


def fan_out(ctx: Context, now: datetime) -> int:
    """Make the deliveries of events that have none yet; returns how many events were looked at.

    One at a time per provider: two at it could make an object's second delivery before its first.
    """
    lock = func.pg_try_advisory_xact_lock(func.hashtextextended(f"fan_out/{ctx.provider.id}", 0))
    if not ctx.session.scalar(select(lock)):
        return 0
    taken = list(
        ctx.session.scalars(
            select(OutboxEvent)
            .where(OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.fanned_out_at.is_(None))
            .order_by(OutboxEvent.id)
            .limit(FAN_OUT_MAX)
        )
    )
    if not taken:
        return 0
    endpoints = list(
        ctx.session.scalars(
            select(WebhookEndpoint).where(
                WebhookEndpoint.provider_id == ctx.provider.id, WebhookEndpoint.status == "active"
            )
        )
    )
    rows = [
        _delivery(ctx, endpoint, event, now)
        for event in taken
        for endpoint in endpoints
        if endpoint.recorded_at <= event.recorded_at and _wants(endpoint, event.type)
    ]
    if rows:
        ctx.session.execute(insert(Delivery), rows)
        ctx.wake(JOB)
    ctx.session.execute(
        update(OutboxEvent)
        .where(OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.id.in_([event.id for event in taken]))
        .values(fanned_out_at=now)
        .execution_options(synchronize_session=False)
    )
    return len(taken)


def _wants(endpoint: WebhookEndpoint, event_type: str) -> bool:
    return not endpoint.types or any(matches(pattern, event_type) for pattern in endpoint.types)


def _delivery(ctx: Context, endpoint: WebhookEndpoint, event: OutboxEvent, now: datetime) -> dict[str, Any]:
    return {
        "provider_id": ctx.provider.id,
        "id": new_id(),
        "endpoint_id": endpoint.id,
        "event_id": event.id,
        "object_id": event.object_id,
        "sequence": event.sequence,
        "next_at": now,
    }


def claim(ctx: Context, now: datetime) -> list[Parcel]:
    """Take deliveries that are due, for the length of a lease. Commit, send them, then `record` each."""
    rows = ctx.session.execute(
        select(Delivery, WebhookEndpoint, OutboxEvent)
        .join(
            WebhookEndpoint,
            (WebhookEndpoint.provider_id == Delivery.provider_id) & (WebhookEndpoint.id == Delivery.endpoint_id),
        )
        .join(
            OutboxEvent,
            (OutboxEvent.provider_id == Delivery.provider_id) & (OutboxEvent.id == Delivery.event_id),
        )
        .where(Delivery.provider_id == ctx.provider.id, Delivery.id.in_(_claimable(ctx, now)), _is_due(now))
        .order_by(Delivery.next_at, Delivery.id)
        .with_for_update(of=Delivery, skip_locked=True)
    )
    return [_taken(ctx, row[0], row[1], row[2], now) for row in rows if _goes_on(row[0], row[1])]


def _is_due(now: datetime) -> Any:
    free = or_(Delivery.lease_until.is_(None), Delivery.lease_until <= now)
    return Delivery.status.in_(OPEN) & (Delivery.next_at <= now) & free


def _claimable(ctx: Context, now: datetime) -> Any:
    """A few of each endpoint, so that one that hangs leaves room for the others; each behind no earlier open one."""
    earlier = aliased(Delivery)
    turn = ~exists().where(
        earlier.provider_id == Delivery.provider_id,
        earlier.endpoint_id == Delivery.endpoint_id,
        earlier.object_id == Delivery.object_id,
        earlier.sequence < Delivery.sequence,
        earlier.status.in_(OPEN),
    )
    rank = func.row_number().over(partition_by=Delivery.endpoint_id, order_by=(Delivery.next_at, Delivery.id))
    ranked = (
        select(Delivery.id, Delivery.next_at, rank.label("rank"))
        .where(Delivery.provider_id == ctx.provider.id, _is_due(now), turn)
        .subquery()
    )
    return select(ranked.c.id).where(ranked.c.rank <= PER_ENDPOINT_MAX).order_by(ranked.c.next_at).limit(CLAIM_MAX)


def _goes_on(delivery: Delivery, endpoint: WebhookEndpoint) -> bool:
    if endpoint.status == "active":
        return True
    delivery.status, delivery.last_error = "dead", "the endpoint is disabled"
    return False


def _taken(ctx: Context, delivery: Delivery, endpoint: WebhookEndpoint, event: OutboxEvent, now: datetime) -> Parcel:
    delivery.tries += 1
    delivery.first_try_at = delivery.first_try_at or now
    delivery.lease_until = now + LEASE
    body = orjson.dumps(envelope(event))
    signed = headers(encode("event", event.id), now, body, webhooks.live_secrets(ctx, endpoint, now))
    return Parcel(delivery.id, endpoint.url, signed, body)


def record(ctx: Context, delivery_id: UUID, outcome: Outcome, now: datetime) -> None:
    """Write down how a try went: delivered, to be tried again after a growing pause, or dead after three days."""
    delivery = by_id(ctx, Delivery, KIND, delivery_id, lock=True)
    if delivery.status not in OPEN:
        return
    delivery.lease_until = None
    delivery.last_status, delivery.last_error = outcome.status, outcome.error
    entry = {"at": now.isoformat(), "status": outcome.status, "error": outcome.error, "took_ms": outcome.took_ms}
    delivery.log = [*delivery.log, entry][-LOG_MAX:]
    if outcome.delivered:
        delivery.status, delivery.delivered_at = "delivered", now
        ctx.wake(JOB)  # the next one of the same object was waiting behind it
        return
    end = (delivery.first_try_at or now) + GIVE_UP
    pause = PAUSES[min(delivery.tries, len(PAUSES)) - 1]
    delivery.status = "dead" if now >= end else "retrying"
    delivery.next_at = min(now + pause, end)


def list_deliveries(ctx: Context, endpoint_id: UUID, window: Window, *, status: str | None = None) -> Slice[Delivery]:
    """An endpoint's deliveries, newest first. Raises NotFound."""
    webhooks.get(ctx, endpoint_id)
    statement = select(Delivery).where(Delivery.provider_id == ctx.provider.id, Delivery.endpoint_id == endpoint_id)
    if status is not None:
        statement = statement.where(Delivery.status == status)
    return newest_first(ctx, statement, Delivery.id, window)


def get(ctx: Context, delivery_id: UUID) -> Delivery:
    """One delivery. Raises NotFound."""
    return by_id(ctx, Delivery, KIND, delivery_id)


def send_again(ctx: Context, event_id: UUID) -> None:
    """Send an event once more, wherever it was delivered or given up. What is under way stays as it is."""
    ctx.session.execute(
        update(Delivery)
        .where(
            Delivery.provider_id == ctx.provider.id,
            Delivery.event_id == event_id,
            Delivery.status.not_in(OPEN),
        )
        .values(status="pending", next_at=system_now(), tries=0, first_try_at=None, delivered_at=None)
    )
    ctx.wake(JOB)


def replay(ctx: Context, delivery_id: UUID) -> Delivery:
    """Send an event to its endpoint again, now, whatever became of it; three days begin anew."""
    delivery = by_id(ctx, Delivery, KIND, delivery_id, lock=True)
    before = {"status": delivery.status}
    delivery.status, delivery.next_at = "pending", system_now()
    delivery.tries, delivery.first_try_at, delivery.delivered_at = 0, None, None
    ctx.session.flush()
    audit.record(ctx, KIND, delivery.id, "replayed", before, {"status": "pending"})
    ctx.wake(JOB)
    return delivery
