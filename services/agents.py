"""Collecting agents as the provider manages them: made with an enrolment token, configured, listed, revoked.

What an agent polls is data: its targets. The communities among it are encrypted and never shown; an enrolment token
is shown once and kept as a hash. Tokens, enrolments and revocations live in the machine's time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.errors import Invalid, NotFound, Unauthenticated
from core.ids import decode, looks_like, new_id
from models.access import OAuthClient
from models.agents import Agent
from models.places import Point, Site
from services import lookups, oauth
from services.clock import system_now
from services.context import Context
from services.credentials import ROLES, hashed, new_secret
from services.paging import Slice, Window, newest_first
from services.sets import among

TOKEN_PREFIX = "bb_enrol_"  # noqa: S105 - the form of a token, not one
TOKEN_LIFE = timedelta(hours=1)
PURPOSE = "targets of an agent"
COMMUNITY_DEFAULT = "public"
INTERVAL_S_DEFAULT = 300


@dataclass(frozen=True)
class Enrolled:
    """What an enrolment gives: the agent, and its credentials in clear, this once."""

    agent: Agent
    client_id: str
    client_secret: str


def create(
    ctx: Context,
    *,
    name: str,
    site: str,
    targets: Sequence[Mapping[str, Any]] = (),
    interval_s: int = INTERVAL_S_DEFAULT,
    external_id: str | None = None,
    meta: Mapping[str, Any] | None = None,
) -> tuple[Agent, str]:
    """Make an agent of a site; its enrolment token is in the answer and nowhere else.

    Raises:
        UnknownReference: `site_unknown`, `point_unknown`.
        Invalid: `target_repeated`, `point_repeated`.
        NotFound: the caller is narrowed to accounts, and sees no agents.
    """
    _whole_provider(ctx)
    found = lookups.by_reference(ctx, Site, "site", site, pointer="/site")
    agent = Agent(
        provider_id=ctx.provider.id,
        id=new_id(),
        site_id=found.id,
        name=name,
        interval_s=interval_s,
        external_id=external_id,
        meta=dict(meta or {}),
        created_at=ctx.now,
    )
    _configure(ctx, agent, targets)
    token = _give_token(agent)
    ctx.session.add(agent)
    ctx.session.flush()
    ctx.session.refresh(agent)
    return agent, token


def get(ctx: Context, agent_id: UUID, *, lock: bool = False) -> Agent:
    """One agent."""
    _whole_provider(ctx, agent_id)
    return lookups.by_id(ctx, Agent, "agent", agent_id, lock=lock)


def list_agents(ctx: Context, window: Window, *, external_id: str | None = None) -> Slice[Agent]:
    """Agents, newest first; a caller that is narrowed to accounts sees none."""
    if ctx.scope is not None:
        return Slice([], None)
    statement = select(Agent).where(Agent.provider_id == ctx.provider.id)
    if external_id is not None:
        statement = statement.where(Agent.external_id == external_id)
    return newest_first(ctx, statement, Agent.id, window)


def change(ctx: Context, agent_id: UUID, values: Mapping[str, Any]) -> Agent:
    """Change `name`, `targets`, `interval_s`, `external_id` or `meta`. Targets are replaced as a whole; one of the same
    name keeps its community unless another is given. The agent takes it up within one heartbeat.

    Raises:
        NotFound, Invalid, UnknownReference: as `create`.
    """
    agent = get(ctx, agent_id, lock=True)
    for name in ("name", "external_id", "meta"):
        if name in values:
            setattr(agent, name, values[name])
    if "targets" in values or values.get("interval_s", agent.interval_s) != agent.interval_s:
        agent.interval_s = values.get("interval_s", agent.interval_s)
        if "targets" in values:
            _configure(ctx, agent, values["targets"])
        agent.config_version += 1
    ctx.session.flush()
    return agent


def renew_token(ctx: Context, agent_id: UUID) -> tuple[Agent, str]:
    """A new enrolment token, for a machine that was replaced or a token that ran out. The agent's credentials hold
    until the new token is used. Also ends a revocation."""
    agent = get(ctx, agent_id, lock=True)
    token = _give_token(agent)
    agent.revoked_at = None
    ctx.session.flush()
    return agent, token


def revoke(ctx: Context, agent_id: UUID) -> Agent:
    """End an agent: its credentials and any enrolment token are refused from now on; what it delivered stays."""
    agent = get(ctx, agent_id, lock=True)
    if agent.revoked_at is None:
        agent.revoked_at = system_now()
        agent.enrolment_hash = agent.enrolment_expires_at = None
        _end_clients(ctx, agent)
        ctx.session.flush()
    return agent


def find_by_token(session: Session, token: str) -> tuple[UUID, UUID] | None:
    """Provider and agent of an enrolment token; None when it is nobody's or too old.

    Args:
        session: of the dispatching role, which reads hashes over all tenants.
    """
    row = session.execute(
        select(Agent.provider_id, Agent.id).where(
            Agent.enrolment_hash == hashed(token), Agent.enrolment_expires_at > system_now()
        )
    ).one_or_none()
    return None if row is None else (row.provider_id, row.id)


def enrol(ctx: Context, agent_id: UUID, token: str, version: str | None) -> Enrolled:
    """Trade an enrolment token for credentials. Those of an earlier enrolment end.

    Raises:
        Unauthenticated: `enrolment_token_invalid`: somebody else was faster with it.
    """
    agent = lookups.by_id(ctx, Agent, "agent", agent_id, lock=True)
    now = system_now()
    if agent.enrolment_hash != hashed(token) or agent.enrolment_expires_at is None or agent.enrolment_expires_at <= now:
        raise token_invalid()
    agent.enrolment_hash = agent.enrolment_expires_at = None
    agent.enrolled_at, agent.version = now, version
    agent.last_seen_at = agent.reached_at = agent.passed_over_at = None
    _end_clients(ctx, agent)
    client, secret = oauth.create_client(ctx, name=agent.name, scopes=sorted(ROLES["agent"]), agent_id=agent.id)
    return Enrolled(agent, client.client_id, secret)


def token_invalid() -> Unauthenticated:
    """The one refusal of enrolment, whatever is wrong with the token."""
    return Unauthenticated("enrolment_token_invalid", "This enrolment token is unknown, used or expired: make another.")


def communities(ctx: Context, agent: Agent) -> dict[str, str]:
    """The communities of an agent's targets, by target name, in clear."""
    if agent.target_secrets is None:
        return {}
    opened: dict[str, str] = ctx.kit.cipher.open(agent.target_secrets, provider_id=ctx.provider.id, purpose=PURPOSE)
    return opened


