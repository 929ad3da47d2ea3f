"""From a PDU's register over SNMP, the spool and HTTP to the hours that a bill is made of: the real agent, the real
server, the real clock driver."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from core.ids import new_id
from models.places import Point, Site
from services import test_clock
from standins.pdu.configuration import parse_pdu
from standins.pdu.device import state, true_energy_ws
from tests.agents.house import Faulty, advance, drive, register_hours, serving
from tests.agents.programs import agent, pdus, run_killing, running_agent, start_agent
from tests.api.conftest import Caller, NewCaller
from tests.conftest import Open

SINCE = datetime(2026, 1, 15, tzinfo=UTC)  # where a test's sandbox stands
WH = 3600
PDU_A: dict[str, Any] = {
    "name": "rack-12/pdu-a",
    "serial": "ZA1",
    "since": "2026-01-01T00:00:00Z",
    "register_kwh": "3400",
    "load": {"base_w": 1140, "seed": 7},
}
PDU_B: dict[str, Any] = {
    "name": "rack-12/pdu-b",
    "serial": "ZB1",
    "since": "2026-01-01T00:00:00Z",
    "load": {"base_w": 2300, "seed": 8},
}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver waits for an agent as long as a busy machine may need, to start it anew for example."""
    monkeypatch.setattr("jobs.clock.WAIT_SECONDS", 90.0)


@pytest.fixture
def server(app: Flask) -> Iterator[Faulty]:
    with serving(app) as faulty:
        yield faulty


@pytest.fixture
def key(new_caller: NewCaller) -> str:
    token = new_caller().token
    assert token
    return token


@pytest.fixture
def site(open_unit: Open) -> str:
    """A site with the two PDUs' points."""
    with open_unit() as ctx:
        made = Site(
            provider_id=ctx.provider.id,
            id=new_id(),
            code="ams-1",
            name="Amsterdam 1",
            time_zone="Europe/Amsterdam",
            created_at=ctx.now,
        )
        ctx.session.add(made)
        ctx.session.flush()
        for described in (PDU_A, PDU_B):
            ctx.session.add(
                Point(
                    provider_id=ctx.provider.id,
                    id=new_id(),
                    site_id=made.id,
                    path=described["name"],
                    kind="pdu",
                    created_at=ctx.now,
                )
            )
    return "ams-1"


@pytest.fixture
def following(server: Faulty, key: str, tmp_path: Path) -> tuple[str, ...]:
    """The arguments by which PDUs follow the sandbox."""
    (tmp_path / "key").write_text(key)
    return ("--clock-url", f"{server.url}/v1/test-clock", "--token-file", str(tmp_path / "key"))


def enrolled(client: Caller, server: Faulty, ports: dict[str, int], directory: Path, site: str) -> Path:
    """An agent of the site that is to poll these PDUs; gives its state directory."""
    targets = [
        {"host": "127.0.0.1", "port": port, "profile": "apc-rpdu2", "points": [{"point": name}]}
        for name, port in ports.items()
    ]
    made = client.made("/v1/agents", {"name": "collector", "site": site, "targets": targets})
    done = agent(
        *("enrol", "--server", server.url, "--token", made["enrolment_token"], "--state", str(directory / "state"))
    )
    assert done.returncode == 0, done.stderr
    return directory / "state"


def wait_until_followed(client: Caller) -> None:
    """Until the agent has reached where the sandbox stands."""
    limit = time.monotonic() + 120
    while client.get("/v1/agents").json["data"][0]["reached_at"] is None:
        assert time.monotonic() < limit, "the agent does not follow"
        time.sleep(0.05)


