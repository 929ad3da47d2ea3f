"""`busbar serve`: the web server, and a worker beside it."""

from __future__ import annotations

import argparse
import atexit
import errno
import logging
import os
import shutil
import socket
import time
from functools import partial
from pathlib import Path

import httpx

from cli import running
from cli.children import Children
from cli.running import Running
from cli.worker import keep_embedded, prepare
from core.errors import Misconfigured
from embedded import processes
from runtime import house as houses
from runtime import logs
from runtime.settings import Settings, current

log = logging.getLogger(__name__)

ADDRESS_SECONDS = 10
READY_SECONDS = 120


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop. The first line printed has the address."""
    settings = current()
    logs.configure(settings)
    listening = listen(args.host, args.port)
    url = address(args.host, listening)
    # Children read their settings from the environment: they are told the address, if no other was set.
    os.environ.setdefault("BUSBAR_PUBLIC_URL", url)
    current.cache_clear()
    settings = current()
    _count_together(settings.data_dir)
    prepare(settings)
    tell_gateway(settings, url)
    family = _family(args, listening, settings)
    family.start()
    _wait_until_up(url, family)
    if not args.no_worker:
        _add_workers(family)
    running.write_down(settings.data_dir, Running(os.getpid(), url))
    print(f"Busbar serves on {url}", flush=True)
    try:
        family.watch()
    finally:
        running.strike_out(settings.data_dir, os.getpid())
    return 0


def _family(args: argparse.Namespace, listening: socket.socket, settings: Settings) -> Children:
    from cli import web  # after the address and the counters' directory are known

    family = Children(each_round=partial(keep_embedded, settings))
    family.add("web", partial(web.serve, listening.fileno(), args.workers or max(2, os.cpu_count() or 2)))
    return family


def _add_workers(family: Children) -> None:
    """Workers begin once the web server answers: a sandbox's clock waits for its agents ten seconds, and they must be
    able to report."""
    from jobs import workers

    for number, queues in enumerate(workers.lanes(workers.PROCESSES)):
        family.add(f"{'-'.join(queues)}-{number}", partial(workers.work_on, queues))
    family.add("schedule", workers.keep_schedule)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. A predecessor that was just killed may hold the port for a moment.

    Raises:
        Misconfigured: the port is taken, or is none of ours to take, or there is no such host.
    """
    deadline = time.monotonic() + (ADDRESS_SECONDS if port else 0)
    while True:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            listening = socket.socket(family, socket.SOCK_STREAM)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(2048)
            listening.set_inheritable(True)
            return listening
        except OSError as error:
            if time.monotonic() > deadline or error.errno != errno.EADDRINUSE:
                raise Misconfigured(f"Cannot listen on {host} port {port}: {error.strerror or error}.") from None
            time.sleep(0.25)


def address(host: str, listening: socket.socket) -> str:
    """The URL under which this machine reaches the server."""
    port = listening.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def tell_gateway(settings: Settings, url: str) -> None:
    """Tell the embedded sandbox gateway where its webhooks go now, for the port may be another than yesterday's."""
    if settings.sandbox_gateway_url or not settings.embedded_database:
        return
    gateway = houses.sandbox_gateway_url(settings)
    try:
        httpx.post(f"{gateway}/_control/base_url", json={"base_url": url}, timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        log.warning("the sandbox gateway was not told the address", extra={"error": str(error)})


def _count_together(data_dir: Path) -> None:
    """Where the web processes keep their counters, so that any of them can show all; a killed server left its own."""
    run = data_dir.resolve() / "run"
    for left in run.glob("metrics-*"):
        if processes.process(int(left.name.rpartition("-")[2]), running.SERVER) is None:
            shutil.rmtree(left, ignore_errors=True)
    directory = processes.writable(run / f"metrics-{os.getpid()}")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(directory, ignore_errors=True) if os.getpid() == owner else None)


def _wait_until_up(url: str, family: Children) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and not family.lacking():
        try:
            if httpx.get(f"{url}/healthz", timeout=10, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    family.end()
    raise Misconfigured("The web server does not come up; the log above says why.")
