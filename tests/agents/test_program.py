"""`busbar-agent` as a program: enrolment, live polling, a followed sandbox, and being killed in the middle of it."""

from __future__ import annotations

import random
import stat
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents.state import StateDirectory
from core.period import parse_instant, rfc3339
from standins.pdu.configuration import parse_pdu
from standins.pdu.device import state, true_energy_ws
from tests.agents.programs import agent, eventually, pdus, run_killing, running_agent
from tests.agents.receiver import Answer, Receiver, configuration, receiving, target

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
PDU_A = {
    "name": "pdu-a",
    "serial": "ZA1",
    "since": "2025-12-01T00:00:00Z",
    "register_kwh": "3400",
    "load": {"base_w": 1140, "noise_percent": 0, "seed": 7},
}
PDU_B = {"name": "pdu-b", "serial": "ZB1", "since": "2025-12-01T00:00:00Z", "load": {"base_w": 2300, "seed": 8}}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as serving:
        yield serving


@pytest.fixture
def enrolled(tmp_path: Path, receiver: Receiver) -> Path:
    """The state directory of an agent that is enrolled at the receiver."""
    directory = tmp_path / "state"
    done = agent("enrol", "--server", receiver.url, "--token", "good", "--state", str(directory))
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def sandbox(receiver: Receiver, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The receiver as a sandbox: its test clock over HTTP, and the arguments by which PDUs follow it."""
    receiver.now = JANUARY

    class Clock(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            assert receiver.now is not None
            content = f'{{"now": "{rfc3339(receiver.now)}", "status": "ready"}}'.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Clock)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    key = tmp_path / "key"
    key.write_text("bb_test_key\n")
    yield ("--clock-url", f"http://127.0.0.1:{server.server_address[1]}/v1/test-clock", "--token-file", str(key))
    server.shutdown()
    server.server_close()


def test_enrolment_keeps_its_secret_to_itself(enrolled: Path) -> None:
    file = enrolled / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(enrolled.stat().st_mode) == 0o700
    shown = agent("status", "--state", str(enrolled))
    assert shown.returncode == 0
    assert "agt_1" in shown.stdout
    assert "s3cret" not in shown.stdout + shown.stderr


def test_a_used_enrolment_token_gives_one_line(tmp_path: Path, receiver: Receiver) -> None:
    done = agent("enrol", "--server", receiver.url, "--token", "bad", "--state", str(tmp_path / "s"))
    assert (done.returncode, done.stderr) == (
        2,
        "busbar-agent: enrolment failed: 401: This enrolment token is used up.\n",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--state", "/nonexistent/busbar"),
        ("status", "--state", "/nonexistent/busbar"),
        ("enrol", "--server", "http://127.0.0.1:1", "--token", "x", "--state", "{tmp}"),
        ("enrol", "--server", "nonsense", "--token", "x", "--state", "{tmp}"),
        ("check", "127.0.0.1", "--port", "1"),
        ("check", "127.0.0.1", "--port", "99999"),
        ("check", "no.such.host.invalid"),
        ("check", "127.0.0.1", "--profile", "unknown"),
    ],
)
def test_what_is_missing_or_wrong_gives_one_line_and_exit_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = agent(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert done.returncode == 2
    assert done.stderr.startswith("busbar-agent: ")
    assert done.stderr.count("\n") == 1


def test_a_spool_that_is_none_gives_one_line(enrolled: Path) -> None:
    (enrolled / "spool.sqlite").write_text("this is no database, and long enough for everybody to see that it is none")
    for command in ("run", "status"):
        done = agent(command, "--state", str(enrolled))
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "spool.sqlite cannot be used" in done.stderr


@pytest.mark.parametrize("command", ["", "enrol", "run", "check", "status"])
def test_help_has_an_example(command: str) -> None:
    done = agent(*filter(None, [command, "--help"]))
    assert done.returncode == 0
    assert "example" in done.stdout
    assert f"busbar-agent {command}".strip() in done.stdout


def test_check_shows_what_it_would_read(tmp_path: Path) -> None:
    with pdus(tmp_path, {**PDU_A, "outlets": 2}, arguments=("--at", "2025-12-01T00:00:00Z")) as ports:
        done = agent("check", "127.0.0.1", "--port", str(ports["pdu-a"]))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "AP8959EU3" in lines[0]
    assert lines[2].split() == ["point", "register", "value", "unit", "serial", "counts", "since"]
    assert lines[3].split() == ["pdu-1", "active_energy", "3400", "kWh", "ZA1", "2025-12-01", "00:00:00"]
    assert [line.split()[:4] for line in lines if "outlet-2" in line] == [
        ["pdu-1/outlet-2", "active_energy", "1700", "kWh"],
        ["pdu-1/outlet-2", "active_power", "570", "W"],
    ]


def test_a_live_agent_polls_reports_and_shows_its_state(enrolled: Path, receiver: Receiver, tmp_path: Path) -> None:
    with pdus(tmp_path, PDU_A) as ports:
        dead = target(1, "rack-12/dead", interval_s=1)
        receiver.configuration = configuration([target(ports["pdu-a"], interval_s=1), dead])
        with running_agent(enrolled) as process:
            eventually(lambda: len(receiver.values("rack-12/pdu-a")) >= 7)  # the dead one has failed by then
            assert agent("run", "--state", str(enrolled)).returncode == 2  # one agent per directory
        assert process.returncode == 0
    ats = [parse_instant(at) for at in receiver.values("rack-12/pdu-a")]
    assert abs(ats[-1] - datetime.now(UTC)) < timedelta(minutes=15)
    shown = agent("status", "--state", str(enrolled)).stdout
    assert "rack-12/pdu-a: answers" in shown
    assert "rack-12/dead: failed" in shown
    assert "public" not in (enrolled / "agent.log").read_text()


def test_a_live_agent_keeps_polling_while_the_server_is_down(
    enrolled: Path, receiver: Receiver, tmp_path: Path
) -> None:
    with pdus(tmp_path, PDU_A) as ports:
        receiver.configuration = configuration([target(ports["pdu-a"], interval_s=1)])
        with running_agent(enrolled):
            eventually(lambda: receiver.values("rack-12/pdu-a"))
            down = threading.Event()
            receiver.before = lambda path: None if down.is_set() else (503, {}, {})
            time.sleep(4)
            before = set(receiver.values("rack-12/pdu-a"))
            down.set()
            eventually(lambda: len(receiver.values("rack-12/pdu-a")) >= len(before) + 4)


def test_a_changed_configuration_is_taken_up(enrolled: Path, receiver: Receiver, tmp_path: Path) -> None:
    receiver.now = JANUARY
    with pdus(tmp_path, PDU_A, PDU_B, arguments=("--at", "2026-01-01T00:00:00Z")) as ports:
        receiver.configuration = configuration([target(ports["pdu-a"], "a")])
        with running_agent(enrolled):
            receiver.wait_until_reached(JANUARY)
            receiver.configuration = configuration([target(ports["pdu-b"], "b")], version=2)
            receiver.walk(1)
    assert list(receiver.values("a")) == ["2026-01-01T00:00:00Z"]
    assert list(receiver.values("b")) == ["2026-01-01T01:00:00Z"]


def test_a_followed_sandbox_is_read_at_each_of_its_hours(
    enrolled: Path, receiver: Receiver, sandbox: tuple[str, ...], tmp_path: Path
) -> None:
    exchange = {"at": "2026-01-02T09:00:00Z", "kind": "exchange", "serial": "ZA2", "register_kwh": "12"}
    described = {**PDU_A, "events": [{**exchange, "outage_s": 2400}]}
    with pdus(tmp_path, described, PDU_B, arguments=sandbox) as ports:
        receiver.configuration = configuration([target(ports["pdu-a"], "a"), target(ports["pdu-b"], "b")])
        with running_agent(enrolled):
            receiver.walk(48)
    pdu, hours = parse_pdu(described), [JANUARY + timedelta(hours=n) for n in range(49)]
    answering = [hour for hour in hours if state(pdu, hour).answers]
    expected = {rfc3339(h): Decimal(state(pdu, h).register_ws // 360_000) / 10 for h in answering}
    assert {at: Decimal(value) for at, value in receiver.values("a").items()} == expected
    assert len(expected) == 48
    serials = [
        r["evidence"]["serial"] for (p, reg, _), r in sorted(receiver.readings.items()) if (p, reg[-1]) == ("a", "y")
    ]
    assert serials == ["ZA1"] * 33 + ["ZA2"] * 15
    assert len(receiver.values("b")) == 49


def test_an_agent_killed_again_and_again_loses_and_doubles_nothing(
    enrolled: Path, receiver: Receiver, sandbox: tuple[str, ...], tmp_path: Path
) -> None:
    """`kill -9` at random moments, while the server also fails after some of its commits."""
    chance = random.Random(7)
    receiver.after = lambda path: (500, {}, {}) if path.endswith("readings") and chance.random() < 0.2 else None
    with pdus(tmp_path, PDU_B, arguments=sandbox) as ports:
        receiver.configuration = configuration([target(ports["pdu-b"], "b")])
        walking = threading.Thread(target=receiver.walk, args=(24,))
        assert run_killing(enrolled, walking, lambda: len(receiver.values("b")), chance) > 0
    values = receiver.values("b")
    assert list(values) == [rfc3339(JANUARY + timedelta(hours=n)) for n in range(25)]
    assert receiver.conflicts == 0
    pdu = parse_pdu(PDU_B)
    true = true_energy_ws(pdu, JANUARY, JANUARY + timedelta(hours=24))
    first, *_, last = (Decimal(value) for value in values.values())
    assert abs((last - first) * 3_600_000 - true) < 360_000


def test_an_agent_without_its_server_starts_from_what_it_knew(
    enrolled: Path, receiver: Receiver, tmp_path: Path
) -> None:
    with pdus(tmp_path, PDU_A) as ports:
        receiver.configuration = configuration([target(ports["pdu-a"], interval_s=1)])
        with running_agent(enrolled):
            eventually(lambda: receiver.values("rack-12/pdu-a"))
        down = threading.Event()
        refusing: Answer = (503, {}, {})
        receiver.before = lambda path: None if down.is_set() else refusing
        known = len(receiver.values("rack-12/pdu-a"))
        with running_agent(enrolled):
            time.sleep(4)
            down.set()
            eventually(lambda: len(receiver.values("rack-12/pdu-a")) >= known + 3)
    assert StateDirectory(enrolled).configuration() is not None


def test_a_sandbox_that_is_set_back_is_read_anew(
    enrolled: Path, receiver: Receiver, sandbox: tuple[str, ...], tmp_path: Path
) -> None:
    receiver.now = datetime(2026, 2, 1, tzinfo=UTC)
    with pdus(tmp_path, PDU_A, arguments=sandbox) as ports:
        receiver.configuration = configuration([target(ports["pdu-a"], "a")])
        with running_agent(enrolled):
            receiver.wait_until_reached(receiver.now)
            receiver.now = JANUARY
            eventually(lambda: receiver.reached() == JANUARY)
            receiver.walk(2)
    assert list(receiver.values("a")) == [
        *(rfc3339(JANUARY + timedelta(hours=n)) for n in range(3)),
        "2026-02-01T00:00:00Z",
    ]


def test_what_was_read_while_time_went_on_belongs_to_no_instant(
    enrolled: Path, receiver: Receiver, sandbox: tuple[str, ...], tmp_path: Path
) -> None:
    """A clock that does not wait: registers must still be those of the instants that they are reported for."""
    with pdus(tmp_path, PDU_B, arguments=sandbox) as ports:
        receiver.configuration = configuration([target(ports["pdu-b"], "b")])
        with running_agent(enrolled):
            receiver.wait_until_reached(JANUARY)
            chance = random.Random(3)
            for _ in range(40):
                receiver.now += timedelta(hours=3)
                time.sleep(chance.uniform(0.005, 0.15))
            receiver.wait_until_reached(receiver.now)
    pdu = parse_pdu(PDU_B)
    values = receiver.values("b")
    assert {rfc3339(JANUARY), rfc3339(receiver.now)} <= set(values)
    for at, value in values.items():
        assert Decimal(value) == Decimal(state(pdu, parse_instant(at)).register_ws // 360_000) / 10
