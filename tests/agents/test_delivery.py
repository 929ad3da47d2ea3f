"""Delivery over real HTTP to a server that fails in every way: nothing is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.delivery import Delivery, backoff_s
from agents.readings import Reading
from agents.server import Credentials, Server
from agents.spool import Spool
from tests.agents.receiver import Answer, Receiver, receiving

START = datetime(2026, 1, 1, tzinfo=UTC)
READINGS = "/v1/usage/readings"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as serving:
        yield serving


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.sqlite")
    yield opened
    opened.close()


def fill(spool: Spool, count: int, point: str = "p") -> None:
    spool.put(Reading(point, "active_energy", "kWh", START + timedelta(minutes=n), str(1000 + n)) for n in range(count))


def flush(spool: Spool, url: str) -> list[float]:
    """Deliver everything; gives the pauses that were made, without making them."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> None:
        server = Server(Credentials(url, "agt_1", "client", "s3cret"), "1")
        await Delivery(spool, server, pause).flush()
        await server.close()

    asyncio.run(run())
    return pauses


def failing(times: int, answer: Answer, path: str = READINGS) -> Any:
    """A fault that happens so many times."""
    left = [times]

    def fault(asked: str) -> Answer | None:
        if asked != path or left[0] == 0:
            return None
        left[0] -= 1
        return answer

    return fault


def test_everything_arrives_in_batches(spool: Spool, receiver: Receiver) -> None:
    fill(spool, 2500)
    flush(spool, receiver.url)
    assert len(receiver.values("p")) == 2500
    assert receiver.batches == [1000, 1000, 500]
    assert spool.depth() == 0


def test_a_server_that_fails_after_its_commit_doubles_nothing(spool: Spool, receiver: Receiver) -> None:
    fill(spool, 30)
    receiver.after = failing(3, (500, {}, {}))
    pauses = flush(spool, receiver.url)
    assert len(pauses) == 3
    assert len(receiver.values("p")) == 30
    assert receiver.duplicates == 90
    assert receiver.conflicts == 0


def test_a_server_that_is_down_costs_only_waiting(spool: Spool, receiver: Receiver) -> None:
    fill(spool, 30)
    receiver.before = failing(4, (503, {}, {"Retry-After": "7"}))
    pauses = flush(spool, receiver.url)
    assert len(pauses) == 4
    assert all(pause >= 7 for pause in pauses)
    assert len(receiver.values("p")) == 30


def test_an_answer_that_is_not_the_servers_is_no_acknowledgement(spool: Spool, receiver: Receiver) -> None:
    fill(spool, 3)
    receiver.before = failing(1, (200, {"hello": "I am a proxy's sign-in page"}, {}))
    assert len(flush(spool, receiver.url)) == 1
    assert len(receiver.values("p")) == 3


def test_a_port_where_nobody_listens_loses_nothing(spool: Spool) -> None:
    fill(spool, 3)
    seen: list[int] = []

    class Enough(Exception):
        pass

    async def pause(seconds: float) -> None:
        seen.append(spool.depth())
        if len(seen) == 3:
            raise Enough

    async def run() -> None:
        server = Server(Credentials("http://127.0.0.1:1", "agt_1", "client", "s3cret"), "1")
        with pytest.raises(Enough):
            await Delivery(spool, server, pause).flush()
        await server.close()

    asyncio.run(run())
    assert seen == [3, 3, 3]


def test_an_expired_token_is_renewed_at_once(spool: Spool, receiver: Receiver) -> None:
    fill(spool, 3)
    receiver.before = failing(1, (401, {"code": "credential_invalid"}, {}))
    assert flush(spool, receiver.url) == []
    assert len(receiver.tokens) == 2


def test_a_refused_reading_is_parked_and_the_rest_is_taken(spool: Spool, receiver: Receiver) -> None:
    fill(spool, 10)
    receiver.refuse = lambda reading: "value_malformed" if reading["value"] == "1004" else None
    flush(spool, receiver.url)
    assert len(receiver.values("p")) == 9
    assert [(body["value"], code) for body, code, _ in spool.parked()] == [("1004", "value_malformed")]
    assert spool.depth() == 0


def test_one_reading_that_spoils_its_whole_batch_is_found_and_parked(spool: Spool, receiver: Receiver) -> None:
    fill(spool, 100)
    real = receiver.answer

    def picky(method: str, path: str, headers: Any, body: bytes) -> Answer:
        if path == READINGS and any(r["value"] == "1063" for r in json.loads(body)["readings"]):
            return 422, {"detail": "cannot read this"}, {}
        return real(method, path, headers, body)

    receiver.answer = picky  # type: ignore[method-assign]
    assert flush(spool, receiver.url) == []
    assert len(receiver.values("p")) == 99
    assert [(body["value"], code) for body, code, _ in spool.parked()] == [("1063", "status_422")]


def test_a_slow_server_does_not_keep_readings_from_the_spool(spool: Spool, receiver: Receiver) -> None:
    fill(spool, 3)
    asked, kept, answered = threading.Event(), threading.Event(), []

    def slow(path: str) -> None:
        if path == READINGS:
            asked.set()
            answered.append(kept.wait(60))

    receiver.before = slow

    async def run() -> None:
        server = Server(Credentials(receiver.url, "agt_1", "client", "s3cret"), "1")
        sending = asyncio.create_task(Delivery(spool, server).flush())
        while not asked.is_set():
            await asyncio.sleep(0.01)
        fill(spool, 3, point="q")
        kept.set()
        await sending
        await server.close()

    asyncio.run(run())
    assert answered[0], "the server was still at it when they were kept"
    assert len(receiver.values("q")) == 3


def test_pauses_grow_within_bounds_and_differ() -> None:
    assert all(0 <= backoff_s(failures) <= min(300, 0.5 * 2**failures) for failures in range(1, 40))
    assert len({backoff_s(8) for _ in range(20)}) > 15
    assert backoff_s(1, retry_after_s=30) >= 30
