"""`make bench`: the ingest path over HTTP and the billing run, beside PostgreSQL's raw COPY of the same rows."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks import billing_run, copying, load, processors, server, what_if
from benchmarks.contracts import Size
from benchmarks.load import Outcome
from benchmarks.server import Server

KINDS = ("events", "readings")
BILLING, WHAT_IF = "billing", "what-if"
SIZES = (1, 100, 1000)


def main() -> int:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="how long each part lasts (default 8)")
    parser.add_argument("--only", choices=(*KINDS, BILLING, WHAT_IF), help="only one of these")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="rows a request (default 1 100 1000)")
    parser.add_argument("--payers", type=int, default=10_000, help="who is billed, a subscription each (default 10000)")
    parser.add_argument("--one-payer", type=int, default=10_000, help="subscriptions of one payer (default 10000)")
    parser.add_argument("--customers", type=int, default=1_000, help="on whom prices are tried (default 1000)")
    parser.add_argument("--keep", type=Path, help="a directory for the server's data, kept afterwards")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; fsync on", flush=True)
    if args.only in (None, *KINDS):
        ingest(args)
    if args.only in (None, BILLING):
        for size in (Size(args.payers), Size(1, args.one_payer)):
            if size.subscriptions:
                billing_run.run(size)
    if args.only in (None, WHAT_IF):
        what_if.run(args.customers)
    return 0


def ingest(args: argparse.Namespace) -> None:
    """Events and readings, on a server of their own."""
    directory = args.keep or Path(tempfile.mkdtemp(prefix="bench"))
    try:
        with server.started(directory) as running:
            measure(running, args)
    finally:
        if args.keep is None:
            shutil.rmtree(directory, ignore_errors=True)


def measure(running: Server, args: argparse.Namespace) -> None:
    """All parts, one line each."""
    for kind in KINDS if args.only is None else (args.only,):
        for size in args.sizes:
            connections = 16 if size == 1 else 2
            with processors.spent(running) as seconds:
                outcome = load.run(running, kind, size, connections=connections, seconds=args.seconds)
            show(f"{kind}, {size} a request, {connections} connections", outcome, seconds)
            if kind == "events" and size == max(args.sizes):
                beside(running, size, outcome, args.seconds)
    print(json.dumps(server.settings_of(running)), file=sys.stderr)


def beside(running: Server, size: int, together: Outcome, seconds: float) -> None:
    """The same events from clients that each have subscriptions of their own, and by COPY; both ratios to that."""
    with processors.spent(running) as spent:
        apart = load.run(running, "events", size, connections=2, seconds=seconds, apart=True)
    show(f"events, {size} a request, subscriptions apart", apart, spent)
    with processors.spent(running) as spent:
        copied = copying.run(running, size, connections=2, seconds=seconds)
    show(f"raw COPY of events, {size} a commit, 2 connections", copied, spent)
    ratios = (each.rows_per_second / copied.rows_per_second for each in (together, apart))
    print("  ratio to COPY: {:.2f}; subscriptions apart: {:.2f}".format(*ratios))


def show(what: str, outcome: Outcome, seconds: Mapping[str, float]) -> None:
    """A line of figures, and one of processor time a row."""
    print(
        f"{what:48} {outcome.rows_per_second:9,.0f} rows/s {outcome.requests_per_second:8,.0f} requests/s"
        f"   p50 {outcome.percentile(50):6.1f} ms  p99 {outcome.percentile(99):6.1f} ms",
        flush=True,
    )
    a_row = {name: 1e6 * spent / outcome.rows for name, spent in {**seconds, "client": outcome.client_seconds}.items()}
    print("  processor time a row: " + ", ".join(f"{name} {spent:.1f} µs" for name, spent in a_row.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
