"""Contracts to bill: accounts, subscriptions on one plan of five prices, points, and a month of usage by the hour.

Written straight into the tables by the superuser, in sets, for it is not what is measured. The figures follow from the
number of the subscription and of the hour, so what must be billed can be computed beside it. Hours lie in the tables as
they would have come in: hour by hour, the subscriptions of each hour one after another.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

ZONE = "Europe/Amsterdam"
# January 2026 in that zone, and the instants at which payers are billed.
MONTH = datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 1, 31, 23, tzinfo=UTC)
FIRST_BILL, SECOND_BILL = datetime(2025, 12, 31, 23, 30, tzinfo=UTC), datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
HOURS = 744
ENERGY_PRICE, TRAFFIC_FIRST, TRAFFIC_PRICES = "0.2815", "1000", ("0.02", "0.0125")

# code, kind, timing, meter, price
PRICES = (
    ("rack", "recurring", "advance", None, {"model": "flat", "amount_price": "450"}),
    ("feed", "recurring", "advance", None, {"model": "per_unit", "unit_price": "35.5"}),
    ("port", "recurring", "arrears", None, {"model": "flat", "amount_price": "60"}),
    ("energy", "usage", "arrears", "energy", {"model": "per_unit", "unit_price": ENERGY_PRICE}),
    (
        "traffic",
        "usage",
        "arrears",
        "traffic",
        {
            "model": "graduated",
            "tiers": [
                {"up_to": TRAFFIC_FIRST, "unit_price": TRAFFIC_PRICES[0]},
                {"up_to": None, "unit_price": TRAFFIC_PRICES[1]},
            ],
        },
    ),
)
METERS = {"energy": "kWh", "traffic": "GB"}
# What one hour of a subscription comes to: watt-hours of its register, gigabytes of its events (SQL over s and h).
ENERGY_WH = "400 + mod(s * 7 + h * 13, 600)"
TRAFFIC_GB = "mod(s * 11 + h * 17, 50)::numeric / 10"

# An id that says what it is of and which one: kind, number. Version 7, in the order of numbers.
BENCH_ID = """
CREATE OR REPLACE FUNCTION pg_temp.bench_id(kind int, n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex(1767225600000 + n), 12, '0') || '7' || lpad(to_hex(kind), 3, '0') || '8000'
          || lpad(to_hex(n), 12, '0'))::uuid
