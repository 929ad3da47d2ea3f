"""One device never holds up another; a dead one is only probed; time goes forward."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from agents import poller as pollers
from agents.collectors import snmp
from agents.poller import FAILURES_TO_OPEN, PROBE_FIRST, Poller
from agents.readings import Reading
from agents.targets import Place, Target
from standins.pdu import ber
from standins.pdu.device import Pdu, table
from standins.pdu.responder import Table
from tests.agents.responders import responding

START = datetime(2026, 1, 1, tzinfo=UTC)
PDU = Pdu("pdu", "ZA1", START - timedelta(days=30))


def target(port: int, name: str = "pdu", profile: str = "apc-rpdu2") -> Target:
    return Target(name, "127.0.0.1", profile, (Place(name),), port)


def polling(work: Callable[[Poller], Awaitable[None]]) -> None:
    """Run some polling on a loop of its own."""

    async def run() -> None:
        poller = Poller()
        try:
            await work(poller)
        finally:
            poller.close()

    asyncio.run(run())


async def alive() -> Table | None:
    return table(PDU, START)


async def dead() -> Table | None:
    return None


def test_a_device_that_fails_thrice_is_only_probed_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    switched = {"on": False}
    asked: list[bool] = []

    async def switchable() -> Table | None:
        asked.append(switched["on"])
        return table(PDU, START) if switched["on"] else None

    async def work(poller: Poller) -> None:
        now = [START]

        async def poll() -> list[Reading]:
            return await poller.poll(target(port), lambda: now[0])

        for _ in range(FAILURES_TO_OPEN):
            assert await poll() == []
        before = len(asked)
        assert await poll() == []
        assert len(asked) == before  # not even asked
        now[0] += PROBE_FIRST
        assert await poll() == []
        assert len(asked) == before + 1  # and only once
        switched["on"] = True
        monkeypatch.setattr(snmp, "PROBE_S", 60.0)  # it answers; how fast the machine is does not matter
        monkeypatch.setattr(snmp, "TRY_S", 60.0)
        assert await poll() == []  # the next probe is later still
        now[0] += 2 * PROBE_FIRST
        assert len(await poll()) == 2
        assert poller.healths()[0].failures == 0
        now[0] += timedelta(seconds=1)
        assert len(await poll()) == 2

    with responding(switchable) as port:
        polling(work)


def test_a_dead_device_and_an_unknown_profile_do_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snmp, "TRY_S", 120.0)
    monkeypatch.setattr(pollers, "BUDGET_S", 240.0)

    async def work(poller: Poller) -> None:
        targets = [target(ports[0], "dead"), target(ports[1], "alive"), target(ports[1], "odd", profile="no-such")]
        polls = {t.name: asyncio.create_task(poller.poll(t, lambda: START)) for t in targets}
        assert len(await polls["alive"]) == 2
        assert await polls["odd"] == []
        assert not polls["dead"].done()
        polls["dead"].cancel()
        failures = {health.name: health.last_error for health in poller.healths()}
        assert failures["alive"] is None
        assert "no-such" in str(failures["odd"])

    with responding(dead) as silent, responding(alive) as answering:
        ports = (silent, answering)
        polling(work)


def test_a_device_that_answers_nonsense_gives_no_reading() -> None:
    async def nonsense() -> Table | None:
        values = {"26.4.3.1.9.1": ber.text("12.5 kWh"), "26.4.3.1.5.1": ber.object_identifier((1, 3, 6))}
        return Table({ber.oid(f"1.3.6.1.4.1.318.1.1.{name}"): value for name, value in values.items()})

    async def work(poller: Poller) -> None:
        assert await poller.poll(target(port), lambda: START) == []

    with responding(nonsense) as port:
        polling(work)


def test_readings_never_go_back_in_time() -> None:
    async def work(poller: Poller) -> None:
        assert len(await poller.poll(target(port), lambda: START)) == 2
        assert await poller.poll(target(port), lambda: START) == []
        assert await poller.poll(target(port), lambda: START - timedelta(hours=1)) == []
        assert len(await poller.poll(target(port), lambda: START + timedelta(seconds=1))) == 2
        assert len(await poller.poll_all([target(port)], START)) == 2  # but an instant may be read again

    with responding(alive) as port:
        polling(work)


def test_a_device_is_asked_once_at_a_time() -> None:
    under_way, most = 0, 0

    async def slow() -> Table | None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.05)
        under_way -= 1
        return table(PDU, START)

    async def work(poller: Poller) -> None:
        stamps = iter(START + timedelta(seconds=n) for n in range(1000))
        await asyncio.gather(*(poller.poll(target(port), lambda: next(stamps)) for _ in range(5)))
        assert most == 1

    with responding(slow) as port:
        polling(work)
