"""Collecting agents over HTTP: made, enrolled once, configured, heard, revoked."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from core.errors import NotFound
from core.ids import decode, encode, new_id
from models.agents import Agent
from models.places import Point, Site
from services import agents, agents_self
from services.context import Context
from services.paging import Window
from tests.api.conftest import Caller, NewCaller
from tests.conftest import Open, make_provider

TARGET = {
    "host": "10.0.4.17",
    "community": "s3cret",
    "profile": "apc-rpdu2",
    "points": [{"point": "rack-12/pdu-a", "pdu": 1}],
}


@pytest.fixture
def site(open_unit: Open, provider_id: UUID) -> str:
    """A site of this test's provider."""
    with open_unit() as ctx:
        return make_site(ctx, "ams-1")


def make_site(ctx: Context, code: str) -> str:
    row = Site(
        provider_id=ctx.provider.id,
        id=new_id(),
        code=code,
        name=code,
        time_zone="Europe/Amsterdam",
        created_at=ctx.now,
    )
    ctx.session.add(row)
    ctx.session.flush()
    return code


@pytest.fixture
def made(client: Caller, site: str) -> dict[str, Any]:
    """An agent that is not enrolled yet."""
    agent: dict[str, Any] = client.made("/v1/agents", {"name": "collector", "site": site, "targets": [TARGET]})
    return agent


Enrol = Callable[[str], Caller]


@pytest.fixture
def enrol(app: Flask, nobody: Caller) -> Enrol:
    """Trade an enrolment token for a caller with an access token."""

    def trade(token: str) -> Caller:
        known = nobody.made("/v1/agents/enrol", {"token": token, "version": "1.2.3"})
        basic = base64.b64encode(f"{known['client_id']}:{known['client_secret']}".encode()).decode()
        answer = nobody.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {basic}"}
        )
        return Caller(app.test_client(), answer.json["access_token"])

    return trade


def beat(caller: Caller, **more: Any) -> Any:
    return caller.made(
        "/v1/agents/self/heartbeat", {"at": "2026-01-15T00:00:00Z", "version": "1.2.3", "queue_depth": 0, **more}
    )


def test_an_agent_is_shown_without_its_secrets(client: Caller, made: dict[str, Any]) -> None:
    assert made["enrolment_token"].startswith("bb_enrol_")
    shown = client.get(f"/v1/agents/{made['id']}")
    assert shown.status_code == 200
    assert "s3cret" not in shown.text
    assert "enrolment_token" not in shown.json
    assert shown.json["targets"] == [
        {
            "name": "10.0.4.17:161",
            "host": "10.0.4.17",
            "port": 161,
            "profile": "apc-rpdu2",
            "time_zone": "UTC",
            "points": [{"point": "rack-12/pdu-a", "pdu": 1}],
        }
    ]
    assert [row["id"] for row in client.get("/v1/agents").json["data"]] == [made["id"]]


def test_communities_are_encrypted_at_rest(made: dict[str, Any], ctx: Context) -> None:
    row = ctx.session.execute(text("SELECT targets::text, target_secrets FROM agent")).one()
    assert "s3cret" not in row.targets
    assert b"s3cret" not in row.target_secrets


def test_an_enrolment_token_works_once(made: dict[str, Any], nobody: Caller) -> None:
    first = nobody.post("/v1/agents/enrol", {"token": made["enrolment_token"]})
    assert first.status_code == 200
    assert set(first.json) == {"agent", "client_id", "client_secret"}
    again = nobody.post("/v1/agents/enrol", {"token": made["enrolment_token"]})
    assert (again.status_code, again.json["code"]) == (401, "enrolment_token_invalid")


def test_an_old_enrolment_token_is_refused(made: dict[str, Any], nobody: Caller, open_unit: Open) -> None:
    with open_unit() as ctx:
        past = datetime.now(UTC) - timedelta(seconds=1)
        ctx.session.execute(update(Agent).values(enrolment_expires_at=past))
    answer = nobody.post("/v1/agents/enrol", {"token": made["enrolment_token"]})
    assert (answer.status_code, answer.json["code"]) == (401, "enrolment_token_invalid")


def test_an_agent_may_do_nothing_but_its_own_work(made: dict[str, Any], enrol: Enrol) -> None:
    agent = enrol(made["enrolment_token"])
    assert agent.get("/v1/agents").status_code == 403
    assert agent.post("/v1/agents", {"name": "another", "site": "ams-1"}).status_code == 403
    assert agent.get("/v1/accounts").status_code == 403
    assert agent.get("/v1/test-clock").status_code in (403, 404)


