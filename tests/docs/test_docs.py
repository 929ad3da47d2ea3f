"""Documentation that a machine can check is checked."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from events.catalogue import catalogue
from runtime.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
SETTINGS_PAGE = ROOT / "docs/settings.md"


def settings_table() -> str:
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for member in fields(Settings):
        default = "" if member.default is None else f"`{member.default}`"
        rows.append(f"| `{PREFIX}{member.name.upper()}` | {default} | {member.metadata['meaning']} |")
    return "\n".join(rows)


def test_the_settings_page_is_the_table_of_settings() -> None:
    assert settings_table() in SETTINGS_PAGE.read_text(), f"put this into docs/settings.md:\n{settings_table()}"


def test_the_events_page_has_the_catalogue() -> None:
    rows = [f"| `{e.type}` | {e.kind.replace('_', ' ')} | {e.meaning} |" for e in catalogue().values()]
    assert "\n".join(rows) in (ROOT / "docs/events.md").read_text(), "put this into docs/events.md:\n" + "\n".join(rows)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    targets = [t for t in LINK.findall(page.read_text()) if "://" not in t and not t.startswith("mailto:")]
    assert [t for t in targets if not (page.parent / t).exists()] == []


def commands(page: Path) -> list[str]:
    """The lines of a page's shell examples."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("#")[0].strip().removeprefix("$ ") for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_make_target_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {match for line in commands(page) for match in re.findall(r"^make ([a-z]+)", line)}
    assert named <= targets


def test_every_busbar_command_a_page_names_exists() -> None:
    named = {
        tuple(word for word in words[:2] if re.fullmatch(r"[a-z]+", word))
        for page in PAGES
        for line in commands(page)
        if (match := re.search(r"(?:^|/)busbar ((?:[a-z]+ ?)+)", line))
        for words in [match[1].split()]
    }
    assert named
    for command in sorted(named):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli", *command, "--help"],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        assert "xample" in done.stdout, f"busbar {' '.join(command)} --help shows no example"
