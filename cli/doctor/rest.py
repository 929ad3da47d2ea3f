"""Everything but the database: versions, keys, the queue, the sandbox gateway, the server that runs here."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version

import httpx
import redis

from cli import running
from cli.doctor.finding import Finding, bad, good, warning
from core.errors import Misconfigured
from embedded import gateway as embedded_gateway
from embedded import valkey
from jobs.hints import connect
from runtime.house import queue_url
from runtime.settings import Settings
from services.cipher import Cipher

PACKAGES = ("flask", "sqlalchemy", "psycopg", "rq", "redis", "stripe")


def versions() -> Iterator[Finding]:
    """What runs here."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    yield good("versions", f"Python {platform.python_version()}, {packages}")


def secrets(settings: Settings) -> Iterator[Finding]:
    """The keys for other people's secrets."""
    if settings.secret_keys is None:
        if settings.embedded_database:
            yield good("keys", f"generated, in {settings.data_dir / 'secret-keys'}: keep a copy of it with the data")
        else:
            yield bad("keys", "BUSBAR_SECRET_KEYS is not set", "It is needed with BUSBAR_DATABASE_URL: id:key.")
        return
    try:
        writing = Cipher.parse(settings.secret_keys).writing
    except Misconfigured as error:
        yield bad("keys", str(error), "Correct BUSBAR_SECRET_KEYS.")
        return
    yield good("keys", f"{settings.secret_keys.count(',') + 1}, the key {writing} writes")


def queue(settings: Settings) -> Iterator[Finding]:
    """The queue server: what it holds is a hint, so that most of this is advice."""
    if settings.queue_url is None and not valkey.running(settings.data_dir):
        yield warning("queue", "the embedded server does not run", "`busbar serve` starts it.")
        return
    try:
        with connect(queue_url(settings)) as client:
            info = client.info()
            policy = info.get("maxmemory_policy", "noeviction")
    except redis.RedisError as error:
        yield bad("queue", f"does not answer: {error}", "Check BUSBAR_QUEUE_URL and that the server runs.")
        return
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    shown = f"{name} {info.get('valkey_version') or info['redis_version']}"
    if policy != "noeviction":
        yield warning("queue", f"{shown}, maxmemory-policy {policy}", "Set maxmemory-policy noeviction.")
    else:
        yield good("queue", shown)


def gateway(settings: Settings) -> Iterator[Finding]:
    """The card gateway of sandboxes."""
    url = settings.sandbox_gateway_url
    if url is None and not settings.embedded_database:
        yield good("sandboxes", "no sandbox gateway is configured; sandboxes take no cards")
        return
    if url is None:
        if not embedded_gateway.running(settings.data_dir):
            yield warning("sandboxes", "the embedded card gateway does not run", "`busbar serve` starts it.")
            return
        url = embedded_gateway.ensure(settings.data_dir)
    try:
        httpx.get(url, timeout=5)
    except httpx.HTTPError as error:
        yield bad("sandboxes", f"the card gateway {url} does not answer: {error}", "Check BUSBAR_SANDBOX_GATEWAY_URL.")
        return
    yield good("sandboxes", f"card gateway at {url}")


def server(settings: Settings) -> Iterator[Finding]:
    """The server that runs on this data directory."""
    found = running.find(settings.data_dir)
    if found is None:
        yield warning("server", "none runs on this data directory", "`busbar serve` starts one.")
        return
    try:
        ready = httpx.get(f"{found.url}/readyz", timeout=5).json()["status"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        yield bad("server", f"{found.url} does not answer: {error}", "Look at its log; `busbar stop` ends it.")
        return
    yield good("server", f"{found.url} is {ready}")
