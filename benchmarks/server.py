"""A server process as `busbar serve` starts it, on a data directory of its own, with something to meter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from embedded import postgres

SUBSCRIPTIONS = 200
POINTS = 2000
CHECKOUT = Path(__file__).resolve().parent.parent
ENERGY = {
    "charge_code": "energy",
    "product": "power",
    "kind": "usage",
    "meter": "energy",
    "currencies": {"EUR": {"model": "per_unit", "unit_price": "0.25"}},
}


@dataclass(frozen=True)
class Server:
    """A running server and what there is to report usage of."""

    url: str
    pid: int
    key: str
    provider_id: str
    directory: Path
    subscriptions: list[str]
    points: list[str]
    meter: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def database(self) -> str:
        """The URL of the superuser, whom no policy binds."""
        return postgres.ensure(self.directory)


@contextmanager
def started(directory: Path) -> Iterator[Server]:
    """Start the server, fill it, and stop it with its database in the end."""
    environment = os.environ | {
        "BUSBAR_DATA_DIR": str(directory),
        "BUSBAR_REQUESTS_PER_MINUTE": str(10**8),
        "BUSBAR_BODY_LIMIT_BYTES": str(50 * 2**20),
    }
    busbar = [sys.executable, "-m", "cli"]
    log = (directory / "server.log").open("w")
    process = subprocess.Popen(
        [*busbar, "serve", "--port", "0", "--workers", "2", "--no-worker"],
        env=environment,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        made = subprocess.run(
            [*busbar, "provider", "create", "bench", "--json"],
            env=environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
        )
        yield _furnished(url, process.pid, json.loads(made.stdout), directory)
    finally:
        process.terminate()
        process.wait(60)
        subprocess.run([*busbar, "stop"], env=environment, cwd=CHECKOUT, capture_output=True, check=False)


def _furnished(url: str, pid: int, founded: dict[str, str], directory: Path) -> Server:
    key = founded["api_key"]

    def made(path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    made("/v1/products", {"code": "power", "name": "Power"})
    meter = made("/v1/meters", {"code": "energy", "name": "Energy", "unit": "kWh", "aggregation": "sum"})
    made("/v1/plans", {"code": "colo", "name": "Colo", "version": {"prices": [ENERGY]}})
    made("/v1/accounts", {"name": "Bench", "currency": "EUR", "country": "NL", "external_id": "bench"})
    made("/v1/sites", {"code": "ams", "name": "Amsterdam", "time_zone": "Europe/Amsterdam"})
    order = {"account": "bench", "plan": "colo", "start": {"on": "provisioned"}}
    subscriptions = [made("/v1/subscriptions", order)["id"] for _ in range(SUBSCRIPTIONS)]
    points = [
        made("/v1/points", {"site": "ams", "path": f"rack-{n // 40}/outlet-{n % 40}", "kind": "outlet"})["id"]
        for n in range(POINTS)
    ]
    return Server(url, pid, key, founded["provider_id"], directory, subscriptions, points, meter["id"])


def settings_of(running: Server) -> dict[str, str]:
    """What the database ran with: durability is not switched off."""
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
    with psycopg.connect(running.database) as connection:
        return {n: connection.execute(f"SHOW {n}").fetchone()[0] for n in names}  # type: ignore[index]
