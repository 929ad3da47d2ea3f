"""The demo's programs as child processes: started, watched, started again when they die, stopped at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.errors import Unavailable

CHECKOUT = Path(__file__).resolve().parents[2]
WATCH_SECONDS = 0.3
STOP_SECONDS = 10


class Program:
    """One child process with its log file. While it is wanted, a watcher starts it again whenever it dies."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name, self.log = name, log
        self._command = [sys.executable, "-P", "-m", *command]
        self._env = os.environ | {"PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1"} | dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = threading.Event()
        self.restarts = 0

    def start(self) -> None:
        self._wanted.set()
        self._spawn()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        self._wanted.clear()
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def again_with(self, command: Sequence[str]) -> None:
        """From now on, start it again with another command (a port that is known by now)."""
        self._command = [sys.executable, "-P", "-m", *command]

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def first_line(self, seconds: float) -> str:
        """The first whole line the program printed.

        Raises:
            Unavailable: it printed none in time; says where its log is.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            printed = self.log.read_text(errors="replace") if self.log.exists() else ""
            if "\n" in printed:
                return printed.split("\n", 1)[0]
            time.sleep(0.02)
        raise Unavailable("program_silent", f"{self.name} did not start; see {self.log.with_suffix('.err')}")

    def _spawn(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log, self.log.with_suffix(".err").open("ab") as errors:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=errors, env=self._env, cwd=CHECKOUT)  # noqa: S603

    def _watch(self) -> None:
        while self._wanted.is_set():
            time.sleep(WATCH_SECONDS)
            if self._wanted.is_set() and self._process is not None and self._process.poll() is not None:
                self.restarts += 1
                self._spawn()


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Look until it is so.

    Raises:
        Unavailable: it did not become so in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Unavailable("waited_in_vain", f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.05)
