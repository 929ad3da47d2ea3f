"""The program `busbar-agent`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sqlite3
import sys
from importlib import metadata
from pathlib import Path

from agents import profile as profiles
from agents.checking import check
from agents.runner import Agent
from agents.server import Server, ServerError, enrol
from agents.spool import BYTES_MAX_DEFAULT, Spool
from agents.state import ENVIRONMENT, StateDirectory, default_directory
from agents.targets import Target
from core.errors import Misconfigured

COMMUNITY = "BUSBAR_AGENT_COMMUNITY"
SPOOL_MB = "BUSBAR_AGENT_SPOOL_MB"

EXAMPLES = {
    "": """examples:
  busbar-agent check 10.0.4.17 --community public
  busbar-agent enrol --server https://billing.example.com --token ENROLMENT-TOKEN
  busbar-agent run
""",
    "enrol": """example:
  busbar-agent enrol --server https://billing.example.com --token ENROLMENT-TOKEN --state /var/lib/busbar-agent
""",
    "run": """example:
  busbar-agent run --state /var/lib/busbar-agent

The spool keeps at most BUSBAR_AGENT_SPOOL_MB megabytes (default 64) while the server is out of reach.
""",
    "check": """examples:
  busbar-agent check 10.0.4.17
  BUSBAR_AGENT_COMMUNITY=s3cret busbar-agent check pdu-a.rack-12.example.com --profile apc-rpdu2 --port 161
""",
    "status": """example:
  busbar-agent status --state /var/lib/busbar-agent
""",
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command. What is missing or wrong in the configuration gives one line and exit code 2."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        return int(COMMANDS[parsed.command](parsed))
    except Misconfigured as problem:
        print(f"busbar-agent: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def version() -> str:
    """The installed version; a checkout that is not installed has none."""
    try:
        return metadata.version("busbar")
    except metadata.PackageNotFoundError:
        return "unreleased"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="busbar-agent",
        description="Polls meters at your site and reports their registers to Busbar.",
        epilog=EXAMPLES[""],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"busbar-agent {version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=EXAMPLES[name],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    for name, summary in (
        ("enrol", "trade a one-time enrolment token for this agent's own credentials"),
        ("run", "poll and report until stopped"),
        ("status", "show what the agent on this machine is doing"),
    ):
        added = command(name, summary)
        added.add_argument(
            "--state",
            type=Path,
            help=f"directory for credentials and spool (default ${ENVIRONMENT}, else in your home)",
        )
        if name == "enrol":
            added.add_argument("--server", required=True, help="address of the Busbar server")
            added.add_argument("--token", required=True, help="the enrolment token that the server gave")
            added.add_argument("--force", action="store_true", help="replace the credentials that are there")
    checking = command("check", "show what would be read from a device, without storing or sending anything")
    checking.add_argument("host", metavar="HOST", help="name or address of the device")
    checking.add_argument("--community", help=f"SNMP community (default ${COMMUNITY}, else public)")
    checking.add_argument("--profile", default="apc-rpdu2", help=f"device family: {', '.join(profiles.names())}")
    checking.add_argument("--port", type=int, default=161, help="UDP port (default 161)")
    return parser


def _state(parsed: argparse.Namespace) -> StateDirectory:
    return StateDirectory(parsed.state or default_directory())


def _enrol(parsed: argparse.Namespace) -> int:
    state = _state(parsed)
    if not parsed.force and (state.path / "credentials.json").exists():
        raise Misconfigured(f"{state.path} is enrolled already; --force replaces its credentials")
    state.create()
    try:
        credentials = asyncio.run(enrol(parsed.server, parsed.token, version()))
    except ServerError as error:
        raise Misconfigured(f"enrolment failed: {error}") from error
    state.save_credentials(credentials)
    print(f"enrolled at {credentials.server} as {credentials.agent}; start it with: busbar-agent run")
    return 0


def _run(parsed: argparse.Namespace) -> int:
    state = _state(parsed)
    credentials = state.credentials()
    bytes_max = _spool_bytes()
    with state.lock():
        spool = _spool(state, bytes_max)
        try:
            asyncio.run(_serve(state, Server(credentials, version()), spool))
        finally:
            spool.close()
    return 0


def _spool(state: StateDirectory, bytes_max: int = BYTES_MAX_DEFAULT) -> Spool:
    try:
        return Spool(state.spool_file, bytes_max)
    except (sqlite3.Error, OSError) as error:
        raise Misconfigured(f"{state.spool_file} cannot be used: {error}") from error


def _spool_bytes() -> int:
    text = os.environ.get(SPOOL_MB, "64")
    if not text.isdigit() or int(text) < 1:
        raise Misconfigured(f"{SPOOL_MB} is a whole number of megabytes, not {text!r}")
    return int(text) * 1024 * 1024


async def _serve(state: StateDirectory, server: Server, spool: Spool) -> None:
    """Run the agent until SIGINT or SIGTERM."""
    running = asyncio.create_task(Agent(state, server, spool).run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        logging.getLogger("busbar-agent").info("stopped; %d readings wait in the spool", spool.depth())
    finally:
        await server.close()


def _check(parsed: argparse.Namespace) -> int:
    community = parsed.community or os.environ.get(COMMUNITY) or "public"
    if not 0 < parsed.port < 65536:
        raise Misconfigured(f"a UDP port lies between 1 and 65535, not {parsed.port}")
    target = Target(parsed.host, parsed.host, parsed.profile, (), parsed.port, community)
    print("\n".join(asyncio.run(check(target))))
    return 0


def _status(parsed: argparse.Namespace) -> int:
    state = _state(parsed)
    credentials, kept = state.credentials(), state.configuration()
    print(f"agent     {credentials.agent} at {credentials.server}")
    if kept:
        site, targets = kept.configuration.site, kept.configuration.targets
        print(f"site      {site}, {len(targets)} targets, {kept.clock} clock")
    if not state.spool_file.exists():
        print("spool     none yet; the agent has not run here")
        return 0
    spool = _spool(state)
    try:
        print(f"spool     {spool.depth()} readings wait, {len(spool.parked())} were refused by the server")
        for health in (h for h in spool.devices() if h.failures or h.last_ok_at):
            how = f"failed {health.failures} times: {health.last_error}" if health.failures else "answers"
            print(f"device    {health.name}: {how}; last read: {health.last_ok_at or 'never'}")
    finally:
        spool.close()
    return 0


COMMANDS = {"enrol": _enrol, "run": _run, "check": _check, "status": _status}

if __name__ == "__main__":
    sys.exit(main())
