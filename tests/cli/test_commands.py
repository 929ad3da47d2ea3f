"""The command on the terminal: help with examples, one clear line for what is wrong, exit codes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from cli.main import main, parser
from runtime.house import House

ROOT = Path(__file__).resolve().parents[2]


def busbar(
    *arguments: str, env: Mapping[str, str] | None = None, seconds: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run the command as a program of its own, with no setting but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BUSBAR_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", *arguments],
        cwd=ROOT,
        env={**clean, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def commands(root: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group of commands that there is."""
    yield path
    for action in root._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from commands(sub, (*path, name))


@pytest.mark.parametrize("path", list(commands(parser())), ids=" ".join)
def test_every_command_explains_itself_with_an_example(path: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*path, "--help"])
    assert ended.value.code == 0
    assert "Example: " in " ".join(capsys.readouterr().out.split())


def test_the_issue_s_commands_are_there() -> None:
    found = {" ".join(path) for path in commands(parser())}
    wanted = "demo|serve|worker|stop|migrate|provider create|apikey create|openapi|doctor|secrets rotate"
    assert set(wanted.split("|")) <= found


def test_help_needs_no_database_driver() -> None:
    code = "import sys; from cli.main import parser; parser().format_help(); print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("arguments", "env", "word"),
    [
        (["serve"], {"BUSBAR_DATABSE_URL": "x"}, "BUSBAR_DATABSE_URL"),
        (["serve"], {"BUSBAR_DATABASE_URL": "mysql://x"}, "BUSBAR_DATABASE_URL"),
        (["serve"], {"BUSBAR_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "PostgreSQL cannot be reached"),
        (["worker"], {"BUSBAR_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "PostgreSQL cannot be reached"),
        (["migrate"], {"BUSBAR_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "PostgreSQL cannot be reached"),
        (["serve"], {"BUSBAR_QUEUE_URL": "amqp://x"}, "BUSBAR_QUEUE_URL"),
        (["serve"], {"BUSBAR_LOG_LEVEL": "loud"}, "BUSBAR_LOG_LEVEL"),
        (["serve"], {"BUSBAR_DB_POOL": "many"}, "BUSBAR_DB_POOL"),
        (["serve"], {"BUSBAR_PRIVATE_WEBHOOKS": "perhaps"}, "BUSBAR_PRIVATE_WEBHOOKS"),
        (["serve"], {"BUSBAR_DATA_DIR": "/proc/nowhere"}, "BUSBAR_DATA_DIR"),
        (["provider", "create", "X"], {"BUSBAR_DATA_DIR": "/dev/null/var"}, "BUSBAR_DATA_DIR"),
        (["doctor"], {"BUSBAR_SURPRISE": "1"}, "BUSBAR_SURPRISE"),
        (["serve", "--port", "70000"], {}, "port"),
        (["serve", "--port", "http"], {}, "port"),
        (["serve", "--workers", "0"], {}, "above zero"),
        (["serve", "--host", "no.such.host.invalid", "--port", "0"], {}, "no.such.host.invalid"),
        (["frobnicate"], {}, "frobnicate"),
        ([], {}, "COMMAND"),
        (["provider"], {}, "COMMAND"),
        (["provider", "create"], {}, "name"),
        (["provider", "create", " "], {}, "name"),
        (["provider", "create", "X", "--currency", "euro"], {}, "--currency"),
        (["provider", "create", "X", "--country", "nl"], {}, "--country"),
        (["provider", "create", "X", "--time-zone", "Mars/Olympus"], {}, "--time-zone"),
        (["apikey", "create", "--provider", "acme"], {}, "--provider"),
        (["apikey", "create", "--provider", "prov_01h455vb4pex5vsknk084sn02q", "--scope", "all"], {}, "scope"),
    ],
)
def test_what_is_configured_or_used_wrongly_is_one_clear_line_and_exit_2(
    arguments: list[str], env: dict[str, str], word: str, tmp_path: Path
) -> None:
    done = busbar(*arguments, env={"BUSBAR_DATA_DIR": str(tmp_path / "unused"), **env})
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert word in done.stderr
    assert done.stdout == ""
    assert len([line for line in done.stderr.splitlines() if line.startswith("busbar: ")]) <= 1


@pytest.fixture
def env(environment: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    """This worker's own migrated database, and a data directory that nothing needs to be started in."""
    return {**environment, "BUSBAR_DATA_DIR": str(tmp_path), "BUSBAR_QUEUE_URL": "redis://127.0.0.1:1/0"}


def test_a_database_without_tables_is_told_to_be_migrated(env: dict[str, str], house: House) -> None:
    empty = env["BUSBAR_DATABASE_URL"].replace(house.engine.url.database or "", "postgres")
    done = busbar("provider", "create", "X", env={**env, "BUSBAR_DATABASE_URL": empty})
    assert (done.returncode, "busbar migrate" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_a_new_provider_has_what_it_needs_and_its_key_works(env: dict[str, str], house: House) -> None:
    done = busbar("provider", "create", "Acme DC", "--sandbox", "--json", env=env)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["provider_id"].startswith("prov_")
    assert made["api_key"].startswith("bb_test_")
    again = busbar("apikey", "create", "--provider", made["provider_id"], "--scope", "invoices:read", "--json", env=env)
    assert json.loads(again.stdout)["api_key"].startswith("bb_test_")
    with house.engine.connect() as connection:
        stored = connection.execute(
            text("SELECT string_agg(encode(hash, 'escape') || hint, ' ') FROM api_key")
        ).scalar()
    assert made["api_key"] not in str(stored)


def test_an_unknown_provider_is_refused_without_a_traceback(env: dict[str, str]) -> None:
    done = busbar("apikey", "create", "--provider", "prov_01h455vb4pex5vsknk084sn02q", env=env)
    assert (done.returncode, "There is no provider" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_the_doctor_says_what_to_do_about_each_finding(env: dict[str, str]) -> None:
    done = busbar("doctor", "--json", env=env)
    findings = json.loads(done.stdout)
    by_subject = {finding["subject"]: finding for finding in findings}
    assert done.returncode == 1
    assert by_subject["queue"]["state"] == "bad"
    assert by_subject["migrations"]["state"] == "good"
    assert by_subject["roles"]["state"] == "good"
    assert by_subject["schedule"]["state"] == "warning"
    assert all(finding["advice"] for finding in findings if finding["state"] != "good")


def test_stored_secrets_are_written_anew_with_the_first_key(env: dict[str, str], house: House) -> None:
    made = busbar("provider", "create", "Rotating", "--sandbox", env=env)
    assert made.returncode == 0, made.stderr
    newer = "k2:" + "bmV3IGtleSBuZXcga2V5IG5ldyBrZXkgbmV3IGtleSE=" + "," + env["BUSBAR_SECRET_KEYS"]
    done = busbar("secrets", "rotate", env={**env, "BUSBAR_SECRET_KEYS": newer})
    assert done.returncode == 0, done.stderr
    with house.engine.connect() as connection:
        keys = connection.execute(text("SELECT DISTINCT substring(credentials from 1 for 2) FROM gateway_account"))
        assert {bytes(key) for (key,) in keys} == {b"k2"}
    again = busbar("secrets", "rotate", env={**env, "BUSBAR_SECRET_KEYS": newer})
    assert again.stdout.startswith("0 secrets")
    assert busbar("secrets", "rotate", env=env).returncode == 2
    back = ",".join(reversed(newer.split(",")))
    assert busbar("secrets", "rotate", env={**env, "BUSBAR_SECRET_KEYS": back}).returncode == 0


def test_stop_with_nothing_running_says_so(tmp_path: Path) -> None:
    done = busbar("stop", env={"BUSBAR_DATA_DIR": str(tmp_path)})
    assert (done.returncode, done.stdout.startswith("Nothing was running")) == (0, True)
