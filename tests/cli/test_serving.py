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
            method, self.url + path, json=body, headers={"Authorization": f"Bearer {self.key}"}, timeout=30
        )
        assert answer.status_code < 300, answer.text
        return answer.json()

    def children(self) -> list[psutil.Process]:
        """The web server, the workers and the schedule: all that end with the server. Databases do not."""
        assert self.server
        found = psutil.Process(self.server.pid).children(recursive=True)
        return [child for child in found if "cli serve" in " ".join(child.cmdline())]

    def log(self) -> str:
        return (self.data_dir / "serve.log").read_text()

    def end(self) -> int:
        assert self.server
        self.server.terminate()
        return self.server.wait(40)


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
        return httpx.get(f"{site.url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_one_command_makes_a_sandbox_work_and_kills_cost_nothing(site: Site) -> None:
    first = site.serve()
    assert first.startswith("Busbar serves on http://127.0.0.1:")
    assert httpx.get(f"{site.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{site.url}/readyz").json()["status"] == "ready"
    site.found()
    with receiver() as hook:
        site.call("POST", "/v1/webhook-endpoints", {"url": hook.url, "types": ["account.*"]})
        site.call("POST", "/v1/test-clock", {"now": "2026-01-15T00:00:00Z"})
        site.call("POST", "/v1/accounts", {"name": "One", "currency": "EUR", "country": "NL"})
        eventually(lambda: hook.events() == ["account.created"])

        # Everything below the server is killed at once: web, workers, schedule.
        site.call("POST", "/v1/test-clock/advance", {"to": "2026-03-15T00:00:00Z"})
        killed = site.children()
        assert len(killed) >= 8
        for process in killed:
            process.kill()
        eventually(lambda: is_up(site), 40)
        eventually(lambda: site.call("GET", "/v1/test-clock")["status"] == "ready", 60)
        assert site.call("GET", "/v1/test-clock")["now"] == "2026-03-15T00:00:00Z"
        site.call("POST", "/v1/accounts", {"name": "Two", "currency": "EUR", "country": "NL"})
        eventually(lambda: len(hook.requests) >= 2, 40)

        # The server itself is killed; a new one finds the databases, and what they hold.
        assert site.server
        orphans = site.children()
        site.server.kill()
        site.server.wait()
        site.serve()
        eventually(lambda: all(not o.is_running() or o.status() == psutil.STATUS_ZOMBIE for o in orphans), 40)
        assert len(site.call("GET", "/v1/accounts")["data"]) == 2
        site.call("POST", "/v1/accounts", {"name": "Three", "currency": "EUR", "country": "NL"})
        eventually(lambda: len({r.headers["webhook-id"] for r in hook.requests}) == 3, 40)
    metrics = httpx.get(f"{site.url}/metrics").text
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
    for marker in ("/postgres/", "valkey-server"):
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if str(site.data_dir) in line + "/" and marker.strip("/") in line and "cli" not in line:
                process.send_signal(signal.SIGKILL)
    time.sleep(0.5)
    eventually(lambda: is_up(site), 60)
    site.call("POST", "/v1/accounts", {"name": "After", "currency": "EUR", "country": "NL"})
    assert site.busbar("stop").stdout.strip() == "Stopped: serve, gateway, valkey, postgres."
    assert site.server
    assert site.server.wait(30) == 0


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
            eventually(lambda: hook.events() == ["account.created"], 40)
            stopped = site.busbar("stop").stdout.strip()
            assert stopped == "Stopped: serve, worker, worker, gateway, valkey, postgres."
        finally:
            for worker in workers:
                worker.terminate()
            assert [worker.wait(40) for worker in workers] == [0, 0]


def test_connections_are_shared_out_between_the_web_processes(site: Site) -> None:
    site.serve("--workers", "2", "--no-worker")
    clients = [httpx.Client(base_url=site.url) for _ in range(8)]
    try:
        for client in clients:
            assert client.get("/healthz").status_code == 200
        port = int(site.url.rpartition(":")[2])
        held = [
            sum(c.status == psutil.CONN_ESTABLISHED and c.laddr.port == port for c in process.net_connections("tcp"))
            for process in site.children()
        ]
        assert sorted(held)[-2:] == [4, 4]
        # And each goes on to be answered where it is.
        assert all(client.get("/healthz").status_code == 200 for client in clients for _ in range(3))
    finally:
        for client in clients:
            client.close()
