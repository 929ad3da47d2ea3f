"""The SNMP collector against real UDP: a recording of a real PDU, the stand-in, and devices that misbehave."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents import profile as profiles
from agents.collecting import PollFailed
from agents.collectors.snmp import SnmpCollector
from agents.readings import Reading
from agents.targets import Place, Target
from standins.pdu import ber
from standins.pdu.device import Pdu, table
from standins.pdu.load import Load
from standins.pdu.responder import Table
from tests.agents.responders import recorded, responding

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "recordings"
APC = "1.3.6.1.4.1.318.1.1"
AT = datetime(2026, 2, 1, 12, 0, 7, 900_000, tzinfo=UTC)


def read(port: int, *places: Place, **more: object) -> list[Reading]:
    async def reading() -> list[Reading]:
        collector = SnmpCollector()
        try:
            wanted = places or (Place("pdu"),)
            target = Target("pdu", "127.0.0.1", "apc-rpdu2", wanted, port, **more)  # type: ignore[arg-type]
            return await collector.read(target, profiles.load("apc-rpdu2"), lambda: AT)
        finally:
            collector.close()

    return asyncio.run(reading())


def by_register(readings: list[Reading]) -> dict[str, Reading]:
    return {reading.register: reading for reading in readings}


def ap8959(**changed: bytes) -> dict[ber.Oid, bytes]:
    """The few objects that matter, with some changed or (empty) left out."""
    objects = {
        f"{APC}.26.2.1.9.1": ber.text("ZA1842006633"),
        "1.3.6.1.2.1.1.3.0": ber.integer(18_025, ber.TIMETICKS),
        "1.3.6.1.6.3.10.2.1.2.0": ber.integer(3),
        f"{APC}.26.4.3.1.5.1": ber.integer(27),
        f"{APC}.26.4.3.1.9.1": ber.integer(19_677),
        f"{APC}.26.4.3.1.10.1": ber.text("08/16/2022 15:37:56"),
    }
    names = {"serial": 0, "uptime": 1, "boots": 2, "power": 3, "energy": 4, "since": 5}
    listed = list(objects)
    for name, value in changed.items():
        objects[listed[names[name]]] = value
    return {ber.oid(name): value for name, value in objects.items() if value}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside this checkout")
def test_a_recorded_pdu_is_read_as_its_recording_says() -> None:
    expected = json.loads((RECORDINGS / "apc_ap8959eu3.json").read_text())
    values = {(r["quantity"], r["point"]): r["value"] for r in expected["readings"]}
    with responding(recorded(RECORDINGS / "apc_ap8959eu3.snmprec")) as port:
        found = by_register(read(port))
    assert found["active_energy"].value == str(values["energy", "device.1"])
    assert found["active_energy"].unit == "kWh"
    assert found["active_power"].value == str(values["active_power", "device.1"])
    assert found["active_power"].unit == "W"
    assert found["active_energy"].evidence.serial == expected["identity"]["serial"]
    assert found["active_energy"].evidence.reset_at == datetime(2022, 8, 16, 15, 37, 56, tzinfo=UTC)


def test_a_register_comes_with_its_identity_and_the_second_it_was_read() -> None:
    with responding(ap8959()) as port:
        energy = by_register(read(port))["active_energy"]
    assert energy.as_json() == {
        "point": "pdu",
        "register": "active_energy",
        "unit": "kWh",
        "at": "2026-02-01T12:00:07Z",
        "value": "1967.7",
        "evidence": {
            "serial": "ZA1842006633",
            "boots": 3,
            "uptime_s": "180.25",
            "reset_at": "2022-08-16T15:37:56Z",
            "power_w": "270",
            "modulus": "214748364.8",
            "resolution": "0.1",
        },
    }


def test_what_a_unit_says_that_it_carries_comes_with_its_counters() -> None:
    rating = ber.oid(f"{APC}.26.4.2.1.13.1")
    with responding({**ap8959(), rating: ber.integer(110)}) as port:
        found = by_register(read(port))
    assert found["active_energy"].evidence.rated_power_w == "11000"
    assert found["active_power"].evidence.rated_power_w is None
    with responding({**ap8959(), rating: ber.integer(-1)}) as port:
        assert by_register(read(port))["active_energy"].evidence.rated_power_w is None


def test_energy_power_and_identity_are_asked_in_one_request() -> None:
    asked = []

    async def tables() -> Table:
        asked.append(1)
        return Table(ap8959())

    with responding(tables) as port:
        assert len(read(port)) == 2
    assert len(asked) == 1


def test_a_sentinel_is_no_reading() -> None:
    with responding(ap8959(energy=ber.integer(-1), power=ber.integer(-1))) as port:
        assert read(port) == []


def test_an_absent_register_is_no_reading() -> None:
    with responding(ap8959(energy=b"")) as port:
        assert set(by_register(read(port))) == {"active_power"}


def test_a_register_of_zero_is_a_reading() -> None:
    with responding(ap8959(energy=ber.integer(0))) as port:
        assert by_register(read(port))["active_energy"].value == "0"


@pytest.mark.parametrize("serial", ["", "<private>", "FFFFFFFFFFFF", "000000000000"])
def test_a_placeholder_is_no_serial_number(serial: str) -> None:
    with responding(ap8959(serial=ber.text(serial))) as port:
        assert by_register(read(port))["active_energy"].evidence.serial is None


def test_a_register_that_cannot_say_since_when_it_counts_has_no_reset_time() -> None:
    with responding(ap8959(since=ber.text("notsupported"))) as port:
        assert by_register(read(port))["active_energy"].evidence.reset_at is None


def test_a_serial_number_is_taken_from_the_description_when_nothing_better_is_there() -> None:
    description = ber.text("APC Web/SNMP Management Card (MN:AP8959EU3 HR:02 SN: 5A1638E01463 MD:09/20/2016)")
    objects = {**ap8959(serial=b""), ber.oid("1.3.6.1.2.1.1.1.0"): description}
    with responding(objects) as port:
        assert by_register(read(port))["active_energy"].evidence.serial == "5A1638E01463"


def test_a_silent_device_is_a_failed_poll() -> None:
    async def silent() -> None:
        return None

    with responding(silent) as port, pytest.raises(PollFailed):
        read(port)


def test_a_wrong_community_is_a_failed_poll() -> None:
    with responding(ap8959()) as port, pytest.raises(PollFailed):
        read(port, community="private")


def test_a_device_with_small_answers_is_asked_for_less_at_a_time() -> None:
    # Identity and one register fit, both registers do not.
    with responding(ap8959(), size_max=250) as port:
        found = by_register(read(port))
    assert set(found) == {"active_energy", "active_power"}
    assert {r.evidence.serial for r in found.values()} == {"ZA1842006633"}


def test_outlets_are_read_in_bulk_with_the_identity_in_front() -> None:
    pdu = Pdu("pdu", "ZA1842006633", datetime(2026, 1, 1, tzinfo=UTC), 24 * 3_600_000, Load(2400), outlets=24)
    asked = []

    async def tables() -> Table | None:
        asked.append(1)
        return table(pdu, datetime(2026, 1, 1, tzinfo=UTC))

    places = [Place(f"outlet-{n}", outlet=n) for n in (1, 7, 24)]
    with responding(tables) as port:
        found = read(port, *places)
    energies = {r.point: r for r in found if r.register == "active_energy"}
    assert {point: r.value for point, r in energies.items()} == {"outlet-1": "1", "outlet-7": "1", "outlet-24": "1"}
    assert {r.evidence.serial for r in found} == {"ZA1842006633"}
    assert {r.evidence.boots for r in found} == {1}
    assert len(asked) <= 7


def test_an_endless_table_is_left() -> None:
    row = ber.oid(f"{APC}.26.9.4.3.1")

    class Circular(Table):
        def after(self, name: ber.Oid) -> tuple[ber.Oid, bytes]:
            """Each column's first row, again and again."""
            if name[: len(row)] == row:
                return (*name[: len(row) + 1], 1), ber.integer(1)
            return super().after(name)

    async def tables() -> Table:
        return Circular(ap8959())

    with responding(tables) as port, pytest.raises(PollFailed, match="out of order"):
        read(port, Place("outlet-1", outlet=1))


def test_many_silent_devices_are_waited_for_together() -> None:
    async def all_at_once() -> float:
        collector, profile = SnmpCollector(), profiles.load("apc-rpdu2")
        targets = [Target(f"dead-{n}", "127.0.0.1", "apc-rpdu2", (Place("p"),), 1 + n) for n in range(100)]
        started = time.monotonic()
        results = await asyncio.gather(
            *(collector.read(t, profile, lambda: AT) for t in targets), return_exceptions=True
        )
        collector.close()
        assert all(isinstance(result, PollFailed) for result in results)
        return time.monotonic() - started

    assert asyncio.run(all_at_once()) < 200  # one after the other, they would take twice as long
