"""The embedded servers, as somebody meets them who kills programs and starts them again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

import embedded
from core.errors import Misconfigured
from embedded import gateway, postgres, processes, valkey

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory straight below /tmp, since pytest closes its own directories to other users at each run."""
    directory = Path(tempfile.mkdtemp(prefix="busbar-test-"))
    yield directory
    embedded.stop_all(directory)
    shutil.rmtree(directory, ignore_errors=True)


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def queue_pid(url: str) -> int:
    return int(redis.Redis.from_url(url).info("server")["process_id"])


def kill(pid: int) -> None:
    """Kill a process, and wait until it is dead: a signal takes a moment to arrive."""
    os.kill(pid, signal.SIGKILL)
    assert processes.wait_until(lambda: processes.gone(pid, ""), 60)


def elsewhere(data_dir: Path, code: str) -> str:
    """Run Python in another process; returns what it printed."""
    program = (
        f"from pathlib import Path; from embedded import postgres, valkey; data_dir = Path({str(data_dir)!r}); {code}"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_postgresql_starts_on_demand_as_a_version_that_the_schema_may_use(data_dir: Path) -> None:
    with psycopg.connect(postgres.ensure(data_dir)) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version_num')::int >= 150000, current_setting('fsync'),"
            " current_setting('TimeZone'), lower('É')"
        ).fetchone()
    assert row == (True, "on", "UTC", "é")


def test_a_second_process_finds_the_servers_instead_of_starting_them_twice(data_dir: Path) -> None:
    first = (postgres.ensure(data_dir), valkey.ensure(data_dir))
    pids = (postmaster(data_dir), queue_pid(first[1]))
    other = elsewhere(data_dir, "print(postgres.ensure(data_dir), valkey.ensure(data_dir))")
    assert tuple(other.split()) == first
    assert (postmaster(data_dir), queue_pid(first[1])) == pids


