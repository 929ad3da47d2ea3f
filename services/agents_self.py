"""What an enrolled agent asks about itself, and how a sandbox's clock waits for the agents that follow it.

An agent that follows reports the instant it has polled and delivered up to. The clock's driver stands still at each
full hour until those that follow have reached it; one that stays behind too long is passed over until it reports anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from core.errors import NotFound
from core.ids import encode
from models.agents import Agent
from models.places import Point, Site
from services.agents import communities
from services.clock import system_now
from services.context import Context
from services.sets import among

# An agent that has not been heard of for so long does not follow any more. Long enough for a server to be started
# again; an agent that is really gone is waited for once, and then passed over.
FOLLOWS = timedelta(seconds=60)
# A heartbeat that tells nothing new is written down only this often.
NOTE_EVERY = timedelta(seconds=2)
OFFSET_MS_MAX = 2**31 - 1


@dataclass(frozen=True)
class Beat:
    """What an agent reports. `at` is its own time; `reached`, business time, up to where it polled and delivered."""

    at: datetime
    version: str
    queue_depth: int
    reached: datetime | None = None


@dataclass(frozen=True)
class Pulse:
    """The answer: business time, whose clock that is, and the version of the configuration that holds."""

    now: datetime
    clock: str
    config_version: int


def configuration(ctx: Context, agent_id: UUID | None) -> dict[str, Any]:
    """What an agent is to poll, communities in clear, as its program reads it.

    Raises:
        NotFound: the credential is not an agent's.
    """
    agent = _self(ctx, agent_id)
    site = ctx.session.execute(
        select(Site.code, Site.time_zone).where(Site.provider_id == ctx.provider.id, Site.id == agent.site_id)
    ).one()
    secrets, known = communities(ctx, agent), _points(ctx, agent)
    return {
        "agent": encode("agent", agent.id),
        "version": agent.config_version,
        "site": {"code": site.code, "time_zone": site.time_zone},
        "targets": [
            {
                "interval_s": agent.interval_s,
                **target,
                "community": secrets[target["name"]],
                "points": [{**place, "point": known.get(place["point"], place["point"])} for place in target["points"]],
            }
            for target in agent.targets
        ],
    }


def heartbeat(ctx: Context, agent_id: UUID | None, beat: Beat) -> Pulse:
    """Take note of how an agent does, and tell it the time.

    Raises:
        NotFound: the credential is not an agent's.
    """
    agent = _self(ctx, agent_id)
    seen = system_now()
    offset_ms = None if ctx.provider.sandbox else _whole_ms(beat.at - seen)
    noted = {"version": beat.version, "queue_depth": beat.queue_depth, "clock_offset_ms": offset_ms}
    if beat.reached is not None and beat.reached != agent.reached_at:
        # Not beyond the clock: whoever says so is not where it thinks.
        noted |= {"reached_at": min(beat.reached, ctx.now), "passed_over_at": None}
    news = any(getattr(agent, name) != value for name, value in noted.items())
    if news or agent.last_seen_at is None or seen - agent.last_seen_at > NOTE_EVERY:
        ctx.session.execute(
            update(Agent)
            .where(Agent.provider_id == ctx.provider.id, Agent.id == agent.id)
            .values(last_seen_at=seen, **noted)
        )
    return Pulse(ctx.now, "sandbox" if ctx.provider.sandbox else "system", agent.config_version)


def lagging(ctx: Context, instant: datetime) -> list[str]:
    """The names of the agents that follow this sandbox's clock and have not come as far as an instant."""
    statement = select(Agent.name).where(*_lagging(ctx, instant)).order_by(Agent.name)
    return list(ctx.session.scalars(statement))


def pass_over(ctx: Context, instant: datetime) -> None:
    """Stop waiting for the agents that lag at an instant, until they report how far they have come."""
    ctx.session.execute(update(Agent).where(*_lagging(ctx, instant)).values(passed_over_at=instant))


def site_of(ctx: Context, agent_id: UUID) -> UUID:
    """The site of an agent: the only one whose points it may report."""
    return _self(ctx, agent_id).site_id


def _points(ctx: Context, agent: Agent) -> dict[str, str]:
    """The ids of the points that an agent's targets name by path or external id: another site may have the same path.
    What the site does not have yet keeps its name."""
    named = {place["point"] for target in agent.targets for place in target["points"]}
    rows = ctx.session.execute(
        select(Point.id, Point.path, Point.external_id).where(
            Point.provider_id == ctx.provider.id,
            Point.site_id == agent.site_id,
            among(Point.path, named) | among(Point.external_id, named),
        )
    ).all()
    by_external_id = {row.external_id: encode("point", row.id) for row in rows if row.external_id}
    return by_external_id | {row.path: encode("point", row.id) for row in rows}


def _whole_ms(span: timedelta) -> int:
    """Milliseconds, within what the column holds."""
    return max(-OFFSET_MS_MAX, min(OFFSET_MS_MAX, span // timedelta(milliseconds=1)))


def _lagging(ctx: Context, instant: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Agent.provider_id == ctx.provider.id,
        Agent.revoked_at.is_(None),
        Agent.last_seen_at > system_now() - FOLLOWS,
        Agent.passed_over_at.is_(None),
        Agent.reached_at.is_(None) | (Agent.reached_at < instant),
    )


def _self(ctx: Context, agent_id: UUID | None) -> Agent:
    agent = ctx.session.get(Agent, (ctx.provider.id, agent_id)) if agent_id else None
    if agent is None:
        raise NotFound("agent", "behind this credential")
    return agent