def test_the_hours_of_a_followed_sandbox_are_those_of_the_pdus(
    client: Caller,
    server: Faulty,
    site: str,
    following: tuple[str, ...],
    open_unit: Open,
    provider_id: UUID,
    tmp_path: Path,
) -> None:
    with pdus(tmp_path, PDU_A, PDU_B, arguments=following) as ports:
        state_directory = enrolled(client, server, ports, tmp_path, site)
        with running_agent(state_directory):
            wait_until_followed(client)
            until = advance(open_unit, provider_id, 24)
    for described in (PDU_A, PDU_B):
        hours, pdu = register_hours(open_unit, described["name"]), parse_pdu(described)
        assert list(hours) == [SINCE + timedelta(hours=n) for n in range(24)]
        assert {(h["interpolated"], h["estimated"]) for h in hours.values()} == {(0, 0)}
        for hour, row in hours.items():
            registers = [state(pdu, at).register_ws // (100 * WH) * 100 for at in (hour, hour + timedelta(hours=1))]
            assert row["measured"] == registers[1] - registers[0]  # exact at the register's resolution, in Wh
        assert abs(sum(h["measured"] for h in hours.values()) * WH - true_energy_ws(pdu, SINCE, until)) < 100 * WH


def test_an_exchanged_pdu_is_noticed_and_its_register_is_not_billed(
    client: Caller,
    server: Faulty,
    site: str,
    following: tuple[str, ...],
    open_unit: Open,
    provider_id: UUID,
    tmp_path: Path,
) -> None:
    """The new unit's register is higher: a plain difference would bill thousands of kWh."""
    exchange = {"at": "2026-01-15T09:10:00Z", "kind": "exchange", "serial": "ZA2", "register_kwh": "9000"}
    described = {**PDU_A, "events": [{**exchange, "outage_s": 2400}]}
    with pdus(tmp_path, described, arguments=following) as ports:
        state_directory = enrolled(client, server, ports, tmp_path, site)
        with running_agent(state_directory):
            wait_until_followed(client)
            until = advance(open_unit, provider_id, 14)
    hours = register_hours(open_unit, "rack-12/pdu-a")
    total = sum(h["measured"] + h["interpolated"] + h["estimated"] for h in hours.values())
    true = true_energy_ws(parse_pdu(described), SINCE, until) / Decimal(WH)
    assert abs(total - true) < 1200  # the hour of the exchange is estimated: at most what that hour may use
    assert hours[datetime(2026, 1, 15, 9, tzinfo=UTC)]["estimated"] > 0


def test_a_month_killed_in_the_middle_gives_the_same_hours(
    client: Caller,
    server: Faulty,
    site: str,
    following: tuple[str, ...],
    open_unit: Open,
    provider_id: UUID,
    tmp_path: Path,
) -> None:
    """`kill -9` on the agent, a server that fails behind its commits or refuses, and still each hour as it was."""
    chance = random.Random(11)
    server.after = lambda path: 500 if path == "/v1/usage/readings" and chance.random() < 0.15 else None
    server.before = lambda path: 503 if path == "/v1/usage/readings" and chance.random() < 0.1 else None
    with pdus(tmp_path, PDU_B, arguments=following) as ports:
        state_directory = enrolled(client, server, ports, tmp_path, site)
        with running_agent(state_directory):
            wait_until_followed(client)
        driving = threading.Thread(target=drive, args=(open_unit, provider_id, 16))
        assert run_killing(state_directory, driving, lambda: server.seen.count("/v1/usage/readings"), chance) > 0
    hours, pdu = register_hours(open_unit, "rack-12/pdu-b"), parse_pdu(PDU_B)
    expected = {}
    for hour in (SINCE + timedelta(hours=n) for n in range(16)):
        registers = [state(pdu, at).register_ws // (100 * WH) * 100 for at in (hour, hour + timedelta(hours=1))]
        expected[hour] = registers[1] - registers[0]
    assert {hour: row["measured"] for hour, row in hours.items()} == expected
    with open_unit() as ctx:
        assert ctx.session.scalar(text("SELECT count(*) FROM reading_quarantine")) == 0


def test_a_server_that_is_away_for_a_while_leaves_no_hour_out(
    client: Caller,
    server: Faulty,
    site: str,
    following: tuple[str, ...],
    open_unit: Open,
    provider_id: UUID,
    tmp_path: Path,
) -> None:
    """While it is away the PDUs do not know their time either, and are silent."""
    away = threading.Event()
    server.before = lambda path: 503 if away.is_set() else None
    with pdus(tmp_path, PDU_A, PDU_B, arguments=following) as ports:
        state_directory = enrolled(client, server, ports, tmp_path, site)
        with running_agent(state_directory):
            wait_until_followed(client)
            driving = threading.Thread(target=drive, args=(open_unit, provider_id, 12))
            driving.start()
            time.sleep(0.4)
            away.set()
            time.sleep(6)
            away.clear()
            driving.join()
    for path in ("rack-12/pdu-a", "rack-12/pdu-b"):
        hours = register_hours(open_unit, path)
        assert list(hours) == [SINCE + timedelta(hours=n) for n in range(12)]
        assert {(row["interpolated"], row["estimated"]) for row in hours.values()} == {(0, 0)}


def test_a_dead_agent_holds_the_clock_up_once(
    client: Caller,
    server: Faulty,
    site: str,
    following: tuple[str, ...],
    open_unit: Open,
    provider_id: UUID,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is waited for ten seconds in all, not at each hour of the month."""
    monkeypatch.setattr("jobs.clock.WAIT_SECONDS", 10.0)
    with pdus(tmp_path, PDU_B, arguments=following) as ports:
        state_directory = enrolled(client, server, ports, tmp_path, site)
        process = start_agent(state_directory)
        wait_until_followed(client)
        process.kill()
        process.wait()
        started = time.monotonic()
        until = drive(open_unit, provider_id, 30 * 24)
    assert time.monotonic() - started < 30 * 24 * 10 / 12  # at each hour it would be twelve times as long
    with open_unit() as ctx:
        assert ctx.now == until
        assert "collector" in (test_clock.get(ctx).detail or "")