def test_ten_at_once_start_one_server(data_dir: Path) -> None:
    urls: list[str] = []
    threads = [threading.Thread(target=lambda: urls.append(valkey.ensure(data_dir))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(urls) == 10
    assert len(processes.matching(str(data_dir / "run" / "valkey"))) == 1


def test_the_servers_outlive_the_process_that_started_them_even_when_it_is_killed(data_dir: Path) -> None:
    code = "print(postgres.ensure(data_dir), valkey.ensure(data_dir), flush=True); import os; os.kill(os.getpid(), 9)"
    program = (
        f"from pathlib import Path; from embedded import postgres, valkey; data_dir = Path({str(data_dir)!r}); {code}"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    database, queue = done.stdout.split()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert redis.Redis.from_url(queue).ping()
    assert postgres.ensure(data_dir) == database


def test_a_killed_postgresql_comes_back_with_what_was_committed(data_dir: Path) -> None:
    url = postgres.ensure(data_dir)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (42)")
        kill(postmaster(data_dir))
        assert postgres.ensure(data_dir) == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)


def test_a_backend_that_outlives_a_killed_postgresql_does_not_keep_it_from_starting(data_dir: Path) -> None:
    url = postgres.ensure(data_dir)
    busy = subprocess.Popen(
        [sys.executable, "-c", f"import psycopg; psycopg.connect({url!r}).execute('SELECT pg_sleep(60)')"],
        stderr=subprocess.DEVNULL,
    )
    try:
        with psycopg.connect(url) as connection:
            while not connection.execute("SELECT FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'").fetchall():
                connection.rollback()
                time.sleep(0.05)
        kill(postmaster(data_dir))
        postgres.ensure(data_dir)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        busy.kill()
        busy.wait()


def test_a_pid_file_that_names_another_living_program_does_not_keep_postgresql_from_starting(data_dir: Path) -> None:
    url = postgres.ensure(data_dir)
    lock = data_dir / "postgres" / "postmaster.pid"
    text = lock.read_text()
    postgres.stop(data_dir)
    lock.write_text(text.replace(text.splitlines()[0], str(os.getpid()), 1))
    assert not postgres.running(data_dir)
    assert postgres.ensure(data_dir) == url
    assert postgres.running(data_dir)


def test_a_killed_queue_server_comes_back_with_its_jobs(data_dir: Path) -> None:
    url = valkey.ensure(data_dir)
    redis.Redis.from_url(url).set("job", "waiting")
    kept = list((data_dir / "valkey" / "appendonlydir").glob("*.incr.aof"))
    assert processes.wait_until(lambda: any(b"waiting" in file.read_bytes() for file in kept), 60)
    kill(queue_pid(url))
    assert valkey.ensure(data_dir) == url
    assert redis.Redis.from_url(url).get("job") == b"waiting"


def test_a_broken_append_only_file_is_put_aside_and_the_queue_starts_empty(data_dir: Path) -> None:
    url = valkey.ensure(data_dir)
    redis.Redis.from_url(url).set("job", "waiting")
    valkey.stop(data_dir)
    for file in (data_dir / "valkey" / "appendonlydir").glob("*.aof"):
        file.write_bytes(b"\x00broken\x00" * 50)
    assert valkey.ensure(data_dir) == url
    assert redis.Redis.from_url(url).get("job") is None
    assert list((data_dir / "valkey").glob("appendonlydir.unreadable-*"))


def test_the_sandbox_gateway_keeps_its_address_and_its_state_when_it_is_killed(data_dir: Path) -> None:
    url = gateway.ensure(data_dir)
    httpx.post(f"{url}/_control/base_url", json={"base_url": "http://127.0.0.1:9"}).raise_for_status()
    (pid,) = processes.matching(str(data_dir / "gateway" / "state.sqlite"))
    kill(pid)
    assert gateway.ensure(data_dir) == url
    assert httpx.get(f"{url}/_control/base_url").json() == {"base_url": "http://127.0.0.1:9"}
    assert embedded.stop_all(data_dir) == ["gateway"]


def test_a_gateway_that_is_killed_at_once_after_another_kill_keeps_its_address_all_the_same(data_dir: Path) -> None:
    url = gateway.ensure(data_dir)
    for _ in range(3):
        (pid,) = processes.matching(str(data_dir / "gateway" / "state.sqlite"))
        os.kill(pid, signal.SIGKILL)
        while processes.process(pid, "") is not None:
            time.sleep(0.001)
        assert gateway.ensure(data_dir) == url


def test_a_process_of_which_a_thread_still_runs_is_not_gone(tmp_path: Path) -> None:
    """Its first thread has ended, as in a killed process of which other threads still hold sockets and files."""
    code = "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(600,)).start()"
    code += "; print(flush=True); ctypes.CDLL(None).pthread_exit(None)"
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert program.stdout
        program.stdout.readline()
        assert processes.wait_until(lambda: processes.process(program.pid, "") is None, 60)
        assert not processes.gone(program.pid, "pthread_exit")
    finally:
        program.kill()
        program.wait()
    assert processes.gone(program.pid, "pthread_exit")


def test_a_queue_server_of_another_directory_is_not_taken_for_ours(data_dir: Path) -> None:
    other = data_dir / "other"
    pid = queue_pid(valkey.ensure(other))
    try:
        (data_dir / "valkey").mkdir()
        (data_dir / "valkey" / "valkey.pid").write_text(str(pid))  # pids are used again
        assert queue_pid(valkey.ensure(data_dir)) != pid
        assert queue_pid(valkey.ensure(other)) == pid
    finally:
        embedded.stop_all(other)


def test_the_sandbox_gateway_listens_where_no_outgoing_connection_can_take_its_port(data_dir: Path) -> None:
    assert int(gateway.ensure(data_dir).rpartition(":")[2]) < 32_768  # where Linux begins to lend; others begin later


def test_stop_ends_what_runs_and_a_second_stop_finds_nothing(data_dir: Path) -> None:
    postgres.ensure(data_dir)
    url = valkey.ensure(data_dir)
    pids = (postmaster(data_dir), queue_pid(url))
    assert embedded.stop_all(data_dir) == ["valkey", "postgres"]
    assert processes.wait_until(lambda: not any(processes.process(pid, str(data_dir)) for pid in pids), 60)
    assert embedded.stop_all(data_dir) == []
    assert postgres.ensure(data_dir)


def test_a_data_directory_deeper_than_a_socket_address_works_all_the_same(data_dir: Path) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)
    try:
        with psycopg.connect(postgres.ensure(deep)) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert redis.Redis.from_url(valkey.ensure(deep)).ping()
    finally:
        assert embedded.stop_all(deep) == ["valkey", "postgres"]
        for name in ("pg", "valkey"):
            shutil.rmtree(processes.socket_directory(deep, name))


def test_a_cluster_killed_while_it_was_made_is_made_anew(data_dir: Path) -> None:
    half = data_dir / "postgres.half"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    assert postgres.ensure(data_dir)
    assert not half.exists()


def test_a_cluster_for_tests_does_not_wait_for_the_disk(data_dir: Path) -> None:
    with psycopg.connect(postgres.ensure(data_dir, durable=False)) as connection:
        assert connection.execute("SELECT current_setting('fsync')").fetchone() == ("off",)


def test_a_data_directory_that_cannot_be_written_is_one_clear_sentence(data_dir: Path) -> None:
    file = data_dir / "file"
    file.touch()
    with pytest.raises(Misconfigured, match="BUSBAR_DATA_DIR"):
        postgres.ensure(file / "var")
    with pytest.raises(Misconfigured, match="BUSBAR_DATA_DIR"):
        valkey.ensure(file / "var")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it below a directory that others may not enter")
def test_root_may_keep_its_data_where_other_users_may_not_look(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    with psycopg.connect(postgres.ensure(closed / "var")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not closed.stat().st_mode & 0o044  # passing is open, looking is not
    embedded.stop_all(closed / "var")
