"""The spool keeps what totals depend on, whatever happens to it."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.readings import Evidence, Reading
from agents.spool import Health, Rank, Spool

START = datetime(2026, 1, 31, 20, tzinfo=UTC)


def reading(minutes: int, value: str, serial: str = "ZA", register: str = "active_energy", point: str = "p") -> Reading:
    return Reading(point, register, "kWh", START + timedelta(minutes=minutes), value, Evidence(serial=serial))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.sqlite")
    yield opened
    opened.close()


def kept(spool: Spool) -> list[tuple[str, str]]:
    return [(item.body["at"], item.body["value"]) for item in spool.batch(100_000)]


def consumption(values: list[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """What a server would make of registers: per serial, last less first over its own readings, in order."""
    total: dict[str, Decimal] = {}
    for (serial, before), (next_serial, after) in pairwise(values):
        if serial == next_serial and after >= before:
            total[serial] = total.get(serial, Decimal(0)) + after - before
    return total


def test_a_reading_is_forgotten_only_after_the_server_has_it(spool: Spool) -> None:
    spool.put([reading(0, "1"), reading(5, "2")])
    batch = spool.batch(10)
    assert spool.depth() == 2
    spool.settle(batch[:1])
    assert kept(spool) == [("2026-01-31T20:05:00Z", "2")]


def test_what_was_put_survives_the_killing_of_the_process(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from agents.readings import Reading; from agents.spool import Spool\n"
        "s = Spool(Path(sys.argv[1]))\n"
        "s.put([Reading('p', 'active_energy', 'kWh', datetime(2026, 1, 1, tzinfo=UTC), '1')])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    file = tmp_path / "spool.sqlite"
    killed = subprocess.run([sys.executable, "-c", program, str(file)], check=False)
    assert killed.returncode < 0
    spool = Spool(file)
    assert spool.depth() == 1
    spool.close()


def test_only_its_user_may_read_the_spool(tmp_path: Path) -> None:
    Spool(tmp_path / "spool.sqlite").close()
    assert stat.S_IMODE((tmp_path / "spool.sqlite").stat().st_mode) == 0o600


def test_the_first_of_two_readings_of_one_second_stands(spool: Spool) -> None:
    spool.put([reading(0, "1"), reading(0, "1.1")])
    assert kept(spool) == [("2026-01-31T20:00:00Z", "1")]


def test_boundaries_are_sent_first_and_the_newest_of_them_first(spool: Spool) -> None:
    spool.put([reading(minutes, str(minutes)) for minutes in (1, 2, 3)])
    spool.put([reading(60, "60")], Rank.HOUR)
    spool.put([reading(120, "120")], Rank.HOUR)
    # The very first reading of a register is an edge, too.
    assert [value for _, value in kept(spool)] == ["1", "2", "3", "60", "120"]
    assert [item.body["value"] for item in spool.batch(2)] == ["60", "120"]
    assert [item.body["value"] for item in spool.batch(3)] == ["1", "60", "120"]


def test_a_refused_reading_is_parked_with_its_reason(spool: Spool) -> None:
    spool.put([reading(0, "1"), reading(5, "2")])
    batch = spool.batch(10)
    spool.settle(batch, [(batch[1], "reading_conflict", "another value is known")])
    assert spool.depth() == 0
    assert [(body["value"], code) for body, code, _ in spool.parked()] == [("2", "reading_conflict")]


def test_thinning_drops_detail_and_keeps_every_boundary(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s", bytes_max=6_000)
    for minutes in range(0, 600, 5):
        spool.put([reading(minutes, str(minutes))], Rank.HOUR if minutes % 60 == 0 else Rank.DETAIL)
    left = {at for at, _ in kept(spool)}
    assert {f"2026-01-31T{hour}:00:00Z" for hour in range(20, 24)} <= left
    assert spool.depth() < 120
    spool.close()


def test_thinning_hours_keeps_midnights(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s", bytes_max=3_000)
    for hour in range(100):
        spool.put([reading(hour * 60, str(hour))], Rank.DAY if hour % 24 == 4 else Rank.HOUR)
    left = {at for at, _ in kept(spool)}
    assert {"2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", "2026-02-03T00:00:00Z"} <= left
    assert spool.depth() < 30
    spool.close()


@settings(
    max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(
    steps=st.lists(st.integers(0, 50), min_size=60, max_size=150),
    swaps=st.sets(st.integers(1, 149), max_size=3),
    falls=st.sets(st.integers(1, 149), max_size=2),
)
def test_thinning_changes_no_total(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], swaps: set[int], falls: set[int]
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool") / "s", bytes_max=4_000)
    register, serial, everything = Decimal(1000), 0, []
    for index, step in enumerate(steps):
        register = Decimal(step) / 10 if index in falls else register + Decimal(step) / 10
        serial += index in swaps
        everything.append((str(serial), register))
        spool.put([reading(index * 5, str(register), str(serial))])
    thinned = [(item.body["evidence"]["serial"], Decimal(item.body["value"])) for item in spool.batch(10_000)]
    assert len(thinned) < len(everything)
    assert consumption(thinned) == consumption(everything)
    spool.close()


def test_a_full_disk_keeps_nothing_by_halves(spool: Spool) -> None:
    spool.put([reading(0, "1")])
    pages = spool._db.execute("PRAGMA page_count").fetchone()[0]
    spool._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError):
        spool.put([reading(minutes, str(minutes)) for minutes in range(5, 2_000)])
    assert spool.depth() == 1
    spool._db.execute("PRAGMA max_page_count = 100000")
    spool.put([reading(5, "2")])
    assert spool.depth() == 2


def test_the_state_of_devices_is_remembered(spool: Spool) -> None:
    spool.note_devices([Health("a", "2026-01-01T00:00:00Z", None, 0, 12), Health("b", None, "no answer", 4)])
    assert [(h.name, h.failures) for h in spool.devices()] == [("a", 0), ("b", 4)]
