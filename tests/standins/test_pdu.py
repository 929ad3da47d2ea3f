"""The stand-in PDU: exact registers as a function of time, and SNMP as the RFC says."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Misconfigured
from standins.pdu import ber
from standins.pdu.configuration import load_file
from standins.pdu.device import Happening, Kind, Pdu, state, table, true_energy_ws
from standins.pdu.load import Load, energy_ws, watts
from standins.pdu.responder import Table, answer

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(2025, 6, 1), datetime(2027, 6, 1), timezones=st.just(UTC))  # noqa: DTZ001  (naive by contract)
LOADS = st.builds(
    Load, st.integers(0, 20_000), st.integers(0, 200), st.integers(0, 100), st.integers(0, 20), st.integers()
)
ENERGY = ber.oid("1.3.6.1.4.1.318.1.1.26.4.3.1.9.1")
SERIAL = ber.oid("1.3.6.1.4.1.318.1.1.26.2.1.9.1")


def at(**after: float) -> datetime:
    return SINCE + timedelta(**after)


@given(LOADS, INSTANTS, INSTANTS, INSTANTS)
def test_energy_adds_up_wherever_it_is_cut(load: Load, a: datetime, b: datetime, c: datetime) -> None:
    start, middle, end = sorted((a, b, c))
    assert energy_ws(load, start, end) == energy_ws(load, start, middle) + energy_ws(load, middle, end)


@given(LOADS, st.integers(400_000, 500_000))
def test_an_hour_uses_its_watts(load: Load, hour: int) -> None:
    start = datetime.fromtimestamp(hour * 3600, UTC)
    assert energy_ws(load, start, start + timedelta(hours=1)) == watts(load, hour) * 3600


def test_the_day_has_a_peak_and_the_weekend_less_of_it() -> None:
    load = Load(1000, swing_percent=40, weekend_percent=50, noise_percent=0)
    hour = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp()) // 3600  # a Monday
    assert [watts(load, hour + h) for h in (3, 14)] == [1000, 1400]
    assert [watts(load, hour - 24 + h) for h in (3, 14)] == [1000, 1200]


EVENTS = st.dictionaries(st.integers(1, 40), st.tuples(st.sampled_from(Kind), st.integers(0, 7_000)), max_size=4)


@given(EVENTS, st.integers(0, 10_000))
def test_a_register_shows_what_went_through_since_it_was_set(events: dict[int, tuple[Kind, int]], minutes: int) -> None:
    """Each event sets the register to 5,000,000 and lasts less than the 200 minutes to the next."""
    happenings = [
        Happening(at(minutes=200 * n), kind, f"S{n}", 5_000_000, outage) for n, (kind, outage) in sorted(events.items())
    ]
    pdu, now = Pdu("p", "S", SINCE, 9_000_000, Load(1500), happenings=tuple(happenings)), at(minutes=minutes)
    past = [happening.at for happening in happenings if happening.at <= now]
    begun, register = (past[-1], 5_000_000) if past else (SINCE, 9_000_000)
    assert state(pdu, now).register_ws == register + true_energy_ws(pdu, begun, now)


def test_an_exchanged_pdu_has_another_serial_and_register_and_is_silent_meanwhile() -> None:
    exchange = Happening(at(hours=9), Kind.EXCHANGE, "ZB", 12 * 3_600_000, outage_s=2400)
    pdu = Pdu("p", "ZA", SINCE, 3400 * 3_600_000, Load(1140), happenings=(exchange,))
    assert state(pdu, at(hours=8)).serial == "ZA"
    assert table(pdu, at(hours=9, minutes=10)) is None
    after = state(pdu, at(hours=9, minutes=40))
    assert (after.serial, after.register_ws, after.answers) == ("ZB", 12 * 3_600_000, True)
    outage = energy_ws(pdu.load, at(hours=9), at(hours=9, minutes=40))
    assert true_energy_ws(pdu, SINCE, at(days=1)) == energy_ws(pdu.load, SINCE, at(days=1)) - outage


def test_a_reset_moves_its_start_time_and_a_reboot_counts_a_boot() -> None:
    happenings = (Happening(at(hours=1), Kind.RESET), Happening(at(hours=2), Kind.REBOOT))
    pdu = Pdu("p", "ZA", SINCE, 3_600_000_000, Load(1000), happenings=happenings)
    before, reset, rebooted = (state(pdu, at(hours=h)) for h in (0.5, 1, 2))
    assert (before.register_since, reset.register_since) == (SINCE, at(hours=1))
    assert (reset.register_ws, reset.boots) == (0, 1)
    assert (rebooted.boots, rebooted.booted_at) == (2, at(hours=2))
    assert rebooted.register_ws == energy_ws(pdu.load, at(hours=1), at(hours=2))


def small_table() -> Table:
    return Table({ber.oid(f"1.3.6.1.{n}.0"): ber.integer(n) for n in (1, 2, 3)})


def request(kind: int, *oids: str, first: int = 0, second: int = 0) -> ber.Request:
    return ber.Request(b"public", kind, 7, first, second, tuple(ber.oid(name) for name in oids))


def expected(kind: int, *bindings: tuple[str, bytes]) -> bytes:
    return ber.encode_response(request(kind), [(ber.oid(name), value) for name, value in bindings])


def test_get_names_what_is_absent() -> None:
    got = answer(request(ber.GET, "1.3.6.1.2.0", "1.3.6.1.9.0"), small_table())
    assert got == expected(ber.GET, ("1.3.6.1.2.0", ber.integer(2)), ("1.3.6.1.9.0", ber.NO_SUCH_INSTANCE))


def test_getnext_goes_to_the_end() -> None:
    got = answer(request(ber.GETNEXT, "1.3.6.1.2", "1.3.6.1.3.0"), small_table())
    assert got == expected(ber.GETNEXT, ("1.3.6.1.2.0", ber.integer(2)), ("1.3.6.1.3.0", ber.END_OF_MIB_VIEW))


def test_getbulk_repeats_what_is_to_be_repeated() -> None:
    got = answer(request(ber.GETBULK, "1.3.6.1.2", "1.3.6.1.1", first=1, second=2), small_table())
    bound = [("1.3.6.1.2.0", 2), ("1.3.6.1.1.0", 1), ("1.3.6.1.2.0", 2)]
    assert got == expected(ber.GETBULK, *((name, ber.integer(value)) for name, value in bound))


def test_an_answer_that_does_not_fit_is_too_big_or_cut() -> None:
    big = Table({ber.oid(f"1.3.6.1.{n}"): ber.text("x" * 500) for n in range(9)})
    single = answer(request(ber.GET, *(f"1.3.6.1.{n}" for n in range(9))), big)
    assert single == ber.encode_response(request(ber.GET), [], 1)
    bulk = answer(request(ber.GETBULK, "1.3.6", second=9), big)
    assert bulk is not None
    assert len(bulk) <= 1472


@given(st.binary(max_size=80))
def test_noise_is_refused_without_harm(datagram: bytes) -> None:
    with pytest.raises(ber.Malformed):
        ber.decode_request(b"\x30" + datagram)


@given(st.integers(-(2**31), 2**64 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=10))
def test_numbers_and_names_survive_the_wire(number: int, arcs: list[int]) -> None:
    from pyasn1.codec.ber import decoder  # type: ignore[import-untyped]

    assert int(decoder.decode(ber.integer(number))[0]) == number
    assert tuple(decoder.decode(ber.object_identifier((1, 3, *arcs)))[0]) == (1, 3, *arcs)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"pdus": [{"name": "a"}]}', "serial is missing"),
        ('{"pdus": [{"name": "a", "serial": "s", "since": "yesterday"}]}', "yesterday"),
        ('{"pdus": [{"name": "a", "serial": "s", "since": "2026-01-01T00:00:00Z", "colour": "red"}]}', "colour"),
        (
            '{"pdus": [{"name": "a", "serial": "s", "since": "2026-01-01T00:00:00Z", "register_kwh": 5}]}',
            "decimal string",
        ),
        (
            (
                '{"pdus": [{"name": "a", "serial": "s", "since": "2026-01-01T00:00:00Z", "events": ['
                '{"at": "2026-01-02T00:00:00Z", "kind": "reboot", "outage_s": 120},'
                '{"at": "2026-01-02T00:01:00Z", "kind": "reset"}]}]}'
            ),
            "while it is out",
        ),
        ("{", "Expecting"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "pdus.json"
    file.write_text(content)
    with pytest.raises(Misconfigured, match=problem):
        load_file(file)


def test_the_program_prints_where_it_answers_and_what_it_stands_at(tmp_path: Path) -> None:
    file = tmp_path / "pdus.toml"
    file.write_text('[[pdus]]\nname = "a"\nserial = "ZA"\nsince = "2026-01-01T00:00:00Z"\nregister_kwh = "10"\n')
    command = [sys.executable, "-m", "standins.pdu", "--config", str(file), "--at", "2026-01-01T00:00:00Z"]
    shown = subprocess.run([*command, "--print"], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout) == {"a": {"serial": "ZA", "register_ws": 36_000_000, "boots": 1}}
    missing = subprocess.run([*command[:-4], "--config", "/nonexistent"], capture_output=True, text=True, check=False)
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
