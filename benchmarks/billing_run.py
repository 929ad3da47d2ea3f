"""The billing run: contracts with usage become final invoices, by two workers, as jobs do it.

Every contract is billed once for the first month's advance charges, then the next month is measured: three recurring
charges and two of usage each. What was billed is compared with what the fixtures come to.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg

from benchmarks import contracts, floor
from benchmarks.contracts import Size
from benchmarks.floor import Floor

CHECKOUT = Path(__file__).resolve().parent.parent
WORKERS = 2
READY_SECONDS = 120


def run(size: Size, keep: Path | None = None) -> None:
    """Fill, bill, check, copy, and print, on an embedded PostgreSQL of its own.

    Args:
        keep: a directory for the data, kept afterwards.
    """
    directory = keep or Path(tempfile.mkdtemp(prefix="bench"))
    os.environ["BUSBAR_DATA_DIR"] = str(directory)
    try:
        measure(directory, size)
    finally:
        subprocess.run([sys.executable, "-m", "cli", "stop"], cwd=CHECKOUT, capture_output=True, check=False)
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)


def measure(directory: Path, size: Size) -> None:
    """The figures of one size, printed."""
    url, provider_id = opened(directory)
    begun = time.perf_counter()
    contracts.fill(url, provider_id, size)
    took = time.perf_counter() - begun
    print(f"{size.payers:,} payers, {size.subscriptions:,} subscriptions: filled in {took:.0f} s", flush=True)
    postmaster = int((directory / "postgres" / "postmaster.pid").read_text().split()[0])
    bill(url, postmaster, provider_id, contracts.FIRST_BILL)
    database = processor_seconds(postmaster)
    took = contracts.sum_days(url, provider_id, contracts.SECOND_BILL)
    database = processor_seconds(postmaster) - database
    print(f"{took:8.1f} s   to sum up the month's days before, {database:.1f} s of it processor time of the database")
    contracts.settle(url)
    figures = bill(url, postmaster, provider_id, contracts.SECOND_BILL)
    run_id = _last_run(url, provider_id)
    if wrong := contracts.wrong(url, provider_id, run_id, size):
        raise RuntimeError(f"{wrong} payers or subscriptions were not billed as they must be")
    with tempfile.TemporaryDirectory(dir=directory) as place:
        copied = floor.copy(url, provider_id, run_id, Path(place))
    show(size, figures, copied)


def opened(directory: Path) -> tuple[str, UUID]:
    """The URL of the embedded PostgreSQL of a directory, and a sandbox's provider that has nothing yet."""
    from core.ids import decode
    from embedded import postgres

    command = "provider create bench --sandbox --country NL --currency EUR --json --time-zone"
    arguments = [sys.executable, "-m", "cli", *command.split(), contracts.ZONE]
    made = subprocess.run(arguments, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return postgres.ensure(directory), decode("provider", json.loads(made.stdout)["provider_id"])


def show(size: Size, figures: Figures, copied: Floor) -> None:
    """What it came to."""
    lines = size.subscriptions * len(contracts.PRICES)
    each = 1000 / size.subscriptions
    print(
        f"{figures.seconds:8.1f} s   {size.payers / figures.seconds:,.1f} invoices/s and"
        f" {lines / figures.seconds:,.0f} lines/s by {WORKERS} workers\n"
        f"{copied.seconds:8.1f} s   COPY of the same {copied.rows:,} rows by one connection; the run takes"
        f" {figures.seconds / copied.seconds:.1f} times that\n"
        f"{1000 * figures.statements / size.payers:8.0f}     queries per 1,000 invoices\n"
        f"{figures.memory_mb:8.0f} MB  most memory of a worker\n"
        f"  processor time per subscription: workers {each * figures.worker_seconds:.2f} ms,"
        f" database {each * figures.database_seconds:.2f} ms",
        flush=True,
    )


def _last_run(url: str, provider_id: UUID) -> UUID:
    query = "SELECT id FROM billing_run WHERE provider_id = %s AND status = 'done' ORDER BY as_of DESC LIMIT 1"
    with psycopg.connect(url) as connection:
        row = connection.execute(query, (provider_id,)).fetchone()
    assert row is not None
    run_id: UUID = row[0]
    return run_id


@dataclass(frozen=True)
class Spent:
    """What one worker needed: statements sent, processor time, the most memory it ever had."""

    statements: int
    seconds: float
    memory_mb: float


@dataclass(frozen=True)
class Figures:
    """What a run came to. `database_seconds` is processor time of PostgreSQL, `worker_seconds` of all workers."""

    seconds: float
    statements: int
    worker_seconds: float
    database_seconds: float
    memory_mb: float


def bill(url: str, postmaster: int, provider_id: UUID, now: datetime) -> Figures:
    """Set the sandbox's clock and have two worker processes do what is due: the run from its making to its end."""
    contracts.set_clock(url, provider_id, now)
    context = multiprocessing.get_context("spawn")
    started, results = context.Barrier(WORKERS + 1), context.Queue()
    workers = [context.Process(target=_work, args=(provider_id, n, started, results)) for n in range(WORKERS)]
    for worker in workers:
        worker.start()
    started.wait(READY_SECONDS)
    database, begun = processor_seconds(postmaster), time.perf_counter()
    started.wait(READY_SECONDS)
    spent = _gathered(results, workers)
    seconds = time.perf_counter() - begun
    database = processor_seconds(postmaster) - database
    for worker in workers:
        worker.join()
    return Figures(
        seconds,
        sum(s.statements for s in spent),
        sum(s.seconds for s in spent),
        database,
        max(s.memory_mb for s in spent),
    )


def _gathered(results: Any, workers: Sequence[Any]) -> list[Spent]:
    """What each worker needed; one that died is told of, not waited for."""
    spent: list[Spent] = []
    while len(spent) < len(workers):
        try:
            spent.append(results.get(timeout=1))
        except queue.Empty:
            if any(worker.exitcode for worker in workers):
                raise RuntimeError("a worker died; its error is above") from None
    return spent


def _work(provider_id: UUID, number: int, started: Any, results: Any) -> None:
    """One worker process: the first makes the run, then both bill it, each as the queue's jobs would have it."""
    from sqlalchemy import event

    from jobs import due
    from jobs.work import do
    from runtime import garbage
    from runtime.house import house

    garbage.collect_rarely()
    counted = [0]

    def count(*call: Any) -> None:
        counted[0] += len(call[3]) if call[5] else 1

    event.listen(house().engine, "before_cursor_execute", count)
    with house().engine.connect():
        pass
    started.wait()
    before = time.process_time()
    started.wait()
    if number == 0:
        do(due.KINDS["billing_due"], provider_id, 3600)
    deadline = time.monotonic() + 5
    while not do_runs(provider_id) and time.monotonic() < deadline:
        time.sleep(0.01)
    seconds = time.process_time() - before
    results.put(Spent(counted[0], seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def do_runs(provider_id: UUID) -> bool:
    """Bill until nothing is due; whether there was anything."""
    from jobs import due
    from jobs.finding import due_now
    from jobs.work import do
    from runtime.unit import dispatch

    kind = due.KINDS["billing_runs"]
    with dispatch() as session:
        found = bool(due_now(session, kind, provider_id, 1))
    if found:
        do(kind, provider_id, 3600)
    return found


def processor_seconds(postmaster: int) -> float:
    """Of the server and its children so far; those that ended count with their parent."""
    total = 0.0
    for process in (parent := psutil.Process(postmaster), *parent.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