def _whole_provider(ctx: Context, agent_id: UUID | None = None) -> None:
    """Agents belong to the provider, not to an account."""
    if ctx.scope is not None:
        raise NotFound("agent", agent_id)


def _give_token(agent: Agent) -> str:
    token = new_secret(TOKEN_PREFIX)
    agent.enrolment_hash, agent.enrolment_expires_at = hashed(token), system_now() + TOKEN_LIFE
    return token


def _end_clients(ctx: Context, agent: Agent) -> None:
    ctx.session.execute(
        update(OAuthClient)
        .where(
            OAuthClient.provider_id == ctx.provider.id,
            OAuthClient.agent_id == agent.id,
            OAuthClient.revoked_at.is_(None),
        )
        .values(revoked_at=system_now())
    )


def _configure(ctx: Context, agent: Agent, targets: Sequence[Mapping[str, Any]]) -> None:
    """Store targets: what may be shown as JSON, communities sealed."""
    kept, named, secrets = communities(ctx, agent), [], {}
    for index, target in enumerate(targets):
        shown = {name: value for name, value in target.items() if name != "community" and value is not None}
        name = shown.setdefault("name", f"{shown['host']}:{shown['port']}")
        if name in secrets:
            raise Invalid("target_repeated", f"There are two targets named {name}.", f"/targets/{index}/name")
        secrets[name] = target.get("community") or kept.get(name) or COMMUNITY_DEFAULT
        named.append(shown)
    _check_points(ctx, agent, named)
    agent.targets = named
    agent.target_secrets = ctx.kit.cipher.seal(secrets, provider_id=ctx.provider.id, purpose=PURPOSE)


def _check_points(ctx: Context, agent: Agent, targets: Sequence[Mapping[str, Any]]) -> None:
    """A point has one meter. Paths may name points that are made later; an id must be one of the site's."""
    listed = [
        (f"/targets/{t}/points/{p}/point", str(place["point"]))
        for t, target in enumerate(targets)
        for p, place in enumerate(target["points"])
    ]
    ids = {reference: decode("point", reference) for _, reference in listed if looks_like("point", reference)}
    statement = select(Point.id).where(
        Point.provider_id == ctx.provider.id, Point.site_id == agent.site_id, among(Point.id, ids.values())
    )
    known = set(ctx.session.scalars(statement)) if ids else set()
    seen = set()
    for pointer, reference in listed:
        if reference in ids and ids[reference] not in known:
            raise Invalid("point_unknown", f"There is no point {reference} at this site.", pointer)
        if reference in seen:
            raise Invalid("point_repeated", f"{reference} would have two meters.", pointer)
        seen.add(reference)
