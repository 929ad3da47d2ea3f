"""`busbar serve` from outside: one command that makes a sandbox fully work, whatever of it is killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

import embedded
from cli.web_worker import has_more
from embedded import processes
from tests.builders.house import eventually, receiver

ROOT = Path(__file__).resolve().parents[2]


class Site:
    """An installation of its own: nothing configured but where its data is."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        clean = {name: value for name, value in os.environ.items() if not name.startswith("BUSBAR_")}
        self.env = {**clean, "PYTHONPATH": str(ROOT), "BUSBAR_DATA_DIR": str(data_dir)}
        self.server: subprocess.Popen[str] | None = None
        self.url = ""
        self.key = ""

    def serve(self, *arguments: str) -> str:
        """Start it; returns the first line that it prints."""
        log = (self.data_dir / "serve.log").open("a")
        command = [sys.executable, "-P", "-m", "cli", "serve", "--port", "0", *arguments]
        self.server = subprocess.Popen(
            command, cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
        )
        assert self.server.stdout
        line = self.server.stdout.readline()
        self.url = re.search(r"http://\S+", line).group()  # type: ignore[union-attr]
        return line

    def busbar(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "cli", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)

    def found(self) -> None:
        done = self.busbar("provider", "create", "Acme DC", "--sandbox", "--json")
        self.key = json.loads(done.stdout)["api_key"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(
            method, self.url + path, json=body, headers={"Authorization": f"Bearer {self.key}"}, timeout=120
        )
        assert answer.status_code < 300, answer.text
        return answer.json()

    def children(self) -> list[psutil.Process]:
        """The web server, the workers and the schedule: all that end with the server. Databases do not."""
        assert self.server
        found = psutil.Process(self.server.pid).children(recursive=True)
        return [child for child in found if processes.process(child.pid, "cli serve")]

    def log(self) -> str:
        return (self.data_dir / "serve.log").read_text()

    def end(self) -> int:
        assert self.server
        self.server.terminate()
        return self.server.wait(120)


@pytest.fixture
def site() -> Iterator[Site]:
    directory = Path(tempfile.mkdtemp(prefix="busbar-site-"))
    running = Site(directory)
    yield running
    if running.server and running.server.poll() is None:
        running.end()
    embedded.stop_all(directory)
    shutil.rmtree(directory, ignore_errors=True)


def is_up(site: Site) -> bool:
    try:
        return httpx.get(f"{site.url}/readyz", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def test_one_command_makes_a_sandbox_work_and_kills_cost_nothing(site: Site) -> None:
    first = site.serve()
    assert first.startswith("Busbar serves on http://127.0.0.1:")
    assert httpx.get(f"{site.url}/healthz", timeout=60).json() == {"status": "ok"}
    assert httpx.get(f"{site.url}/readyz", timeout=60).json()["status"] == "ready"
    site.found()
    with receiver() as hook:
        site.call("POST", "/v1/webhook-endpoints", {"url": hook.url, "types": ["account.*"]})
        site.call("POST", "/v1/test-clock", {"now": "2026-01-15T00:00:00Z"})
        site.call("POST", "/v1/accounts", {"name": "One", "currency": "EUR", "country": "NL"})
        eventually(lambda: hook.events() == ["account.created"])

        # Everything below the server is killed at once: web, workers, schedule.
        site.call("POST", "/v1/test-clock/advance", {"to": "2026-03-15T00:00:00Z"})
        eventually(lambda: len(site.children()) >= 8)
        killed = site.children()
        for process in killed:
            process.kill()
        eventually(lambda: all(processes.gone(process.pid, "cli serve") for process in killed))
        eventually(lambda: is_up(site))
        eventually(lambda: site.call("GET", "/v1/test-clock")["status"] == "ready")
        assert site.call("GET", "/v1/test-clock")["now"] == "2026-03-15T00:00:00Z"
        site.call("POST", "/v1/accounts", {"name": "Two", "currency": "EUR", "country": "NL"})
        eventually(lambda: len(hook.requests) >= 2)

        # The server itself is killed; a new one finds the databases, and what they hold.
        assert site.server
        orphans = site.children()
        site.server.kill()
        site.server.wait()
        site.serve()
        eventually(lambda: all(processes.gone(orphan.pid, "cli serve") for orphan in orphans))
        assert len(site.call("GET", "/v1/accounts")["data"]) == 2
        site.call("POST", "/v1/accounts", {"name": "Three", "currency": "EUR", "country": "NL"})
        eventually(lambda: len({r.headers["webhook-id"] for r in hook.requests}) == 3)
    metrics = httpx.get(f"{site.url}/metrics", timeout=60).text
    assert 'busbar_requests_total{door="api",method="POST",route="/v1/accounts",status="201"} 1.0' in metrics
    assert 'busbar_waiting{what="events_without_reaction"}' in metrics
    assert site.busbar("doctor").returncode == 0
    assert site.end() == 0
    assert not is_up(site)


def test_logs_are_structured_carry_the_request_id_and_hold_no_key(site: Site) -> None:
    site.serve("--workers", "2")
    site.found()
    answer = httpx.get(
        f"{site.url}/v1/accounts",
        headers={"Authorization": f"Bearer {site.key}", "X-Request-Id": "request-of-this-test"},
        timeout=60,
    )
    assert answer.headers["X-Request-Id"] == "request-of-this-test"
    eventually(lambda: "request-of-this-test" in site.log())
    entries = [json.loads(line) for line in site.log().splitlines()]
    (entry,) = [entry for entry in entries if entry.get("request_id") == "request-of-this-test"]
    assert (entry["route"], entry["status"]) == ("/v1/accounts", 200)
    assert site.key not in site.log()


def test_killed_databases_are_started_again_below_a_running_server(site: Site) -> None:
    site.serve()
    site.found()
    places = [str(site.data_dir / "postgres"), str(site.data_dir / "run" / "valkey")]
    killed = [(pid, place) for place in places for pid in processes.matching(place)]
    assert len(killed) == 2
    for pid, _ in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: all(processes.gone(*each) for each in killed))
    eventually(lambda: is_up(site))
    site.call("POST", "/v1/accounts", {"name": "After", "currency": "EUR", "country": "NL"})
    assert site.busbar("stop").stdout.strip() == "Stopped: serve, gateway, valkey, postgres."
    assert site.server
    assert site.server.wait(120) == 0


def test_a_worker_apart_does_the_work_of_a_server_without_one(site: Site) -> None:
    site.serve("--no-worker")
    site.found()
    with receiver() as hook:
        site.call("POST", "/v1/webhook-endpoints", {"url": hook.url})
        site.call("POST", "/v1/accounts", {"name": "One", "currency": "EUR", "country": "NL"})
        time.sleep(2)
        assert hook.requests == []
        command = [sys.executable, "-P", "-m", "cli", "worker", "--processes", "1"]
        workers = [
            subprocess.Popen(command, cwd=ROOT, env=site.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(2)
        ]
        try:
            eventually(lambda: hook.events() == ["account.created"])
            eventually(lambda: len(list((site.data_dir / "run").glob("worker-*.json"))) == 2)
            stopped = site.busbar("stop").stdout.strip()
            assert stopped == "Stopped: serve, worker, worker, gateway, valkey, postgres."
        finally:
            for worker in workers:
                worker.terminate()
            assert [worker.wait(120) for worker in workers] == [0, 0]


@pytest.mark.parametrize(
    ("own", "counts", "waits"),
    [(3, [3, 1, 0, 0], True), (1, [3, 1, 0, 0], False), (2, [2, 2, 0], False), (1, [0, 1], False), (4, [0, 0], False)],
)
def test_a_web_process_that_has_more_connections_than_another_lets_it_go_first(
    own: int, counts: list[int], waits: bool
) -> None:
    assert has_more(own, counts) is waits


def test_each_connection_is_answered_by_one_web_process_for_as_long_as_it_goes_on(site: Site) -> None:
    site.serve("--workers", "2", "--no-worker")
    clients = [httpx.Client(base_url=site.url, timeout=60) for _ in range(8)]
    try:
        for client in clients:
            assert client.get("/healthz").status_code == 200
        port = int(site.url.rpartition(":")[2])
        held = [
            sum(c.status == psutil.CONN_ESTABLISHED and c.laddr.port == port for c in process.net_connections("tcp"))
            for process in site.children()
        ]
        assert sum(held) == 8
        # And each goes on to be answered where it is.
        assert all(client.get("/healthz").status_code == 200 for client in clients for _ in range(3))
    finally:
        for client in clients:
            client.close()
