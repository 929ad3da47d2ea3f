"""The card gateway as a program of its own, as tests start, kill and steer it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import stripe

ROOT = Path(__file__).resolve().parents[2]


class GatewayProgram:
    """Start it, and ask or steer it over HTTP."""

    def __init__(self, state: Path, port: int = 0) -> None:
        command = [sys.executable, "-m", "standins.gateway", "--port", str(port), "--state", str(state)]
        self.state = state
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=120)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def control(self, path: str, **body: Any) -> Any:
        answer = self.http.post(f"/_control/{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def fault(self, route: str, fault: str, times: int = 1, key: str | None = None) -> None:
        self.control("faults", route=route, fault=fault, times=times, key=key)

    def charges(self, key: str) -> Any:
        return self.http.get("/_control/charges", params={"key": key}).json()

    def client(self, key: str) -> stripe.StripeClient:
        return stripe.StripeClient(key, base_addresses={"api": self.url}, max_network_retries=0)


def fresh_key() -> str:
    return f"sk_test_{uuid4().hex}"


def until(condition: Any, seconds: float = 120) -> Any:
    """Wait for something that happens in the background; its value once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