def test_an_agent_reads_its_configuration_with_communities(made: dict[str, Any], enrol: Enrol) -> None:
    agent = enrol(made["enrolment_token"])
    answer = agent.get("/v1/agents/self/config")
    assert answer.json == {
        "agent": made["id"],
        "version": 1,
        "site": {"code": "ams-1", "time_zone": "Europe/Amsterdam"},
        "targets": [
            {
                "name": "10.0.4.17:161",
                "host": "10.0.4.17",
                "port": 161,
                "profile": "apc-rpdu2",
                "time_zone": "UTC",
                "interval_s": 300,
                "community": "s3cret",
                "points": [{"point": "rack-12/pdu-a", "pdu": 1}],
            }
        ],
    }
    same = agent.get("/v1/agents/self/config", headers={"If-None-Match": answer.headers["ETag"]})
    assert same.status_code == 304


def test_points_are_named_by_id_where_the_site_has_them(
    client: Caller, site: str, open_unit: Open, enrol: Enrol
) -> None:
    """Two sites may have the same path; the agent's is meant."""
    with open_unit() as ctx:
        make_site(ctx, "fra-1")
        sites = {row.code: row.id for row in ctx.session.scalars(select(Site))}
        ids = {}
        for code in sites:
            row = Point(
                provider_id=ctx.provider.id,
                id=new_id(),
                site_id=sites[code],
                path="rack-12/pdu-a",
                kind="pdu",
                created_at=ctx.now,
            )
            ctx.session.add(row)
            ids[code] = encode("point", row.id)
    other = {**TARGET, "host": "10.0.4.18", "points": [{"point": "not/there/yet"}]}
    agent = enrol(client.made("/v1/agents", {"name": "a", "site": site, "targets": [TARGET, other]})["enrolment_token"])
    targets = agent.get("/v1/agents/self/config").json["targets"]
    assert [place["point"] for target in targets for place in target["points"]] == [ids["ams-1"], "not/there/yet"]


def test_a_change_of_targets_is_a_new_configuration_and_keeps_communities(
    client: Caller, made: dict[str, Any], enrol: Enrol
) -> None:
    agent = enrol(made["enrolment_token"])
    assert beat(agent)["config_version"] == 1
    silent = {name: value for name, value in TARGET.items() if name != "community"}
    other = {**TARGET, "host": "10.0.4.18", "community": "0ther", "points": [{"point": "rack-12/pdu-b"}]}
    changed = client.patch(f"/v1/agents/{made['id']}", {"targets": [silent, other]})
    assert (changed.status_code, changed.json["config_version"]) == (200, 2)
    assert beat(agent)["config_version"] == 2
    targets = agent.get("/v1/agents/self/config").json["targets"]
    assert [target["community"] for target in targets] == ["s3cret", "0ther"]


def test_a_heartbeat_tells_the_sandboxs_time_and_is_seen(client: Caller, made: dict[str, Any], enrol: Enrol) -> None:
    agent = enrol(made["enrolment_token"])
    assert beat(agent, queue_depth=7) == {"now": "2026-01-15T00:00:00Z", "clock": "sandbox", "config_version": 1}
    shown = client.get(f"/v1/agents/{made['id']}").json
    assert (shown["queue_depth"], shown["version"], shown["reached_at"]) == (7, "1.2.3", None)
    seen = datetime.fromisoformat(shown["last_seen_at"])
    assert abs(datetime.now(UTC) - seen) < timedelta(minutes=10)


def test_a_live_agent_hears_the_systems_time_and_its_own_difference(
    house: Any, new_caller: NewCaller, open_unit: Open, enrol: Enrol
) -> None:
    live = make_provider(house, sandbox=False)
    with open_unit(live) as ctx:
        make_site(ctx, "fra-1")
    client = new_caller(provider=live)
    agent = enrol(client.made("/v1/agents", {"name": "a", "site": "fra-1"})["enrolment_token"])
    ahead = datetime.now(UTC) + timedelta(seconds=420)
    answer = beat(agent, at=ahead.isoformat().replace("+00:00", "Z"))
    assert answer["clock"] == "system"
    offset = client.get("/v1/agents").json["data"][0]["clock_offset_ms"]
    assert 120_000 < offset < 421_000  # less what the answer took
    beat(agent, at="8999-01-01T00:00:00Z")


