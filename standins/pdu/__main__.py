"""The program: `python -m standins.pdu --config pdus.toml`."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from datetime import datetime
from functools import partial
from pathlib import Path

from core.errors import Misconfigured
from core.period import parse_instant
from standins.pdu.clock import Clock, FixedClock, SandboxClock, SystemClock
from standins.pdu.configuration import load_file
from standins.pdu.device import Pdu, state, table
from standins.pdu.responder import Responder, Table

EXAMPLES = """examples:
  python -m standins.pdu --config pdus.toml
  python -m standins.pdu --config pdus.toml --clock-url http://127.0.0.1:8080/v1/test-clock --token-file key
  python -m standins.pdu --config pdus.toml --at 2026-01-16T10:00:00Z --print
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m standins.pdu",
        description="Rack PDUs that answer SNMP v2c. The first line printed is JSON: the port of each PDU.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON or TOML file with the PDUs")
    parser.add_argument("--host", default="127.0.0.1", help="address to answer at (default 127.0.0.1)")
    parser.add_argument("--clock-url", help="follow a sandbox: its /v1/test-clock")
    parser.add_argument("--token-file", type=Path, help="file with the API key for --clock-url")
    parser.add_argument("--at", type=parse_instant, help="stand still at this instant")
    parser.add_argument("--print", action="store_true", help="print the state of each PDU as JSON and exit")
    return parser.parse_args()


def _clock(arguments: argparse.Namespace) -> Clock:
    if arguments.at:
        return FixedClock(arguments.at)
    if not arguments.clock_url:
        return SystemClock()
    if not arguments.token_file or not arguments.token_file.exists():
        raise Misconfigured("--clock-url needs --token-file, a file with an API key of the sandbox")
    return SandboxClock(arguments.clock_url, arguments.token_file.read_text().strip())


async def _table_now(pdu: Pdu, clock: Clock) -> Table | None:
    now = await clock.now()
    return table(pdu, now) if now else None


async def _serve(pdus: list[Pdu], clock: Clock, host: str) -> None:
    loop = asyncio.get_running_loop()
    ports = {}
    for pdu in pdus:
        responder = Responder(pdu.community, partial(_table_now, pdu, clock))
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda responder=responder: responder,  # type: ignore[misc]  # mypy cannot infer a default's type
                local_addr=(host, pdu.port),
            )
        except OSError as error:
            raise Misconfigured(f"cannot answer at {host}:{pdu.port}: {error.strerror}") from error
        ports[pdu.name] = transport.get_extra_info("sockname")[1]
    print(json.dumps({"host": host, "ports": ports}), flush=True)  # noqa: T201  a program tells where it answers
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    await stopping.wait()


def _print_states(pdus: list[Pdu], at: datetime) -> None:
    states = {pdu.name: state(pdu, at) for pdu in pdus}
    shown = {n: {"serial": s.serial, "register_ws": s.register_ws, "boots": s.boots} for n, s in states.items()}
    print(json.dumps(shown))  # noqa: T201  it was asked to print


def main() -> int:
    """Run until SIGINT or SIGTERM. Wrong configuration gives one line and exit code 2."""
    arguments = _arguments()
    try:
        pdus, clock = load_file(arguments.config), _clock(arguments)
        if arguments.print:
            _print_states(pdus, arguments.at or datetime.now().astimezone())
        else:
            asyncio.run(_serve(pdus, clock, arguments.host))
    except Misconfigured as problem:
        print(f"standins.pdu: {problem}", file=sys.stderr)  # noqa: T201  one line, where errors belong
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
