"""Setting the stage: servers and programs, the provider and its shop, customers, places and PDUs, the agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from cli.demo.client import Api
from cli.demo.programs import CHECKOUT, Program
from cli.demo.receiver import Receiver
from core.errors import Unavailable

START_SECONDS = 90
WS_PER_STEP = 360_000
CLOCK_START = "2026-02-28T23:00:00Z"  # the first midnight of March in Amsterdam
SITE_ZONE = "Europe/Amsterdam"
EXCHANGE = {
    "at": "2026-03-16T08:00:00Z",
    "kind": "exchange",
    "serial": "ZB2044001122",
    "register_kwh": "12",
    "outage_s": 2400,
}
PDUS: tuple[dict[str, Any], ...] = (
    {
        "name": "rack-12/pdu-a",
        "serial": "ZA1842006633",
        "register_kwh": "3400",
        "load": {"base_w": 1140, "swing_percent": 40, "weekend_percent": 60, "noise_percent": 5, "seed": 7},
        "events": [EXCHANGE],
    },
    {
        "name": "rack-12/pdu-b",
        "serial": "ZA1842006641",
        "register_kwh": "3390.5",
        "load": {"base_w": 1090, "swing_percent": 40, "weekend_percent": 60, "noise_percent": 5, "seed": 8},
    },
    {
        "name": "rack-14/pdu-a",
        "serial": "ZA1931110207",
        "register_kwh": "871.2",
        "load": {"base_w": 420, "swing_percent": 90, "weekend_percent": 20, "noise_percent": 8, "seed": 9},
    },
    {
        "name": "rack-20/pdu-a",
        "serial": "ZA2011040419",
        "register_kwh": "15020.9",
        "load": {"base_w": 1900, "swing_percent": 25, "weekend_percent": 100, "noise_percent": 4, "seed": 10},
    },
)


@dataclass
class Stage:
    """What the story plays on."""

    directory: Path
    api: Api
    key: str
    programs: list[Program]
    receiver: Receiver


def make_provider(name: str) -> dict[str, str]:
    """A sandbox provider, by the command that a fresh installation begins with."""
    command = [sys.executable, "-P", "-m", "cli", "provider", "create", name, "--sandbox", "--json"]
    env = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise Unavailable("provider_not_made", done.stderr.strip() or done.stdout.strip())
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def make_server(directory: Path) -> Program:
    """`busbar serve` on a free port, not started yet."""
    return Program("busbar serve", ["cli", "serve", "--port", "0"], directory / "serve.log")


def start_server(server: Program) -> str:
    """Start it; killed, it is started again on the same port. The address."""
    server.start()
    address = next(word for word in server.first_line(START_SECONDS).split() if word.startswith("http"))
    server.again_with(["cli", "serve", "--port", address.rsplit(":", 1)[1].strip("/")])
    return address.rstrip("/")


def start_pdus(directory: Path, address: str, key: str) -> tuple[Program, dict[str, int]]:
    """The PDU stand-ins, on the sandbox's clock; their ports by name."""
    configuration = directory / "pdus.json"
    pdus = [{**pdu, "since": CLOCK_START} for pdu in PDUS]
    configuration.write_text(json.dumps({"community": "lighthouse", "pdus": pdus}, indent=1))
    token = directory / "pdu-clock-key"
    token.touch(mode=0o600)
    token.write_text(key)
    options = ["--config", str(configuration), "--clock-url", f"{address}/v1/test-clock", "--token-file", str(token)]
    program = Program("PDUs", ["standins.pdu", *options], directory / "pdus.log")
    program.start()
    ports: dict[str, int] = json.loads(program.first_line(START_SECONDS))["ports"]
    # Killed and started again, they answer on the ports that the agent knows.
    for pdu in pdus:
        pdu["port"] = ports[str(pdu["name"])]
    configuration.write_text(json.dumps({"community": "lighthouse", "pdus": pdus}, indent=1))
    return program, ports


def start_agent(directory: Path, api: Api, site: str, ports: dict[str, int]) -> Program:
    """An agent for the site: made over the API, enrolled with its one-time token, polling every PDU."""
    targets = [
        {
            "host": "127.0.0.1",
            "port": port,
            "community": "lighthouse",
            "profile": "apc-rpdu2",
            "points": [{"point": name}],
        }
        for name, port in ports.items()
    ]
    made = api.post("/v1/agents", {"name": "ams1 collector", "site": site, "interval_s": 3600, "targets": targets})
    state = directory / "agent"
    command = [
        *("agents.main", "enrol", "--server", api.base_url),
        *("--token", made["enrolment_token"], "--state", str(state)),
    ]
    env = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-m", *command], cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Unavailable("agent_not_enrolled", done.stderr.strip())
    program = Program("busbar-agent", ["agents.main", "run", "--state", str(state)], directory / "agent.log")
    program.start()
    return program


def pdu_registers(directory: Path, at: str) -> dict[str, Decimal]:
    """What each PDU's register shows at an instant, in its steps of 0.1 kWh: asked of the stand-in, not of Busbar."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "standins.pdu",
        "--config",
        str(directory / "pdus.json"),
        "--at",
        at,
        "--print",
    ]
    env = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=True)  # noqa: S603
    states = json.loads(done.stdout)
    return {name: Decimal(state["register_ws"] // WS_PER_STEP) for name, state in states.items()}