$$
"""


@dataclass(frozen=True)
class Size:
    """How much there is to bill: payers, and the subscriptions of each."""

    payers: int
    subscriptions_each: int = 1

    @property
    def subscriptions(self) -> int:
        return self.payers * self.subscriptions_each


def fill(url: str, provider_id: UUID, size: Size, hours: int = HOURS) -> None:
    """Everything that there is to bill, for a provider that has nothing yet.

    Args:
        hours: of usage, from the start of the month on.
    """
    with psycopg.connect(url) as connection:
        # Fixtures are sound by construction: no references are checked, no trail is kept of them.
        connection.execute("SET LOCAL session_replication_role = 'replica'")
        connection.execute("SET LOCAL synchronous_commit = 'off'")
        connection.execute(BENCH_ID)
        connection.execute("UPDATE seller SET tax_rate = 21 WHERE provider_id = %s", (provider_id,))
        _catalogue(connection, provider_id)
        _accounts(connection, provider_id, size)
        _subscriptions(connection, provider_id, size)
        _points(connection, provider_id, size, hours)
        _hours(connection, provider_id, size, hours)
        # Nothing but hours is written: no day that has any is summed yet.
        connection.execute(
            "UPDATE summed_usage SET until = date_trunc('day', %s::timestamptz, 'UTC') WHERE provider_id = %s",
            (MONTH[0], provider_id),
        )
    settle(url)


def settle(url: str) -> None:
    """What the database does by itself sooner or later, done now."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def set_clock(url: str, provider_id: UUID, now: datetime) -> None:
    """Where the sandbox's clock stands, without doing what falls due on the way."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE test_clock SET now = %s WHERE provider_id = %s", (now, provider_id))


def sum_days(url: str, provider_id: UUID, now: datetime) -> float:
    """Have the job sum the days that it would have summed, night after night, by now; how long it took."""
    set_clock(url, provider_id, now)
    # In a process of its own: this one may go on to another database.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_sum_days, provider_id).result()


def _sum_days(provider_id: UUID) -> float:
    from jobs import due
    from jobs.work import do

    begun = time.perf_counter()
    do(due.KINDS["usage_days"], provider_id, 3600)
    return time.perf_counter() - begun


def _catalogue(connection: psycopg.Connection, provider: UUID) -> None:
    at = datetime(2025, 12, 1, tzinfo=UTC)
    for n, (code, unit) in enumerate(METERS.items()):
        connection.execute(
            "INSERT INTO meter (provider_id, id, code, name, unit, aggregation, created_at)"
            " VALUES (%s, pg_temp.bench_id(1, %s), %s, %s, %s, 'sum', %s)",
            (provider, n, code, code.capitalize(), unit, at),
        )
    connection.execute(
        "INSERT INTO plan (provider_id, id, code, name, created_at)"
        " VALUES (%s, pg_temp.bench_id(2, 0), 'rack', 'Rack with power and traffic', %s)",
        (provider, at),
    )
    connection.execute(
        "INSERT INTO plan_version (provider_id, id, plan_id, number, effective_at, created_at)"
        " VALUES (%s, pg_temp.bench_id(3, 0), pg_temp.bench_id(2, 0), 1, %s, %s)",
        (provider, at, at),
    )
    for n, (code, kind, timing, meter, price) in enumerate(PRICES):
        connection.execute(
            "INSERT INTO product (provider_id, id, code, name, created_at)"
            " VALUES (%s, pg_temp.bench_id(0, %s), %s, %s, %s)",
            (provider, n, code, code.capitalize(), at),
        )
        connection.execute(
            "INSERT INTO price (provider_id, id, plan_version_id, charge_code, name, position, product_id, kind,"
            " interval_unit, interval_count, timing, proration, meter_id, currencies)"
            " SELECT %s, pg_temp.bench_id(4, %s), pg_temp.bench_id(3, 0), %s, %s, %s, pg_temp.bench_id(0, %s), %s,"
            " 'month', 1, %s, 'day', (SELECT id FROM meter WHERE provider_id = %s AND code = %s), %s",
            (provider, n, code, code, n, n, kind, timing, provider, meter, Jsonb({"EUR": price})),
        )


def _accounts(connection: psycopg.Connection, provider: UUID, size: Size) -> None:
    connection.execute(
        "INSERT INTO account (provider_id, id, seller_id, payer_id, path, name, legal_name, email, currency, country,"
        " time_zone, external_id, address, next_bill_at, next_bill_on, created_at)"
        " SELECT s.provider_id, i, s.id, i, ARRAY[i], 'Customer ' || n, 'Customer ' || n || ' B.V.',"
        " 'billing@customer-' || n || '.example', 'EUR', 'NL', %(zone)s, 'customer-' || n,"
        """ '{"line1": "Science Park 120", "postal_code": "1098 XG", "city": "Amsterdam"}',"""
        " %(bill)s, '2026-01-01', %(at)s"
        " FROM seller s, generate_series(0, %(payers)s - 1) n, pg_temp.bench_id(5, n) i"
        " WHERE s.provider_id = %(provider)s ORDER BY n",
        {"provider": provider, "payers": size.payers, "zone": ZONE, "bill": FIRST_BILL, "at": FIRST_BILL},
    )


def _subscriptions(connection: psycopg.Connection, provider: UUID, size: Size) -> None:
    values = {"provider": provider, "count": size.subscriptions, "each": size.subscriptions_each}
    values |= {"zone": ZONE, "start": MONTH[0], "prices": len(PRICES)}
    connection.execute(
        "INSERT INTO subscription (provider_id, id, account_id, plan_id, plan_version_id, quantities, status, currency,"
        " time_zone, anchor, start_on, start_at, external_id, created_at)"
        " SELECT %(provider)s, pg_temp.bench_id(6, s), pg_temp.bench_id(5, s / %(each)s), pg_temp.bench_id(2, 0),"
        """ pg_temp.bench_id(3, 0), '{"feed": "2"}', 'active', 'EUR', %(zone)s, 'calendar', 'at', %(start)s,"""
        " 'rack-' || s, %(start)s FROM generate_series(0, %(count)s - 1) s ORDER BY s",
        values,
    )
    every_item = " FROM generate_series(0, %(count)s - 1) s, generate_series(0, %(prices)s - 1) p"
    connection.execute(
        "INSERT INTO subscription_item (provider_id, id, subscription_id, charge_code)"
        " SELECT %(provider)s, pg_temp.bench_id(40 + p, s), pg_temp.bench_id(6, s),"
        " (SELECT charge_code FROM price WHERE provider_id = %(provider)s AND position = p)"
        f"{every_item} ORDER BY s, p",
        values,
    )
    connection.execute(
        "INSERT INTO subscription_item_term (provider_id, id, item_id, from_at, price_id, quantity)"
        " SELECT %(provider)s, pg_temp.bench_id(60 + p, s), pg_temp.bench_id(40 + p, s), %(start)s,"
        f" pg_temp.bench_id(4, p), CASE p WHEN 1 THEN 2 ELSE 1 END {every_item} ORDER BY s, p",
        values,
    )


def _points(connection: psycopg.Connection, provider: UUID, size: Size, hours: int) -> None:
    """A point per subscription with its register, and readings at both ends: none else is asked for."""
    values = {
        "provider": provider,
        "count": size.subscriptions,
        "zone": ZONE,
        "start": MONTH[0],
        "end": MONTH[0] + hours * timedelta(hours=1),
    }
    values["energy"] = [code for code, *_ in PRICES].index("energy")
    every = " FROM generate_series(0, %(count)s - 1) s"
    connection.execute(
        "INSERT INTO site (provider_id, id, code, name, time_zone, created_at)"
        " VALUES (%(provider)s, pg_temp.bench_id(23, 0), 'ams', 'Amsterdam', %(zone)s, %(start)s)",
        values,
    )
    connection.execute(
        "INSERT INTO point (provider_id, id, site_id, path, kind, created_at)"
        " SELECT %(provider)s, pg_temp.bench_id(20, s), pg_temp.bench_id(23, 0), 'rack-' || s || '/outlet-1', 'outlet',"
        f" %(start)s {every} ORDER BY s",
        values,
    )
    connection.execute(
        "INSERT INTO register (provider_id, id, point_id, name, unit)"
        " SELECT %(provider)s, pg_temp.bench_id(21, s), pg_temp.bench_id(20, s), 'active_energy', 'Wh'"
        f" {every} ORDER BY s",
        values,
    )
    connection.execute(
        "INSERT INTO assignment (provider_id, id, point_id, item_id, span, created_at)"
        " SELECT %(provider)s, pg_temp.bench_id(22, s), pg_temp.bench_id(20, s), pg_temp.bench_id(40 + %(energy)s, s),"
        f" tstzrange(%(start)s, NULL), %(start)s {every} ORDER BY s",
        values,
    )
    for at in (values["start"], values["end"]):
        connection.execute("SELECT busbar_partition('reading', %s)", (at.replace(day=1).date(),))
    connection.execute(
        "INSERT INTO reading (provider_id, register_id, at, value, evidence, received_at)"
        " SELECT %(provider)s, pg_temp.bench_id(21, s), at, CASE at WHEN %(start)s THEN 0 ELSE"
        f" (SELECT sum({ENERGY_WH}) FROM generate_series(0, {hours - 1}) h) END,"
        """ '{"serial": "ZA1"}', at """
        f"{every}, unnest(ARRAY[%(start)s, %(end)s]::timestamptz[]) at ORDER BY at, s",
        values,
    )


def _hours(connection: psycopg.Connection, provider: UUID, size: Size, hours: int) -> None:
    values = {"provider": provider, "count": size.subscriptions, "start": MONTH[0], "hours": hours}
    every_hour = (
        " FROM generate_series(0, %(hours)s - 1) h, generate_series(0, %(count)s - 1) s,"
        " LATERAL (SELECT %(start)s + make_interval(hours => h) AS hour) t"
    )
    with _key_made_at_the_end(connection, "register_hour", "provider_id, register_id, hour"):
        connection.execute(
            "INSERT INTO register_hour (provider_id, register_id, hour, measured, interpolated, estimated, substituted,"
            " invalid, intervals, known_at)"
            f" SELECT %(provider)s, pg_temp.bench_id(21, s), hour, {ENERGY_WH}, 0, 0, 0, 0, 12,"
            f" hour + interval '1 hour' {every_hour}",
            values,
        )
    with _key_made_at_the_end(connection, "event_hour", "provider_id, subscription_id, meter_id, hour"):
        connection.execute(
            "INSERT INTO event_hour (provider_id, subscription_id, meter_id, hour, quantity, count, minimum, maximum,"
            " known_at)"
            f" SELECT %(provider)s, pg_temp.bench_id(6, s), pg_temp.bench_id(1, 1), hour, {TRAFFIC_GB}, 4, 0,"
            f" {TRAFFIC_GB}, hour + interval '1 hour' {every_hour}",
            values,
        )


@contextmanager
def _key_made_at_the_end(connection: psycopg.Connection, table: str, columns: str) -> Iterator[None]:
    """Make the primary key once, when all rows are there: many times faster than row by row."""
    connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT pk_{table}")
    yield
    connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({columns})")


# Of each subscription: what must be billed for its usage, in cents, beside what was.
USAGE = f"""
WITH wanted AS (
  SELECT s, pg_temp.bench_id(6, s) AS id, sum({ENERGY_WH})::numeric / 1000 AS energy, sum({TRAFFIC_GB}) AS traffic
  FROM generate_series(0, %(count)s - 1) s, generate_series(0, {HOURS - 1}) h GROUP BY s
), billed AS (
  SELECT subscription_id AS id, sum(amount) FILTER (WHERE charge_code = 'energy') AS energy,
         sum(amount) FILTER (WHERE charge_code = 'traffic') AS traffic
  FROM charge WHERE provider_id = %(provider)s GROUP BY subscription_id
)
SELECT count(*) FROM wanted w LEFT JOIN billed b ON b.id = w.id
WHERE round(w.energy * {ENERGY_PRICE} * 100) IS DISTINCT FROM b.energy
OR round((least(w.traffic, {TRAFFIC_FIRST}) * {TRAFFIC_PRICES[0]}
          + greatest(w.traffic - {TRAFFIC_FIRST}, 0) * {TRAFFIC_PRICES[1]}) * 100) IS DISTINCT FROM b.traffic
