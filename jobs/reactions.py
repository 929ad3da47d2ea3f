"""What we do ourselves when something happened: one table, event type -> service functions.

Fed from the outbox, at least once, in the order of an object's events. Each event's functions run in one transaction
with its tick, so a function whose work is not idempotent by itself is still done once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from core.ids import decode
from runtime.unit import unit
from services import collection, document_mails, dunning, events, payment_actions
from services.clock import system_now
from services.context import Context
from services.events import Event

log = logging.getLogger(__name__)

Reaction = Callable[[Context, Event], object]


def _collect(ctx: Context, event: Event) -> None:
    collection.collect(ctx, event.object_id, "finalized")


def _mail(ctx: Context, event: Event) -> None:
    document_mails.invoice(ctx, event.object_id)


def _recover(ctx: Context, event: Event) -> None:
    dunning.recover(ctx, event.object_id)


def _give_up(ctx: Context, event: Event) -> None:
    dunning.give_up(ctx, event.object_id)


def _decide_again(ctx: Context, event: Event) -> None:
    dunning.look_again(ctx, decode("invoice", event.data["invoice"]))


def _ask_customer(ctx: Context, event: Event) -> None:
    payment_actions.ask_customer(ctx, event.object_id)


def _try_new_method(ctx: Context, event: Event) -> None:
    if event.account_id is not None and event.data["is_default"]:
        collection.collect_for_account(ctx, event.account_id)


REACTIONS: Mapping[str, tuple[Reaction, ...]] = {
    "invoice.finalized": (_collect, _mail),
    "invoice.paid": (_recover,),
    "invoice.voided": (_recover,),
    "invoice.written_off": (_give_up,),
    "payment.failed": (_decide_again,),
    "payment.requires_action": (_decide_again, _ask_customer),
    "payment_method.attached": (_try_new_method,),
    "payment_method.updated": (_try_new_method,),
}

ACTOR = "job:reactions"
BATCH = 200


def run(provider_id: UUID, _: Sequence[UUID]) -> None:
    """React to what happened at a provider, the oldest first."""
    react(provider_id, REACTIONS)


def react(provider_id: UUID, table: Mapping[str, tuple[Reaction, ...]]) -> None:
    """React by a table to up to a batch of events."""
    types = tuple(table)
    with unit(provider_id, actor=ACTOR) as ctx:
        now = system_now()
        events.settle_without_reaction(ctx, types, now)
        waiting = events.awaiting_reaction(ctx, types, now, BATCH)
    for event_id in waiting:
        try:
            _react_to(provider_id, event_id, table)
        except Exception as error:
            log.exception("a reaction failed", extra={"event_id": str(event_id)})
            with unit(provider_id, actor=ACTOR) as ctx:
                events.reaction_failed(ctx, event_id, f"{type(error).__name__}: {error}", system_now())


def _react_to(provider_id: UUID, event_id: UUID, table: Mapping[str, tuple[Reaction, ...]]) -> None:
    with unit(provider_id, actor=ACTOR) as ctx:
        event = events.claim_reaction(ctx, event_id)
        if event is None:
            return
        for reaction in table[event.type]:
            reaction(ctx, event)
        events.reacted(ctx, event_id, system_now())
