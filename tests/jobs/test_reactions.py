"""Reactions: at least once, in the order of an object's events, and one that fails holds up only its own object."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from events.catalogue import catalogue
from jobs import reactions
from models.outbox import OutboxEvent
from runtime.house import House
from services import events
from services.clock import system_now
from services.context import Context
from services.events import Event
from tests.builders.house import tell
from tests.conftest import Open

TYPES = ("account.created", "account.updated")


class Notes:
    """A reaction that writes down what it got, and fails for the objects it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[UUID, int]] = []
        self.refuse: set[UUID] = set()

    def __call__(self, ctx: Context, event: Event) -> None:
        if event.object_id in self.refuse:
            raise RuntimeError("not now")
        self.got.append((event.object_id, event.sequence))

    def react(self, provider_id: UUID) -> None:
        reactions.react(provider_id, dict.fromkeys(TYPES, (self,)))


def rows(open_unit: Open) -> dict[tuple[UUID, int], OutboxEvent]:
    with open_unit() as ctx:
        found = ctx.session.scalars(select(OutboxEvent).where(OutboxEvent.provider_id == ctx.provider.id))
        return {(row.object_id, row.sequence): row for row in found}


def let_pauses_end(open_unit: Open) -> None:
    with open_unit() as ctx:
        past = system_now() - timedelta(seconds=1)
        ctx.session.execute(
            update(OutboxEvent)
            .where(OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.react_after.is_not(None))
            .values(react_after=past)
        )


def test_every_event_is_reacted_to_once_and_those_nobody_reacts_to_are_ticked_off(
    house: House, provider_id: UUID, open_unit: Open
) -> None:
    notes = Notes()
    about = tell(house, provider_id, "account.created", "invoice.paid", "account.updated")
    for _ in range(3):
        notes.react(provider_id)
    assert notes.got == [(about, 1), (about, 3)]
    assert all(row.reacted_at for row in rows(open_unit).values())


def test_a_failing_reaction_is_tried_again_later_and_holds_up_its_own_object_only(
    house: House, provider_id: UUID, open_unit: Open
) -> None:
    notes = Notes()
    stuck = tell(house, provider_id, *TYPES)
    notes.refuse.add(stuck)
    free = tell(house, provider_id, *TYPES)
    notes.react(provider_id)
    assert notes.got == [(free, 1), (free, 2)]
    waiting = rows(open_unit)[stuck, 1]
    assert waiting.react_tries == 1
    assert waiting.react_error == "RuntimeError: not now"
    let_pauses_end(open_unit)
    notes.react(provider_id)
    assert rows(open_unit)[stuck, 1].react_tries == 2
    notes.refuse.clear()
    let_pauses_end(open_unit)
    notes.react(provider_id)
    notes.react(provider_id)
    assert notes.got[2:] == [(stuck, 1), (stuck, 2)]


def test_an_event_that_another_worker_has_in_hand_is_left_to_it(
    house: House, provider_id: UUID, open_unit: Open
) -> None:
    notes = Notes()
    about = tell(house, provider_id, "account.created")
    (row,) = rows(open_unit).values()
    with open_unit() as ctx:
        assert events.claim_reaction(ctx, row.id) is not None
        notes.react(provider_id)
        assert notes.got == []
    notes.react(provider_id)
    assert notes.got == [(about, 1)]


def test_what_a_reaction_did_and_its_tick_are_one_transaction(house: House, provider_id: UUID, open_unit: Open) -> None:
    def half(ctx: Context, event: Event) -> None:
        ctx.session.execute(
            update(OutboxEvent).where(OutboxEvent.id == event.id).values(object_kind="changed by a reaction that dies")
        )
        raise RuntimeError("killed")

    tell(house, provider_id, "account.created")
    reactions.react(provider_id, {"account.created": (half,)})
    (row,) = rows(open_unit).values()
    assert (row.object_kind, row.reacted_at) == ("account", None)


@pytest.mark.parametrize("event_type", list(reactions.REACTIONS))
def test_we_react_only_to_events_that_exist(event_type: str) -> None:
    assert event_type in catalogue()
