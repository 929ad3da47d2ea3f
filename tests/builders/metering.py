"""Metered places, and readings and events as senders write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.ids import encode, new_id
from models.places import Point
from services import metering, places, places_assignments, usage
from services.context import Context
from services.usage_sent import Receipt, SentEvent, SentEvidence, SentReading
from tests.builders.billing import JANUARY, POWER, PlanOf, Subscribed, a_plan, an_account, subscribe


@dataclass(frozen=True)
class Metered:
    """A point that counts for the item `power` of a subscription from the start of January on."""

    point: Point
    plan: PlanOf
    subscription: Subscribed

    @property
    def item(self) -> UUID:
        return self.subscription.items["power"]


def a_point(ctx: Context, path: str = "rack-12/pdu-a", **more: Any) -> Point:
    """A point at a site of its own."""
    tag = f"ams-{new_id().hex[-10:]}"
    site = places.create_site(ctx, {"code": tag, "name": "Amsterdam", "time_zone": "Europe/Amsterdam"})
    values = {"site": encode("site", site.id), "path": path, "kind": "pdu"}
    return places.create_point(ctx, values | more)


def a_metered_point(ctx: Context, *, zone: str = "UTC", end: datetime | None = None, **more: Any) -> Metered:
    """A point, a plan with a usage price, a subscription, and the assignment between them."""
    point, plan = a_point(ctx, **more), a_plan(ctx, POWER)
    subscribed = subscribe(ctx, an_account(ctx, zone=zone), plan)
    assign(ctx, point, subscribed, JANUARY, end)
    return Metered(point, plan, subscribed)


def assign(ctx: Context, point: Point, subscribed: Subscribed, start: datetime, end: datetime | None = None) -> UUID:
    """Let a point count for the item `power`."""
    values = {
        "point": encode("point", point.id),
        "subscription": encode("subscription", subscribed.id),
        "charge_code": "power",
        "start": start,
        "end": end,
    }
    return places_assignments.assign(ctx, values).id


def read(point: Point, at: datetime, value: str, serial: str | None = "ZA20", **evidence: Any) -> SentReading:
    """A reading of the point's energy register, in kWh."""
    unit, register = evidence.pop("unit", "kWh"), evidence.pop("register", "active_energy")
    return SentReading(encode("point", point.id), register, unit, at, value, SentEvidence(serial=serial, **evidence))


def take(ctx: Context, *readings: SentReading) -> Receipt:
    """Send readings in one batch."""
    return metering.take_readings(ctx, list(enumerate(readings)))


def hourly(point: Point, start: datetime, values: Sequence[str], **evidence: Any) -> list[SentReading]:
    """Readings an hour apart."""
    return [read(point, start + timedelta(hours=i), value, **evidence) for i, value in enumerate(values)]


def an_event(metered: Metered, event_id: str, at: datetime, quantity: str, **more: Any) -> SentEvent:
    """An event for the subscription and meter of a metered point."""
    return SentEvent(
        event_id,
        encode("subscription", metered.subscription.id),
        encode("meter", metered.plan.meter_id),
        at,
        quantity,
        **more,
    )


def send(ctx: Context, events: Iterable[SentEvent]) -> Receipt:
    """Send events in one batch."""
    return usage.take_events(ctx, list(enumerate(events)))