def test_an_agent_reports_points_of_its_own_site_and_nothing_else(
    client: Caller, site: str, open_unit: Open, enrol: Enrol
) -> None:
    """Both sites have the path; only one is the agent's. By id it cannot reach the other either."""
    ids = {}
    with open_unit() as ctx:
        make_site(ctx, "fra-1")
        for code, site_id in ctx.session.execute(select(Site.code, Site.id)).all():
            for path in ("rack-1/pdu", f"only-{code}"):
                row = Point(
                    provider_id=ctx.provider.id, id=new_id(), site_id=site_id, path=path, kind="pdu", created_at=ctx.now
                )
                ctx.session.add(row)
                ids[code, path] = encode("point", row.id)
    agent = enrol(client.made("/v1/agents", {"name": "a", "site": site})["enrolment_token"])
    references = ["rack-1/pdu", "only-ams-1", "only-fra-1", ids["fra-1", "rack-1/pdu"], ids["ams-1", "only-ams-1"]]
    reading = {"register": "active_energy", "unit": "kWh", "value": "5"}
    sent = [{**reading, "point": point, "at": f"2026-01-14T0{n}:00:00Z"} for n, point in enumerate(references)]
    answer = agent.made("/v1/usage/readings", {"readings": sent})
    assert (answer["accepted"], [(r["index"], r["code"]) for r in answer["rejected"]]) == (
        3,
        [(2, "point_unknown"), (3, "point_unknown")],
    )
    with open_unit() as ctx:
        known = ctx.session.scalars(
            text("SELECT s.code FROM register r JOIN point p ON p.id = r.point_id JOIN site s ON s.id = p.site_id")
        )
        assert set(known) == {"ams-1"}
    events = agent.post("/v1/usage/events", {"events": []})
    assert (events.status_code, events.json["code"]) == (403, "readings_only")


def test_a_revoked_agent_is_refused(app: Flask, client: Caller, made: dict[str, Any], enrol: Enrol) -> None:
    agent = enrol(made["enrolment_token"])
    assert client.delete(f"/v1/agents/{made['id']}").json["revoked_at"] is not None
    assert agent.post("/v1/agents/self/heartbeat").status_code == 401


def test_another_token_ends_the_credentials_before_it_when_it_is_used(
    client: Caller, made: dict[str, Any], enrol: Enrol
) -> None:
    before = enrol(made["enrolment_token"])
    token = client.made(f"/v1/agents/{made['id']}/enrolment-token", None)["enrolment_token"]
    assert before.get("/v1/agents/self/config").status_code == 200
    after = enrol(token)
    assert after.get("/v1/agents/self/config").status_code == 200


def test_a_key_that_is_no_agents_has_no_configuration(client: Caller) -> None:
    answer = client.get("/v1/agents/self/config")
    assert (answer.status_code, answer.json["code"]) == (404, "agent_not_found")


def test_agents_of_others_do_not_exist(
    made: dict[str, Any], stranger: Caller, new_caller: NewCaller, account: Any
) -> None:
    assert stranger.get(f"/v1/agents/{made['id']}").status_code == 404
    assert stranger.patch(f"/v1/agents/{made['id']}", {"name": "mine"}).status_code == 404
    assert stranger.delete(f"/v1/agents/{made['id']}").status_code == 404
    assert stranger.get("/v1/agents").json["data"] == []
    assert stranger.post("/v1/agents", {"name": "a", "site": "ams-1"}).json["code"] == "site_unknown"
    narrowed = new_caller(account_id=decode("account", account["id"]))
    assert narrowed.get(f"/v1/agents/{made['id']}").status_code == 403
    assert narrowed.post("/v1/agents", {"name": "a", "site": "ams-1"}).status_code == 403


def test_a_use_case_narrowed_to_accounts_sees_no_agents(made: dict[str, Any], account: Any, open_unit: Open) -> None:
    """Whatever door it comes from: agents belong to the provider."""
    with open_unit(scope=frozenset({decode("account", account["id"])})) as ctx:
        assert agents.list_agents(ctx, Window()).rows == []
        with pytest.raises(NotFound):
            agents.get(ctx, decode("agent", made["id"]))


