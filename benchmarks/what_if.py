"""What-if: another price list on a year of real usage of many customers, as a worker sums it up and as it is sent.

The contracts are those of the billing run with twelve months of hours. None of them is billed, so that both sides are
rated: what was billed already would only be read.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from benchmarks import contracts
from benchmarks.billing_run import CHECKOUT, opened, processor_seconds
from benchmarks.contracts import Size

YEAR_HOURS = 365 * 24
MONTHS = date(2026, 1, 1), date(2026, 12, 1)
LATER = datetime(2027, 1, 2, tzinfo=UTC)
SECONDS_MOST = 60
# The prices of contracts, dearer racks and cheaper energy: who uses much wins.
TRIED = {"rack": {"model": "flat", "amount_price": "480"}, "energy": {"model": "per_unit", "unit_price": "0.2"}}


def run(customers: int) -> None:
    """Fill, try, and print, on an embedded PostgreSQL of its own."""
    directory = Path(tempfile.mkdtemp(prefix="bench"))
    os.environ["BUSBAR_DATA_DIR"] = str(directory)
    try:
        measure(directory, Size(customers))
    finally:
        subprocess.run([sys.executable, "-m", "cli", "stop"], cwd=CHECKOUT, capture_output=True, check=False)
        shutil.rmtree(directory, ignore_errors=True)


def measure(directory: Path, size: Size) -> None:
    """The figures, printed."""
    url, provider_id = opened(directory)
    contracts.fill(url, provider_id, size, YEAR_HOURS)
    took = contracts.sum_days(url, provider_id, LATER)
    contracts.settle(url)
    print(f"{size.payers:,} customers with twelve months of hours; {took:.0f} s to sum up their days", flush=True)
    postmaster = int((directory / "postgres" / "postmaster.pid").read_text().split()[0])
    own = made_of(provider_id, {})
    summed = timed("summed up, own prices", postmaster, size, lambda: sum_up(provider_id, own))
    if summed["difference_amount"] or summed["unpriced"] or summed["subscriptions"] != size.subscriptions:
        raise RuntimeError(f"at their own prices contracts do not cost what they cost: {summed}")
    tried = made_of(provider_id, TRIED)
    timed("summed up, other prices", postmaster, size, lambda: sum_up(provider_id, tried))
    for form in ("Json", "Csv"):
        sent = timed(f"sent as {form.upper()}", postmaster, size, lambda form=form: send(provider_id, tried, form))
        print(f"  {sent / 1e6:.1f} MB", flush=True)
    if wrong := usage_differs(url, provider_id, size, summed["current_amount"]):
        raise RuntimeError(f"what the contracts cost is not what the fixtures come to: {wrong}")


def timed(what: str, postmaster: int, size: Size, work: Callable[[], Any]) -> Any:
    """What a piece of work gives, with a line of what it took."""
    database, own, begun = processor_seconds(postmaster), time.process_time(), time.perf_counter()
    found = work()
    seconds = time.perf_counter() - begun
    own, database = time.process_time() - own, processor_seconds(postmaster) - database
    each = 1000 / size.payers
    print(
        f"{what:28} {seconds:7.1f} s for {size.payers:,} customers x 12 months (aim: {SECONDS_MOST});"
        f" processor time a customer: {each * own:.1f} ms, database {each * database:.1f} ms;"
        f" most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
        flush=True,
    )
    return found


def made_of(provider_id: UUID, changed: dict[str, Any]) -> UUID:
    """A simulation of the contracts' prices with some of them changed, left to the workers."""
    from billing.plan_prices import read_prices
    from runtime.unit import unit
    from services import simulations

    simulations.AT_ONCE_MOST = 0
    prices = [
        {
            "charge_code": code,
            "product": code,
            "kind": kind,
            "timing": timing,
            "currencies": {"EUR": changed.get(code, price)},
            **({"meter": meter} if meter else {}),
        }
        for code, kind, timing, meter, price in contracts.PRICES
    ]
    with unit(provider_id, actor="bench") as ctx:
        asked = simulations.Asked(months=MONTHS, prices=read_prices(prices, "/prices", []))
        return simulations.create(ctx, asked).row.id


def sum_up(provider_id: UUID, simulation_id: UUID) -> Any:
    """What a worker does with a simulation; its total."""
    from jobs import simulations as job
    from runtime.unit import unit
    from services import simulations
    from services.simulation_results import total_json

    job.work(provider_id, [simulation_id])
    with unit(provider_id, actor="bench") as ctx:
        (total,) = simulations.get(ctx, simulation_id).totals
        return total_json(total)


def send(provider_id: UUID, simulation_id: UUID, form: str) -> int:
    """What a web process does with its results; how many bytes they are."""
    from runtime.unit import unit
    from services import simulation_results
    from services.simulation_results import Reading

    reading: Reading | None = Reading(getattr(simulation_results, form)())
    sent = 0
    while reading is not None:
        with unit(provider_id, actor="bench") as ctx:
            data, reading = simulation_results.read(ctx, simulation_id, reading)
        sent += len(data)
    return sent


USAGE = f"""
WITH hours AS (
  SELECT s, date_trunc('month', (%(start)s + make_interval(hours => h)) AT TIME ZONE %(zone)s) AS month,
         sum({contracts.ENERGY_WH})::numeric / 1000 AS energy, sum({contracts.TRAFFIC_GB}) AS traffic
  FROM generate_series(0, %(count)s - 1) s, generate_series(0, %(hours)s - 1) h GROUP BY 1, 2
)
SELECT sum(round(energy * {contracts.ENERGY_PRICE} * 100)
           + round((least(traffic, {contracts.TRAFFIC_FIRST}) * {contracts.TRAFFIC_PRICES[0]}
                    + greatest(traffic - {contracts.TRAFFIC_FIRST}, 0) * {contracts.TRAFFIC_PRICES[1]}) * 100)
           + 45000 + 2 * 3550 + 6000) FROM hours
"""


def usage_differs(url: str, provider_id: UUID, size: Size, amount: int) -> str:
    """Why an amount is not what the fixtures come to, worked out by the database; nothing where it is."""
    values = {"start": contracts.MONTH[0], "zone": contracts.ZONE, "hours": YEAR_HOURS, "count": size.subscriptions}
    with psycopg.connect(url) as connection:
        row = connection.execute(USAGE, values).fetchone()
    assert row is not None
    return "" if row[0] == amount else f"{amount} instead of {row[0]}"
