"""The queue is a hint: with all of it lost, down, or asked twice, the work is found in the database and done."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import func, select

import embedded
from core.ids import new_id
from embedded import valkey
from jobs import due, workers
from jobs.finding import due_now
from jobs.hints import Hints, connect
from jobs.kinds import QUEUES
from jobs.schedule import Schedule, leading
from models.billing import BillingRun
from models.outbox import OutboxEvent
from runtime.house import House
from runtime.unit import dispatch, unit, wake_with
from services import accounts, outbox, test_clock, webhooks
from services.clock import system_now
from tests.builders.house import Receiver, eventually, receiver, tell
from tests.conftest import SANDBOX_NOW, Open, make_provider


@pytest.fixture
def queue(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    url = valkey.ensure(short_tmp)
    sender = Hints(redis.Redis.from_url(url), due.KINDS, due.ALSO)  # patient, as a request is not
    monkeypatch.setattr(workers, "hints", lambda: sender)
    wake_with(sender.wake)
    yield redis.Redis.from_url(url)
    wake_with(None)
    embedded.stop_all(short_tmp)


@pytest.fixture
def hook(house: House, provider_id: UUID) -> Iterator[Receiver]:
    with receiver() as running:
        with unit(provider_id, actor="test", within=house) as ctx:
            webhooks.create(ctx, {"url": running.url})
        yield running


def work_off(queue: redis.Redis) -> None:
    """Run what waits in the queues, until nothing does."""
    queues = [Queue(name, connection=queue, serializer=JSONSerializer) for name in QUEUES]
    SimpleWorker(queues, connection=queue, serializer=JSONSerializer).work(burst=True, logging_level="WARNING")


def unreacted(open_unit: Open) -> int:
    with open_unit() as ctx:
        mine = (OutboxEvent.provider_id == ctx.provider.id, OutboxEvent.reacted_at.is_(None))
        return ctx.session.scalar(select(func.count()).select_from(OutboxEvent).where(*mine)) or 0


def test_an_event_reaches_its_receiver_by_hints_alone(
    house: House, provider_id: UUID, open_unit: Open, hook: Receiver, queue: redis.Redis
) -> None:
    tell(house, provider_id, "account.created")
    work_off(queue)
    assert hook.events() == ["account.created"]
    assert unreacted(open_unit) == 0


def test_losing_the_whole_queue_loses_nothing(
    house: House, provider_id: UUID, open_unit: Open, hook: Receiver, queue: redis.Redis
) -> None:
    tell(house, provider_id, "account.created", "account.updated")
    queue.flushall()
    work_off(queue)
    assert hook.requests == []
    schedule = Schedule(house.engine, workers.hints(), due.KINDS)
    for _ in range(6):
        schedule.look()
        work_off(queue)
        queue.flushall()  # and what the jobs themselves had asked for is lost as well
    assert hook.events() == ["account.created", "account.updated"]
    assert unreacted(open_unit) == 0


def test_a_queue_that_is_down_fails_no_request(house: House, provider_id: UUID, short_tmp: Path) -> None:
    dead = Hints(connect(f"unix://{short_tmp}/nobody.sock"), due.KINDS, due.ALSO)
    wake_with(dead.wake)
    try:
        with unit(provider_id, actor="test", within=house) as ctx:
            outbox.emit(ctx, "account.created", "account", new_id(), {})
    finally:
        wake_with(None)
    with unit(provider_id, actor="test", within=house) as ctx:
        assert ctx.session.scalar(select(func.count()).select_from(OutboxEvent)) == 1
    assert not dead.send("reactions", provider_id)


def test_the_same_work_waits_only_once_however_often_it_is_asked_for(
    provider_id: UUID, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.hints.ASKED_SECONDS", 600)
    for _ in range(50):
        workers.hints().wake("events", provider_id)
    assert workers.hints().depth() == {"clock": 0, "money": 1, "billing": 0, "delivery": 1}
    work_off(queue)
    workers.hints().wake("events", provider_id)
    assert workers.hints().depth()["money"] == 1


def test_of_two_schedules_one_leads_and_the_other_takes_over(house: House) -> None:
    with leading(house.engine) as first:
        assert first is not None
        with leading(house.engine) as second:
            assert second is None
    with leading(house.engine) as third:
        assert third is not None


def test_a_schedule_that_stands_by_takes_over_when_the_leader_is_gone(
    house: House, provider_id: UUID, hook: Receiver, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.schedule.STAND_BY_SECONDS", 0.1)
    stop = threading.Event()
    with leading(house.engine):
        standing_by = threading.Thread(target=Schedule(house.engine, workers.hints(), due.KINDS).run, args=(stop,))
        standing_by.start()
        wake_with(None)
        tell(house, provider_id, "account.created")
        assert not stop.wait(1.5)
        assert workers.hints().depth()["delivery"] == 0
    try:
        eventually(lambda: work_off(queue) or hook.events())
    finally:
        stop.set()
        standing_by.join()
    assert hook.events() == ["account.created"]


def test_every_word_that_services_wake_by_is_known_to_the_queue() -> None:
    services = Path(__file__).resolve().parents[2] / "services"
    words = set()
    for file in services.glob("*.py"):
        source = file.read_text()
        constants = dict(re.findall(r'^([A-Z_]+)(?:: str)? = "([a-z_]+)"$', source, re.MULTILINE))
        for word in re.findall(r"ctx\.wake\((\"[a-z_]+\"|[A-Za-z_.]+)", source):
            if word.startswith('"'):
                words.add(word.strip('"'))
            elif word in constants:
                words.add(constants[word])
    assert {"events", "clock", "billing_runs"} <= words
    assert words - set(due.KINDS) - set(due.ALSO) == set()


def test_a_sandbox_that_stands_still_has_its_due_work_done_and_one_that_advances_is_left_to_its_driver(
    house: House, queue: redis.Redis
) -> None:
    provider_id = make_provider(house)
    with unit(provider_id, actor="test", within=house) as ctx:
        made = accounts.create(ctx, accounts.NewAccount(name="A", currency="EUR", country="NL"))
        made.next_bill_at = SANDBOX_NOW
    kind = due.KINDS["billing_due"]
    with dispatch(within=house) as session:
        assert [found.id for found in due_now(session, kind, provider_id, 10)] == [made.id]
    with unit(provider_id, actor="test", within=house) as ctx:
        test_clock.advance(ctx, SANDBOX_NOW)
    with dispatch(within=house) as session:
        assert due_now(session, kind, provider_id, 10) == []


def test_a_live_provider_is_billed_by_the_schedule_when_the_day_has_come(house: House, queue: redis.Redis) -> None:
    live = make_provider(house, sandbox=False, now=system_now())
    with unit(live, actor="test", within=house) as ctx:
        made = accounts.create(ctx, accounts.NewAccount(name="A", currency="EUR", country="NL"))
        ordinary = made.next_bill_at
        made.next_bill_at = system_now() - timedelta(minutes=1)
    assert ordinary is not None
    Schedule(house.engine, workers.hints(), due.KINDS).look()
    work_off(queue)
    with unit(live, actor="test", within=house) as ctx:
        (run,) = ctx.session.scalars(select(BillingRun).where(BillingRun.provider_id == live))
        assert run.status == "done"
        account = accounts.get(ctx, made.id)
        assert account.next_bill_at is not None
        assert account.next_bill_at > system_now()
