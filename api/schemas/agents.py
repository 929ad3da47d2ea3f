"""Collecting agents: what they poll, how they come in, how they do."""

from __future__ import annotations

from api.schemas import Resource, Schema, fields
from services.agents import INTERVAL_S_DEFAULT

SMALLINT_LIMIT = 2**31 - 1
TARGETS_MAX = 5000
PLACES_MAX = 200


class AgentPlace(Schema):
    """A part of a device that measures one point: a whole unit of a chain, or one of its outlets."""

    point = fields.Reference("point", required=True, description="The point's id, or its path within the agent's site.")
    pdu = fields.Integer(minimum=1, maximum=64, load_default=1, description="The unit's number in a chain.")
    outlet = fields.Integer(minimum=1, maximum=512, allow_none=True, description="One outlet of it; else the unit.")


class AgentTarget(Schema):
    """A device to poll."""

    name = fields.Text(description="Unique within the agent; by default `host:port`.")
    host = fields.String(
        required=True,
        min_length=1,
        max_length=253,
        validate=fields.Regexp(r"^[A-Za-z0-9][A-Za-z0-9._\-]*\Z"),
        description="A name or an IPv4 address, as the agent sees it.",
        example="10.0.4.17",
    )
    port = fields.Integer(minimum=1, maximum=65535, load_default=161)
    profile = fields.Code(required=True, description="A device family that the agent knows.", example="apc-rpdu2")
    time_zone = fields.TimeZone(load_default="UTC", description="Of the device's own clock.")
    interval_s = fields.Integer(
        minimum=1, maximum=86_400, allow_none=True, description="Seconds between polls; by default the agent's."
    )
    points = fields.List(fields.Nested(AgentPlace), required=True, min_items=1, max_items=PLACES_MAX)


class AgentTargetNew(AgentTarget):
    """A device to poll, with what it takes to be let in."""

    community = fields.String(
        min_length=1,
        max_length=128,
        load_only=True,
        description="The SNMP community; never shown. By default the one that a target of this name has, or `public`.",
    )


class AgentNew(Schema):
    """An agent to make."""

    name = fields.Text(required=True, example="ams-1 collector")
    site = fields.Reference("site", required=True)
    interval_s = fields.Integer(minimum=1, maximum=86_400, load_default=INTERVAL_S_DEFAULT)
    targets = fields.List(fields.Nested(AgentTargetNew), max_items=TARGETS_MAX, load_default=list)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class AgentPatch(Schema):
    """What may change about an agent. `targets` replaces them all."""

    name = fields.Text()
    interval_s = fields.Integer(minimum=1, maximum=86_400)
    targets = fields.List(fields.Nested(AgentTargetNew), max_items=TARGETS_MAX)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class Agent(Resource):
    """An agent, and how it does. `reached_at` is business time, the other instants the machine's."""

    id = fields.TypeID("agent", required=True)
    site = fields.TypeID("site", attribute="site_id", required=True)
    name = fields.String(required=True)
    interval_s = fields.Integer(required=True)
    targets = fields.List(fields.Nested(AgentTarget), max_items=TARGETS_MAX, required=True)
    config_version = fields.Integer(required=True, description="Rises with every change of what is polled.")
    enrolment_expires_at = fields.Instant(allow_none=True, description="While an enrolment token waits.")
    enrolled_at = fields.Instant(allow_none=True)
    revoked_at = fields.Instant(allow_none=True)
    version = fields.String(allow_none=True, description="Of the agent's program.")
    queue_depth = fields.Integer(allow_none=True, description="Readings that wait in its spool.")
    clock_offset_ms = fields.Integer(allow_none=True, description="How far its clock is ahead; null in a sandbox.")
    last_seen_at = fields.Instant(allow_none=True)
    reached_at = fields.Instant(allow_none=True, description="Polled and delivered up to here; in a sandbox.")


class AgentMade(Agent):
    """An agent with an enrolment token: it is shown this once."""

    enrolment_token = fields.ShownOnce()


class Enrolment(Schema):
    """An enrolment token to trade."""

    token = fields.String(required=True, min_length=1, max_length=200)
    version = fields.String(min_length=1, max_length=50, description="Of the agent's program.")


class Enrolled(Schema):
    """An agent's credentials for `POST /oauth/token`. The secret is shown this once."""

    agent = fields.TypeID("agent", required=True)
    client_id = fields.String(required=True)
    client_secret = fields.ShownOnce()


class AgentSite(Schema):
    """Where an agent is."""

    code = fields.String(required=True)
    time_zone = fields.String(required=True)


class AgentTargetConfiguration(AgentTarget):
    """A device to poll, with its community."""

    community = fields.String(required=True)


class AgentConfiguration(Schema):
    """What an agent's program reads about itself."""

    agent = fields.TypeID("agent", required=True)
    version = fields.Integer(required=True)
    site = fields.Nested(AgentSite, required=True)
    targets = fields.List(fields.Nested(AgentTargetConfiguration), max_items=TARGETS_MAX, required=True)


class Heartbeat(Schema):
    """How an agent does."""

    at = fields.Instant(required=True, description="The agent's own time.")
    version = fields.String(required=True, min_length=1, max_length=50, description="Of the agent's program.")
    queue_depth = fields.Integer(required=True, minimum=0, maximum=SMALLINT_LIMIT)
    reached = fields.Instant(
        description="Following a sandbox: polled and delivered up to here. Its clock waits for it at each full hour."
    )
    config_version = fields.Integer(minimum=0, maximum=SMALLINT_LIMIT, description="Of the configuration it applies.")


class Pulse(Schema):
    """What an agent should know."""

    now = fields.Instant(required=True, description="Business time.")
    clock = fields.Enum(["system", "sandbox"], required=True, description="Whose clock that is.")
    config_version = fields.Integer(required=True, description="Of the configuration that holds.")
