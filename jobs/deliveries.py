"""Webhooks on their way out: claim, send beside each other, record each as it comes back."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from uuid import UUID

from events.sending import Outcome, send
from runtime.unit import unit
from services import deliveries
from services.clock import system_now
from services.deliveries import Parcel

ACTOR = "job:deliveries"
AT_ONCE = 8


def fan_out(provider_id: UUID, _: Sequence[UUID]) -> None:
    """Make the deliveries of new events."""
    more = True
    while more:
        with unit(provider_id, actor=ACTOR) as ctx:
            more = deliveries.fan_out(ctx, system_now()) > 0


def deliver(provider_id: UUID, _: Sequence[UUID]) -> None:
    """Send what is due, until nothing is."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
        while True:
            with unit(provider_id, actor=ACTOR) as ctx:
                parcels = deliveries.claim(ctx, system_now())
                private = ctx.kit.webhooks_may_be_private
            if not parcels:
                return
            sent = {pool.submit(_send, parcel, private): parcel for parcel in parcels}
            for done in as_completed(sent):
                with unit(provider_id, actor=ACTOR) as ctx:
                    deliveries.record(ctx, sent[done].delivery_id, done.result(), system_now())


def _send(parcel: Parcel, private: bool) -> Outcome:
    return send(parcel.url, parcel.headers, parcel.body, private=private)
