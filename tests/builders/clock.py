"""A world of things that fall due, for a sandbox's clock to pass.

Mails stand in for whatever falls due here: a row with an instant. Those marked `sandbox` are of the second kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import insert, update

from core.ids import new_id
from jobs import clock, reactions
from jobs.clock import Drive
from jobs.kinds import Kind
from models.providers import Mail
from runtime.unit import unit
from services import test_clock
from services.context import Context
from services.events import Event
from tests.conftest import Open

DUE = "SELECT provider_id, id, next_at AS due_at FROM mail WHERE sent_at IS NULL AND "
EVENTS = (
    "SELECT provider_id, id, coalesce(react_after, to_timestamp(0)) AS due_at FROM outbox_event"
    " WHERE reacted_at IS NULL"
)
Act = Callable[[Context, UUID], object]


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


@dataclass
class World:
    """What was done, in order: kind, id, and what the clock showed."""

    provider_id: UUID
    done: list[tuple[str, UUID, datetime]] = field(default_factory=list)
    acts: dict[UUID, Act] = field(default_factory=dict)
    reacted: list[tuple[str, datetime]] = field(default_factory=list)
    react: Callable[[Context, Event], object] = lambda _, __: None
    lagging: clock.Lagging = lambda _, __: ()
    passed_over: list[datetime] = field(default_factory=list)

    def run(self, kind: str) -> Callable[[UUID, Sequence[UUID]], None]:
        def run(provider_id: UUID, ids: Sequence[UUID]) -> None:
            for each in ids:
                with unit(provider_id, actor="test") as ctx:
                    self.done.append((kind, each, ctx.now))
                    self.acts.get(each, settle)(ctx, each)

        return run

    def note(self, ctx: Context, event: Event) -> None:
        self.react(ctx, event)
        self.reacted.append((event.type, ctx.now))

    def drive(self) -> Drive:
        table = {"account.created": (self.note,)}
        kinds = (
            Kind("first", "money", DUE + "NOT sandbox", self.run("first"), business=True),
            Kind("second", "money", DUE + "sandbox", self.run("second"), business=True),
            Kind("reactions", "money", EVENTS, lambda p, _: reactions.react(p, table), drained=True, batch=500),
        )
        return Drive(self.provider_id, kinds, self.lagging, lambda _, instant: self.passed_over.append(instant))


def settle(ctx: Context, mail_id: UUID) -> None:
    ctx.session.execute(update(Mail).where(Mail.id == mail_id).values(sent_at=ctx.now))


def put_down(open_unit: Open, kind: str, when: datetime) -> UUID:
    mail_id = new_id()
    with open_unit() as ctx:
        ctx.session.execute(
            insert(Mail).values(
                provider_id=ctx.provider.id,
                id=mail_id,
                sandbox=kind == "second",
                to=[],
                subject="",
                body="",
                kind="",
                created_at=when,
                next_at=when,
            )
        )
    return mail_id


def advance(open_unit: Open, to: datetime) -> None:
    with open_unit() as ctx:
        test_clock.advance(ctx, to)


def shown(open_unit: Open) -> tuple[datetime, str, str | None]:
    with open_unit() as ctx:
        row = test_clock.get(ctx)
        return row.now, row.status, row.detail