@pytest.mark.parametrize(
    ("targets", "code", "pointer"),
    [
        ([TARGET, TARGET], "target_repeated", "/targets/1/name"),
        ([TARGET, {**TARGET, "host": "10.0.4.18"}], "point_repeated", "/targets/1/points/0/point"),
        ([{**TARGET, "points": []}], "length_out_of_range", "/targets/0/points"),
        ([{**TARGET, "port": 0}], "too_small", "/targets/0/port"),
        ([{**TARGET, "host": "ten; rm -rf"}], "malformed", "/targets/0/host"),
        ([{**TARGET, "points": [{"point": "x", "pdu": "1"}]}], "integer_expected", "/targets/0/points/0/pdu"),
        (
            [{**TARGET, "points": [{"point": encode("point", UUID(int=7))}]}],
            "point_unknown",
            "/targets/0/points/0/point",
        ),
        ([{**TARGET, "colour": "red"}], "member_unknown", "/targets/0/colour"),
    ],
)
def test_wrong_targets_are_named(client: Caller, site: str, targets: Any, code: str, pointer: str) -> None:
    answer = client.post("/v1/agents", {"name": "a", "site": site, "targets": targets})
    assert answer.status_code == 422
    assert [(error["code"], error["pointer"]) for error in answer.json["errors"]] == [(code, pointer)]


def test_a_point_of_another_site_is_unknown(client: Caller, site: str, open_unit: Open) -> None:
    with open_unit() as ctx:
        make_site(ctx, "fra-1")
        other = ctx.session.scalars(select(Site).where(Site.code == "fra-1")).one()
        point = Point(
            provider_id=ctx.provider.id, id=new_id(), site_id=other.id, path="p", kind="pdu", created_at=ctx.now
        )
        ctx.session.add(point)
        ctx.session.flush()
        reference = encode("point", point.id)
    targets = [{**TARGET, "points": [{"point": reference}]}]
    assert client.post("/v1/agents", {"name": "a", "site": site, "targets": targets}).json["code"] == "point_unknown"
    assert client.post("/v1/agents", {"name": "a", "site": "fra-1", "targets": targets}).status_code == 201


def lagging(open_unit: Open, hour: int) -> list[str]:
    with open_unit() as ctx:
        return agents_self.lagging(ctx, datetime(2026, 1, 15, hour, tzinfo=UTC))


def set_clock(open_unit: Open, hour: int) -> None:
    with open_unit() as ctx:
        ctx.session.execute(text("UPDATE test_clock SET now = :now"), {"now": datetime(2026, 1, 15, hour, tzinfo=UTC)})


def test_a_clock_waits_for_agents_that_are_heard_of(made: dict[str, Any], enrol: Enrol, open_unit: Open) -> None:
    assert lagging(open_unit, 1) == []
    agent = enrol(made["enrolment_token"])
    assert lagging(open_unit, 1) == []
    beat(agent)
    assert lagging(open_unit, 0) == ["collector"]
    beat(agent, reached="2026-01-15T00:00:00Z")
    assert lagging(open_unit, 0) == []
    assert lagging(open_unit, 1) == ["collector"]
    with open_unit() as ctx:
        ctx.session.execute(update(Agent).values(last_seen_at=datetime.now(UTC) - timedelta(seconds=61)))
    assert lagging(open_unit, 1) == []


def test_an_agent_that_was_passed_over_is_waited_for_again_once_it_reports(
    made: dict[str, Any], enrol: Enrol, open_unit: Open
) -> None:
    agent = enrol(made["enrolment_token"])
    beat(agent, reached="2026-01-15T00:00:00Z")
    set_clock(open_unit, 2)
    with open_unit() as ctx:
        agents_self.pass_over(ctx, datetime(2026, 1, 15, 2, tzinfo=UTC))
    assert lagging(open_unit, 3) == []
    beat(agent, reached="2026-01-15T00:00:00Z")
    assert lagging(open_unit, 3) == []
    beat(agent, reached="2026-01-15T02:00:00Z")
    assert lagging(open_unit, 3) == ["collector"]


def test_an_agent_cannot_have_reached_what_is_still_to_come(
    made: dict[str, Any], enrol: Enrol, open_unit: Open
) -> None:
    agent = enrol(made["enrolment_token"])
    beat(agent, reached="2027-01-01T00:00:00Z")
    assert lagging(open_unit, 1) == ["collector"]
