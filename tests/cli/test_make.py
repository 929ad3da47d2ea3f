"""The Makefile: one vocabulary of commands, each explained, and set up in a moment when nothing changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed on this machine")


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # The tests may themselves be run by make, which leaves words for its children in the environment.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_help_lists_every_target_with_a_line() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    lines = {words[1]: words[2:] for line in make("help").stdout.splitlines() if (words := line.split())}
    assert set(lines) == set(phony.group(1).split())
    assert all(lines.values())
    assert {"setup", "demo", "test", "lint", "types", "openapi", "bench", "stop"} <= set(lines)


def test_a_python_that_is_too_old_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("Makefile", "constraints.txt", "cli/launcher.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    old = tmp_path / "python2"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make("setup", f"PYTHON={old}", cwd=tmp_path)
    assert done.returncode != 0
    assert done.stdout.startswith("Busbar needs Python 3.11 or newer")


def test_continuous_integration_runs_make_test() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert script.startswith("#!/usr/bin/env bash")
    assert re.search(r"^make test", script, re.MULTILINE)
