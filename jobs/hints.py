"""Hints to the queue: "look now at this kind of work of this provider". Losing one loses nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from uuid import UUID

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

from jobs.kinds import QUEUES, Kind

log = logging.getLogger(__name__)

FUNCTION = "jobs.work.work"
# One job of a kind and provider waits at a time. The mark goes when the job starts; should the job be lost, it expires.
ASKED_SECONDS = 5
WAIT_SECONDS_MAX = 60
RUN_SECONDS_MAX = 1800
PAUSE_SECONDS = 3


def connect(url: str) -> redis.Redis:
    """A connection for sending: a queue that is down costs a request half a second, and the next ones nothing."""
    retry = Retry(NoBackoff(), 0)
    if url.startswith("unix:"):
        return redis.Redis.from_url(url, socket_timeout=2, retry=retry)
    return redis.Redis.from_url(url, socket_connect_timeout=0.5, socket_timeout=2, retry=retry)


class Hints:
    """Sends hints, and keeps quiet for a moment after the queue did not answer."""

    def __init__(self, connection: redis.Redis, kinds: Mapping[str, Kind], also: Mapping[str, tuple[str, ...]]) -> None:
        self._connection = connection
        self._kinds = kinds
        self._also = also
        self._queues = {name: Queue(name, connection=connection, serializer=JSONSerializer) for name in QUEUES}
        self._quiet_until = 0.0

    def wake(self, name: str, provider_id: UUID, ids: tuple[str, ...] = ()) -> None:
        """Send a hint by the name that services use: a kind's, or a word for several."""
        for kind in self._also.get(name, (name,)):
            self.send(kind, provider_id)

    def send(self, kind_name: str, provider_id: UUID, slot: int = 0) -> bool:
        """Ask for a kind of work of a provider, unless that is asked for already; False when the queue is down."""
        kind = self._kinds[kind_name]
        if time.monotonic() < self._quiet_until:
            return False
        try:
            if self._connection.set(asked_key(kind_name, provider_id, slot), 1, nx=True, ex=ASKED_SECONDS):
                self._enqueue(kind, provider_id, slot)
        except redis.RedisError as error:
            self._quiet_until = time.monotonic() + PAUSE_SECONDS
            log.warning("the queue does not answer; the schedule will find the work", extra={"error": str(error)})
            return False
        return True

    def _enqueue(self, kind: Kind, provider_id: UUID, slot: int) -> None:
        self._queues[kind.queue].enqueue_call(
            FUNCTION,
            args=[kind.name, str(provider_id), slot],
            timeout=RUN_SECONDS_MAX,
            result_ttl=0,
            failure_ttl=3600,
            ttl=WAIT_SECONDS_MAX,
            description=f"{kind.name} of {provider_id}",
        )

    def forget(self, kind_name: str, provider_id: UUID, slot: int) -> None:
        """Called when a job starts: what is asked for from now on needs another one."""
        self._connection.delete(asked_key(kind_name, provider_id, slot))

    def depth(self) -> dict[str, int]:
        """How many jobs wait, by queue."""
        return {name: queue.count for name, queue in self._queues.items()}


def asked_key(kind: str, provider_id: UUID, slot: int) -> str:
    return f"busbar:asked:{kind}:{provider_id}:{slot}"
