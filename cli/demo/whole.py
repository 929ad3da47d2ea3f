"""The whole demo: stage, story, and what to open afterwards."""

from __future__ import annotations

import argparse
import os
import signal
import time
from pathlib import Path

import httpx

from cli.demo import shop as shops
from cli.demo import stage as stages
from cli.demo import story
from cli.demo.client import Api
from cli.demo.programs import Program, wait_for
from cli.demo.receiver import Receiver
from cli.demo.stage import Stage
from cli.demo.telling import Teller
from core.errors import Refused
from runtime.settings import current

EXIT_FAILED = 1


def tell_it(args: argparse.Namespace) -> int:
    """Tell the story; 0 when every claim held."""
    # Ended politely or by Ctrl-C, its programs end too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tell = Teller()
    directory = (current().data_dir / "demo" / time.strftime("%Y%m%d-%H%M%S")).resolve()
    directory.mkdir(parents=True)
    programs: list[Program] = []
    try:
        stage = _set(directory, programs, tell)
        _play(stage, tell)
        if not args.once and not tell.failed:
            _stay(stage, tell)
    except (Refused, httpx.HTTPError) as error:
        tell.claim("the story came to its end", False, error)
    except KeyboardInterrupt:
        tell.step("interrupted")
    finally:
        for program in reversed(programs):
            program.stop()
    return _verdict(tell, directory)


def _set(directory: Path, programs: list[Program], tell: Teller) -> Stage:
    tell.chapter("Setting the stage")
    receiver = Receiver(directory / "webhooks.log")
    server = stages.make_server(directory)
    programs.append(server)
    address = stages.start_server(server)
    tell.step(f"PostgreSQL, queue, card gateway and `busbar serve` run: {address}")
    made = stages.make_provider("Lighthouse Data Centres")
    api = Api(address, made["api_key"])
    api.post("/v1/test-clock", {"now": stages.CLOCK_START})
    tell.step(f"sandbox provider {made['provider_id']}, its clock at {stages.CLOCK_START} (1 March in Amsterdam)")
    return Stage(directory, api, made["api_key"], programs, receiver)


def _play(stage: Stage, tell: Teller) -> None:
    tell.chapter("A shop, its customers, its meters")
    shop = shops.open_shop(stage.api, stage.receiver)
    tell.step("plan colo-rack: 450.00 a month, addresses at 2.50, energy at 0.29 and 0.245 above 1,000 kWh")
    pdus, ports = stages.start_pdus(stage.directory, stage.api.base_url, stage.key)
    stage.programs.append(pdus)
    tell.step(f"{len(ports)} simulated APC rack PDUs answer SNMP on UDP ports {', '.join(map(str, ports.values()))}")
    stage.programs.append(stages.start_agent(stage.directory, stage.api, shop.site, ports))
    tell.step("busbar-agent is enrolled with a one-time token and polls them")
    shops.order(stage.api, shop)
    story.begin_contracts(stage, shop, tell)

    tell.chapter("March passes: hourly polls, one PDU exchanged on the 16th")
    story.month_passes(stage, shop, tell)
    story.exchange_noticed(stage, tell)

    tell.chapter("1 April: invoices and cards")
    story.month_billed(stage, shop, tell)
    story.line_explained(stage, shop, tell)

    tell.chapter("Unpaid: reminded, retried, suspended, paid, resumed")
    story.dunned(stage, shop, tell)
    story.what_to_open(stage, shop, tell)


def _stay(stage: Stage, tell: Teller) -> None:
    tell.step("Everything keeps running. Ctrl-C ends it.")
    wait_for(lambda: os.getppid() == 1, float("inf"), "the end of the terminal")


def _verdict(tell: Teller, directory: Path) -> int:
    held = tell.checked - len(tell.failed)
    tell.chapter(f"{held} of {tell.checked} claims held, {time.monotonic() - tell.started:.0f} s.")
    for claim in tell.failed:
        tell.step(f"did not hold: {claim}")
    if tell.failed:
        tell.step(f"logs are in {directory}")
    return EXIT_FAILED if tell.failed else 0
