"""Rate limits: counted together, cheap, and never the reason for an outage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from limits.errors import StorageError
from limits.storage import MemoryStorage

from api.app import create_app
from api.limits import Limiter
from runtime.house import House
from runtime.unit import unit
from services import credentials
from tests.api.conftest import Caller
from tests.api.test_refusals import refusal


class Stopped(MemoryStorage):
    """A queue server that does not answer."""

    def incr(self, *args: Any, **kwargs: Any) -> int:
        raise StorageError(ConnectionError("no answer"))


@pytest.fixture
def minute(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock for limits that a test moves."""
    clock = {"now": 1_000_000_020.0}
    monkeypatch.setattr("api.limits.time", lambda: clock["now"])
    return clock


def _taken(limiter: Limiter, caller: str, times: int) -> int:
    return sum(not limiter.take(caller).exceeded for _ in range(times))


@pytest.mark.parametrize("limit", [1, 5, 199, 1000])
def test_a_caller_gets_its_limit_and_no_more(minute: dict[str, float], limit: int) -> None:
    assert _taken(Limiter(limit, MemoryStorage()), "key", limit + 50) == limit


def test_the_next_minute_begins_anew(minute: dict[str, float]) -> None:
    limiter = Limiter(5, MemoryStorage())
    _taken(limiter, "key", 9)
    allowance = limiter.take("key")
    assert (allowance.exceeded, allowance.remaining) == (True, 0)
    minute["now"] += allowance.reset_s
    assert _taken(limiter, "key", 9) == 5


def test_callers_do_not_share_a_limit(minute: dict[str, float]) -> None:
    limiter = Limiter(5, MemoryStorage())
    assert _taken(limiter, "one", 9) == _taken(limiter, "other", 9) == 5


def test_processes_share_a_limit(minute: dict[str, float]) -> None:
    storage = MemoryStorage()
    one, other = Limiter(1000, storage), Limiter(1000, storage)
    assert _taken(one, "key", 700) + _taken(other, "key", 700) == 1000


def test_without_the_queue_server_each_process_counts_alone(minute: dict[str, float]) -> None:
    assert _taken(Limiter(5, Stopped()), "key", 9) == 5


def test_an_answer_tells_what_is_left_and_a_refusal_when_to_come_back(house: House, provider_id: Any) -> None:
    small = replace(house, settings=replace(house.settings, requests_per_minute=3))
    with unit(provider_id, actor="test", within=house) as ctx:
        _, key = credentials.create_key(ctx, name="test", scopes=["accounts:read"])
    client = Caller(create_app(small).test_client(), key)
    answers = [client.get("/v1/accounts") for _ in range(8)]
    # The minute may turn while the test runs, so there may be a second round.
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert answers[0].headers["RateLimit-Limit"] == "3"
    assert answers[0].headers["RateLimit-Remaining"] == "2"
    refusal(refused[0], 429, "rate_limited")
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 60
