"""Small work of several requests in one transaction, on the real database."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import Invalid
from runtime.house import House
from runtime.together import Together, Who
from services.context import Context
from tests.conftest import make_provider

TRANSACTION = text("SELECT pg_current_xact_id()::text")


def work(ctx: Context, pieces: Sequence[str]) -> list[tuple[str, str]]:
    """Each piece with the transaction it was done in; "bad" spoils the transaction it is in."""
    if "bad" in pieces:
        raise Invalid("bad", "This piece cannot be done.")
    done_in = ctx.session.execute(TRANSACTION).scalar_one()
    return [(piece, done_in) for piece in pieces]


class Slow:
    """Work whose first transaction waits until it may go on, so that others come meanwhile."""

    def __init__(self) -> None:
        self.begun, self.may_go_on = Event(), Event()

    def __call__(self, ctx: Context, pieces: Sequence[str]) -> list[tuple[str, str]]:
        if not self.begun.is_set():
            self.begun.set()
            assert self.may_go_on.wait(120)
        return work(ctx, pieces)


def waiting(together: Together[str, tuple[str, str]], who: Who) -> int:
    return len(together._waiting.get(who, ()))


@pytest.fixture
def who(house: House) -> Who:
    return Who(make_provider(house), "test", None)


def meanwhile(
    house: House, slow: Slow, pieces: Sequence[tuple[Who, str]], *, queued: Who
) -> list[Future[tuple[str, str]]]:
    """The first piece is under way while the others come; `queued` is whose pieces wait for it."""
    together = Together[str, tuple[str, str]](house, slow)
    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(together.do, *pieces[0], request_id="first")]
        assert slow.begun.wait(120)
        futures += [pool.submit(together.do, *piece, request_id=f"{n}") for n, piece in enumerate(pieces[1:])]
        expected = sum(1 for w, _ in pieces[1:] if w == queued)
        while waiting(together, queued) < expected:
            pass
        slow.may_go_on.set()
    assert together._waiting == {}
    return futures


def test_work_that_comes_while_a_transaction_is_under_way_is_done_in_the_next_as_one(house: House, who: Who) -> None:
    pieces = [(who, f"p{n}") for n in range(6)]
    results = [future.result() for future in meanwhile(house, Slow(), pieces, queued=who)]
    assert [piece for piece, _ in results] == [f"p{n}" for n in range(6)]
    assert len({done_in for _, done_in in results}) == 2
    assert len({done_in for _, done_in in results[1:]}) == 1


def test_one_that_fails_fails_alone(house: House, who: Who) -> None:
    futures = meanwhile(house, Slow(), [(who, "p0"), (who, "p1"), (who, "bad"), (who, "p3")], queued=who)
    assert [futures[n].result()[0] for n in (0, 1, 3)] == ["p0", "p1", "p3"]
    with pytest.raises(Invalid):
        futures[2].result()


def test_each_caller_has_transactions_of_its_own(house: House, who: Who) -> None:
    narrower = Who(who.provider_id, who.actor, frozenset[UUID]())
    other = Who(make_provider(house), "test", None)
    pieces = [(who, "p0"), (who, "p1"), (narrower, "p2"), (other, "p3"), (who, "p4")]
    results = [future.result() for future in meanwhile(house, Slow(), pieces, queued=who)]
    assert results[1][1] == results[4][1]
    assert len({done_in for _, done_in in results}) == 4


def test_a_failure_alone_is_told_and_the_next_is_done(house: House, who: Who) -> None:
    together = Together[str, tuple[str, str]](house, work)
    with pytest.raises(Invalid):
        together.do(who, "bad", request_id="1")
    assert together.do(who, "good", request_id="2")[0] == "good"
