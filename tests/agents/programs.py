"""Starting the agent and the PDUs as the programs they are."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]


def agent(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the agent to its end."""
    return subprocess.run(
        [sys.executable, "-m", "agents.main", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def start_agent(state: Path) -> subprocess.Popen[str]:
    """Start `busbar-agent run`; its log goes to `agent.log` in the state directory."""
    with (state / "agent.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "agents.main", "run", "--state", str(state)], cwd=CHECKOUT, stderr=log, text=True
        )


@contextmanager
def running_agent(state: Path) -> Iterator[subprocess.Popen[str]]:
    """The agent for the length of a block, stopped as an operator would."""
    process = start_agent(state)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> int:
    """Stop a program politely."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def pdus(directory: Path, *described: dict[str, Any], arguments: tuple[str, ...] = ()) -> Iterator[dict[str, int]]:
    """PDUs in a process of their own; gives the port of each by name."""
    file = directory / "pdus.json"
    file.write_text(json.dumps({"pdus": described}))
    process = subprocess.Popen(
        [sys.executable, "-m", "standins.pdu", "--config", str(file), *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["ports"]
    finally:
        end(process)


def run_killing(state: Path, work: threading.Thread, progress: Callable[[], int], chance: random.Random) -> int:
    """Run the agent while `work` goes on, killing it at a random moment after every few steps of `progress`.

    Returns:
        How often it was killed.
    """
    kills, process = 0, start_agent(state)
    work.start()
    while work.is_alive():
        begun, steps = progress(), chance.randint(1, 4)
        while work.is_alive() and progress() < begun + steps:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.1)
        if work.is_alive():
            process.kill()
            process.wait()
            process = start_agent(state)
            kills += 1
    end(process)
    return kills


def eventually(holds: Callable[[], Any], wait_s: float = 120) -> None:
    """Wait until something holds."""
    limit = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < limit, "it did not come to hold in time"
        time.sleep(0.02)