"""
# Of each payer of the last run: one open document, five charges a subscription, a net amount of all of them.
DOCUMENTS = """
SELECT count(*) FROM account a LEFT JOIN LATERAL (
  SELECT count(DISTINCT i.id) AS documents, count(l.id) AS lines, max(i.net_amount) AS net, sum(l.amount) AS amount
  FROM invoice i JOIN invoice_line l ON l.provider_id = i.provider_id AND l.invoice_id = i.id
  WHERE i.provider_id = a.provider_id AND i.account_id = a.id AND i.run_id = %(run)s AND i.status = 'open'
) i ON true
WHERE a.provider_id = %(provider)s
AND (i.documents, i.lines, i.net) IS DISTINCT FROM (1::bigint, %(lines)s::bigint, i.amount::bigint)
"""


def wrong(url: str, provider_id: UUID, run_id: UUID, size: Size) -> int:
    """How many payers and subscriptions were not billed as they must be."""
    values = {"provider": provider_id, "run": run_id, "count": size.subscriptions}
    values |= {"lines": len(PRICES) * size.subscriptions_each}
    with psycopg.connect(url) as connection:
        connection.execute(BENCH_ID)
        found = [connection.execute(query, values).fetchone() for query in (USAGE, DOCUMENTS)]
    return sum(row[0] for row in found if row)
