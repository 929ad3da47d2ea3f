"""Collecting agents over HTTP: their making and enrolment, and what they ask about themselves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, caller, context, context_for, page, public, refuses, require
from api.schemas import ExternalIdQuery, page_of
from api.schemas.agents import (
    Agent,
    AgentConfiguration,
    AgentMade,
    AgentNew,
    AgentPatch,
    Enrolled,
    Enrolment,
    Heartbeat,
    Pulse,
)
from api.transaction import home
from core.ids import encode
from models.agents import Agent as AgentRow
from runtime.unit import dispatch
from services import agents, agents_self
from services.agents_self import Beat

blp = blueprint("agents", "Collecting agents: programs that poll meters at a site.")
WRONG = {
    "site_unknown": "There is no such site.",
    "point_unknown": "There is no such point at the agent's site.",
    "point_repeated": "A point would have two meters.",
    "target_repeated": "Two targets have one name.",
}
TARGET = {
    "host": "10.0.4.17",
    "community": "s3cret",
    "profile": "apc-rpdu2",
    "points": [{"point": "rack-12/pdu-a", "pdu": 1}],
}
NO_AGENT = "This credential is no agent's."


@blp.route("/v1/agents")
class Agents(MethodView):
    @require("agents:read")
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(Agent))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List agents, newest first."""
        return page(query, lambda window: agents.list_agents(context(), window, external_id=query.get("external_id")))

    @require("agents:write")
    @refuses(422, **WRONG)
    @blp.arguments(AgentNew, example={"name": "ams-1 collector", "site": "ams-1", "targets": [TARGET]})
    @blp.response(201, AgentMade)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make an agent. Its enrolment token is shown in this answer and never again; it works once, for an hour."""
        row, token = agents.create(context(), **body)
        return {**vars(row), "enrolment_token": token}


@blp.route("/v1/agents/<id(agent):agent_id>")
class OneAgent(MethodView):
    @require("agents:read")
    @blp.response(200, Agent)
    def get(self, agent_id: UUID) -> AgentRow:
        """One agent, and how it does."""
        return agents.get(context(), agent_id)

    @require("agents:write")
    @refuses(422, **WRONG)
    @blp.arguments(AgentPatch, example={"targets": [TARGET]})
    @blp.response(200, Agent)
    def patch(self, body: dict[str, Any], agent_id: UUID) -> AgentRow:
        """Change an agent. It takes up a new configuration with its next heartbeat."""
        return agents.change(context(), agent_id, body)

    @require("agents:write")
    @blp.response(200, Agent)
    def delete(self, agent_id: UUID) -> AgentRow:
        """Revoke an agent: its credentials are refused from now on. What it delivered stays."""
        return agents.revoke(context(), agent_id)


@blp.route("/v1/agents/<id(agent):agent_id>/enrolment-token")
class EnrolmentToken(MethodView):
    @require("agents:write")
    @blp.response(201, AgentMade)
    def post(self, agent_id: UUID) -> dict[str, Any]:
        """Make another enrolment token, for a machine that was replaced. The present credentials end with its use."""
        row, token = agents.renew_token(context(), agent_id)
        return {**vars(row), "enrolment_token": token}


@blp.route("/v1/agents/enrol")
class Enrol(MethodView):
    @public("the enrolment token is in the body")
    @refuses(401, enrolment_token_invalid="The token is unknown, used or expired.")  # noqa: S106 - a refusal's name
    @blp.arguments(Enrolment, example={"token": "bb_enrol_01h455vb4pex5vsknk084sn02q", "version": "0.1.0"})
    @blp.response(200, Enrolled)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Trade an enrolment token for an agent's credentials; those of an earlier enrolment end."""
        with dispatch(within=home()) as session:
            found = agents.find_by_token(session, body["token"])
        if found is None:
            raise agents.token_invalid()
        provider_id, agent_id = found
        ctx = context_for(provider_id, f"agent:{encode('agent', agent_id)}")
        done = agents.enrol(ctx, agent_id, body["token"], body.get("version"))
        return {"agent": agent_id, "client_id": done.client_id, "client_secret": done.client_secret}


@blp.route("/v1/agents/self/config")
class SelfConfiguration(MethodView):
    @require("agents:self")
    @refuses(404, agent_not_found=NO_AGENT)
    @blp.response(200, AgentConfiguration)
    def get(self) -> dict[str, Any]:
        """What the calling agent is to poll. Answers 304 to an agent that has it already."""
        return agents_self.configuration(context(), caller().agent_id)


@blp.route("/v1/agents/self/heartbeat")
class SelfHeartbeat(MethodView):
    @require("agents:self")
    @refuses(404, agent_not_found=NO_AGENT)
    @blp.arguments(Heartbeat, example={"at": "2026-02-01T00:00:00Z", "version": "0.1.0", "queue_depth": 0})
    @blp.response(200, Pulse)
    def post(self, body: dict[str, Any]) -> agents_self.Pulse:
        """Report how the calling agent does, and learn the time."""
        beat = Beat(body["at"], body["version"], body["queue_depth"], body.get("reached"))
        return agents_self.heartbeat(context(), caller().agent_id, beat)
