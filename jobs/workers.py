"""The processes that work: each looks after some queues, so that no billing run holds up a payment."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from functools import cache
from types import FrameType

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from jobs import due, ending
from jobs.hints import Hints, connect
from jobs.kinds import QUEUES
from jobs.schedule import Schedule
from runtime import garbage
from runtime import house as houses
from runtime.unit import wake_with

log = logging.getLogger(__name__)

PROCESSES = 5
# A process takes from its first queue before its second. Clocks run long, so they have processes of their own.
LANES: tuple[tuple[str, ...], ...] = (
    ("clock",),
    ("money", "delivery"),
    ("billing",),
    ("delivery", "money"),
    ("clock",),
    ("billing", "money"),
    ("money", "delivery"),
)


def lanes(processes: int) -> list[tuple[str, ...]]:
    """Which queues each process works on: all queues are covered, however few the processes."""
    if processes == 1:
        return [("money", "clock", "delivery", "billing")]
    if processes == 2:
        return [("clock", "billing"), ("money", "delivery", "billing")]
    if processes == 3:
        return [("clock",), ("money", "delivery"), ("billing", "delivery")]
    return [LANES[number % len(LANES)] for number in range(processes)]


@cache
def hints() -> Hints:
    """The process's way to send hints."""
    url = houses.queue_url(houses.house().settings)
    return Hints(connect(url), due.KINDS, due.ALSO)


def send_hints() -> None:
    """Have every transaction of this process send its hints after its commit."""
    wake_with(lambda name, provider_id, ids: hints().wake(name, provider_id, ids))


class Worker(SimpleWorker):
    """Ends after the job at hand, and lets that job know."""

    def handle_warm_shutdown_request(self) -> None:
        ending.TOLD.set()
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]


def work_on(queues: Sequence[str]) -> None:
    """Take jobs from these queues until told to stop (SIGTERM: after the job at hand)."""
    send_hints()
    garbage.collect_rarely()
    url = houses.queue_url(houses.house().settings)
    connection = redis.Redis.from_url(url, retry=Retry(ExponentialBackoff(cap=2, base=0.1), 20))
    worker = Worker(
        [Queue(name, connection=connection, serializer=JSONSerializer) for name in queues],
        connection=connection,
        serializer=JSONSerializer,
        maintenance_interval=60,
        log_job_description=False,
    )
    worker.work(logging_level="WARNING")


def keep_schedule() -> None:
    """Lead the schedule or stand by, until told to stop."""
    stop = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    send_hints()
    Schedule(houses.house().engine, hints(), due.KINDS).run(stop)


assert {queue for lane in LANES for queue in lane} == set(QUEUES)
