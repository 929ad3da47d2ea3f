"""A worker is killed between each two steps of an attempt, and of a refund; the gateway counts what it was asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core.ids import encode
from jobs import money
from models.payments import Refund
from runtime.house import House
from services import collection, collection_steps, refunds
from services.clock import system_now
from services.refunds import NewRefund
from tests.builders.payments import Till

Job = Callable[[UUID, Sequence[UUID]], None]
# A step of the job, which call of it, and whether the kill comes before it or before its commit.
ATTEMPT = [
    (step, call, when) for call in (1, 2) for step in ("claim", "perform", "record") for when in ("before", "after")
]
REFUND = [("claim", 1, "after"), ("perform", 1, "before"), ("perform", 1, "after"), ("record", 1, "after")]


@dataclass(frozen=True)
class Victim:
    """Runs the very job that the queue runs, in a process of its own, which dies by SIGKILL at a chosen instant."""

    till: Till
    house: House

    def dies(self, job: Job, module: Any, row: UUID, step: str, call: int, when: str) -> None:
        """Die before or after the n-th call of a step; when it returns, its transaction is not committed yet."""
        pid = os.fork()
        if pid == 0:
            try:
                self.house.engine.dispose(close=False)  # the parent's connections are the parent's
                _make_deadly(module, step, call, when)
                job(self.till.provider_id, [row])
            finally:
                os._exit(1)  # it did not die: it must not go on as a second run of these tests
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def _make_deadly(module: Any, step: str, call: int, when: str) -> None:
    real, calls = getattr(module, step), [0]

    def deadly(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        if calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, step, deadly)


@pytest.fixture
def victim(till: Till, paying_house: House) -> Victim:
    return Victim(till, paying_house)


@pytest.mark.parametrize(("step", "call", "when"), ATTEMPT)
def test_an_attempt_survives_a_kill_between_any_two_steps(
    till: Till, victim: Victim, step: str, call: int, when: str
) -> None:
    till.payer("pm_card_visa")
    (invoice_id,) = till.bill()
    with till.open() as ctx:
        collection.collect(ctx, invoice_id, "finalized")
    (attempt,) = till.attempts()
    victim.dies(money.attempts, collection_steps, attempt.id, step, call, when)
    assert till.payments() == []
    till.end_leases()
    till.collect()
    assert (till.attempts()[0].status, till.invoice(invoice_id).status) == ("succeeded", "paid")
    assert (till.charges()["count"], len(till.payments())) == (1, 1)
    intents = till.gateway.client(till.key).v1.payment_intents.list().data
    assert [intent.status for intent in intents] == ["succeeded"]


def test_whoever_comes_before_the_lease_ends_keeps_off(till: Till, victim: Victim) -> None:
    till.payer("pm_card_visa")
    (invoice_id,) = till.bill()
    with till.open() as ctx:
        collection.collect(ctx, invoice_id, "finalized")
    (attempt,) = till.attempts()
    victim.dies(money.attempts, collection_steps, attempt.id, "perform", 2, "after")
    till.collect()
    assert (till.attempts()[0].status, till.charges()["count"]) == ("submitted", 1)


@pytest.mark.parametrize(("step", "call", "when"), REFUND)
def test_a_refund_survives_a_kill_between_any_two_steps(
    till: Till, victim: Victim, step: str, call: int, when: str
) -> None:
    till.payer("pm_card_visa")
    (invoice_id,) = till.bill()
    with till.open() as ctx:
        collection.collect(ctx, invoice_id, "finalized")
    till.collect()
    with till.open() as ctx:
        made = refunds.create(ctx, NewRefund(encode("payment", till.payments()[0].id), 500))
    victim.dies(money.give_back, refunds, made.id, step, call, when)
    with till.open() as ctx:
        ctx.session.execute(update(Refund).where(Refund.id == made.id).values(lease_until=None, next_at=system_now()))
    money.give_back(till.provider_id, [made.id])
    with till.open() as ctx:
        status = ctx.session.scalars(select(Refund.status).where(Refund.provider_id == ctx.provider.id)).one()
    assert (status, till.charges()["refunded_amount"]) == ("succeeded", 500)
    assert len(till.gateway.client(till.key).v1.refunds.list().data) == 1
