"""What operators watch: requests by route, and what waits in the database and in the queue."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable

import redis
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from jobs import due
from jobs.hints import Hints, connect
from runtime import house as houses
from runtime import logs
from runtime.house import House
from runtime.unit import dispatch

log = logging.getLogger("busbar.request")

REQUESTS = Counter("busbar_requests_total", "Requests answered.", ("door", "method", "route", "status"))
SECONDS = Histogram(
    "busbar_request_seconds",
    "How long requests took.",
    ("door", "method", "route"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
WAITING = {
    "events_without_reaction": "SELECT count(*) FROM outbox_event WHERE reacted_at IS NULL",
    "events_without_deliveries": "SELECT count(*) FROM outbox_event WHERE fanned_out_at IS NULL",
    "deliveries_open": "SELECT count(*) FROM delivery WHERE status IN ('pending', 'retrying')",
    "deliveries_dead": "SELECT count(*) FROM delivery WHERE status = 'dead'",
    "payment_attempts_open": "SELECT count(*) FROM payment_attempt WHERE status IN ('created', 'submitted', 'unknown')",
    "inbound_events_pending": "SELECT count(*) FROM inbound_event WHERE status = 'pending'",
    "billing_runs_running": "SELECT count(*) FROM billing_run WHERE status = 'running'",
    "clocks_advancing": "SELECT count(*) FROM test_clock WHERE status = 'advancing'",
}


def observe(app: Flask, door: str) -> None:
    """Count, time and log every request of an app, by its route and not by its address."""

    def enter() -> None:
        g.began = time.perf_counter()
        logs.bind(request_id=str(g.get("request_id", "")))

    def leave(answer: Response) -> Response:
        took = time.perf_counter() - g.get("began", time.perf_counter())
        route = request.url_rule.rule if request.url_rule is not None else "(none)"
        REQUESTS.labels(door, request.method, route, str(answer.status_code)).inc()
        SECONDS.labels(door, request.method, route).observe(took)
        caller = g.get("caller")
        log.info(
            "request",
            extra={
                "door": door,
                "method": request.method,
                "route": route,
                "status": answer.status_code,
                "took_ms": round(took * 1000, 1),
                "request_id": answer.headers.get("X-Request-Id", ""),
                "caller": str(getattr(caller, "id", "")),
            },
        )
        return answer

    def forget(_: BaseException | None) -> None:
        logs.unbind()

    # First to enter, so that refusals are timed too; the functions of `after_request` run last first.
    app.before_request_funcs.setdefault(None, []).insert(0, enter)
    app.after_request_funcs.setdefault(None, []).insert(0, leave)
    app.teardown_request(forget)


class Waiting(Collector):
    """What waits, asked when somebody scrapes."""

    def __init__(self, home: House) -> None:
        self._home = home

    def collect(self) -> Iterable[GaugeMetricFamily]:
        work = GaugeMetricFamily("busbar_waiting", "Rows that wait for work, over all providers.", labels=("what",))
        for what, count in self._rows().items():
            work.add_metric((what,), count)
        yield work
        jobs = GaugeMetricFamily("busbar_queue_jobs", "Jobs that wait in the queue.", labels=("queue",))
        for queue, count in self._jobs().items():
            jobs.add_metric((queue,), count)
        yield jobs

    def _rows(self) -> dict[str, int]:
        columns = ", ".join(f"({statement}) AS {name}" for name, statement in WAITING.items())
        try:
            with dispatch(within=self._home) as session:
                return dict(session.execute(text(f"SELECT {columns}")).one()._mapping)
        except SQLAlchemyError:
            return {}

    def _jobs(self) -> dict[str, int]:
        try:
            return Hints(connect(houses.queue_url(self._home.settings)), due.KINDS, due.ALSO).depth()
        except redis.RedisError:
            return {}


def render(home: House) -> bytes:
    """Everything, of all web processes together, as Prometheus' text."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_OwnProcess())
    registry.register(Waiting(home))
    return generate_latest(registry)


class _OwnProcess(Collector):
    """The counters of this process, where it is the only one."""

    def collect(self) -> Iterable[object]:  # type: ignore[override]
        for metric in (REQUESTS, SECONDS):
            yield from metric.collect()
