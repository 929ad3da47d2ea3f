"""The SNMP collector: registers and identity of a unit in one request, outlets by GETBULK with the identity in front.

A swap must not slip between two requests: every reading's evidence comes from the very answer that brought its
register.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from agents.collecting import PollFailed, Stamp
from agents.profile import OutletTable, Profile, Raw, Register
from agents.readings import Evidence, Reading
from agents.snmp_transport import Address, SnmpTransport, TooBig
from agents.targets import Place, Target

ROWS_MAX = 512
TRY_S, PROBE_S = 2.0, 0.5
Values = dict[str, Raw]


@dataclass(frozen=True)
class Answer:
    """The values of one response and when it came; for a row of a table, that row's columns and the identity."""

    values: Values
    at: datetime
    unit: int = 1
    outlet: int | None = None


class SnmpCollector:
    """Reads SNMP v2c devices."""

    name = "snmp"

    def __init__(self) -> None:
        self._transport = SnmpTransport()

    async def read(self, target: Target, profile: Profile, stamp: Stamp, *, probe: bool = False) -> list[Reading]:
        """See `agents.collecting.Collector.read`."""
        if probe:
            await self._transport.get(_address(target, PROBE_S, retries=0), [profile.identity.uptime])
        readings: list[Reading] = []
        for unit in sorted({place.unit for place in target.places}):
            places = {place.outlet: place for place in target.places if place.unit == unit}
            if whole := places.pop(None, None):
                readings += await self._unit(target, profile, whole, profile.registers, stamp)
            if places and profile.outlets:
                for row in await self._rows(target, profile, profile.outlets, unit, stamp):
                    if row.outlet in places:
                        readings += _readings(target, profile, places[row.outlet], profile.outlets.registers, row)
        return readings

    async def _unit(
        self, target: Target, profile: Profile, place: Place, registers: Sequence[Register], stamp: Stamp
    ) -> list[Reading]:
        """One place's registers beside its identity; halved as often as the device finds the answer too big."""
        here = [register.in_unit(place.unit) for register in registers]
        rating = [profile.rating.source.format(unit=place.unit)] if profile.rating else []
        oids = profile.identity.sources(place.unit) + rating + _register_oids(here)
        try:
            values = await self._transport.get(_address(target), oids)
        except TooBig:
            if len(registers) == 1:
                raise
            half = len(registers) // 2
            first = await self._unit(target, profile, place, registers[:half], stamp)
            return first + await self._unit(target, profile, place, registers[half:], stamp)
        return _readings(target, profile, place, here, Answer(values, stamp(), place.unit))

    async def _rows(
        self, target: Target, profile: Profile, outlets: OutletTable, unit: int, stamp: Stamp
    ) -> list[Answer]:
        """The outlet rows of one unit. Walks the table, as many rows an answer as fit, until its end."""
        columns = [outlets.unit_column, outlets.number_column, *(r.source for r in outlets.registers)]
        wanted = profile.identity.sources(unit)
        found: list[Answer] = []
        last = 0
        for _ in range(ROWS_MAX):
            cursor = [f"{column}.{last}" if last else column for column in columns]
            head, listed = await self._transport.bulk(_address(target), [_before(oid) for oid in wanted], cursor)
            at = stamp()
            identity = {oid: raw for oid, raw in head.items() if oid in wanted}
            rows = _complete_rows(columns, listed, last)
            if not rows:
                break
            for row in rows.values():
                number = row.get(outlets.number_column)
                if row.get(outlets.unit_column) == unit and isinstance(number, int):
                    found.append(Answer({**identity, **row}, at, unit, number))
            last = max(rows)
        return found

    async def discover(self, target: Target, profile: Profile) -> list[Place]:
        """See `agents.collecting.Collector.discover`."""
        places = []
        for unit in range(1, profile.units_max + 1):
            registers = [register.in_unit(unit) for register in profile.registers]
            if await self._transport.get(_address(target), _register_oids(registers)):
                places.append(Place(f"pdu-{unit}", unit))
                places += await self._outlet_places(target, profile, unit)
        return places

    async def _outlet_places(self, target: Target, profile: Profile, unit: int) -> list[Place]:
        if profile.outlets is None:
            return []
        rows = await self._rows(target, profile, profile.outlets, unit, lambda: datetime.now(UTC))
        return [Place(f"pdu-{unit}/outlet-{row.outlet}", unit, row.outlet) for row in rows]

    async def facts(self, target: Target, profile: Profile) -> dict[str, str]:
        """See `agents.collecting.Collector.facts`."""
        oids = {name: source.format(unit=1) for name, source in profile.facts.items()}
        values = await self._transport.get(_address(target), list(oids.values()))
        return {name: str(values[oid]) for name, oid in oids.items() if oid in values}

    def close(self) -> None:
        """See `agents.collecting.Collector.close`."""
        self._transport.close()


PLUGIN = SnmpCollector


def _address(target: Target, timeout_s: float = TRY_S, retries: int = 1) -> Address:
    return Address(target.host, target.port, target.community, timeout_s, retries)


def _register_oids(registers: Sequence[Register]) -> list[str]:
    sources = [source for r in registers for source in (r.source, r.reset_source) if source]
    return list(dict.fromkeys(sources))


def _readings(
    target: Target, profile: Profile, place: Place, registers: Sequence[Register], answer: Answer
) -> list[Reading]:
    """What one answer says about one place: nothing for a register that is absent or has no value."""
    identity = profile.identity
    values = {register.name: register.value(answer.values.get(register.source)) for register in registers}
    rated_w = profile.rating.watts(answer.values, answer.unit) if profile.rating else None
    power_w = next((values[r.name] for r in registers if r.unit == "W"), None)
    readings = []
    for register in registers:
        value = values[register.name]
        if value is None:
            continue
        evidence = Evidence(
            serial=identity.serial(answer.values, answer.unit),
            boots=identity.boot_count(answer.values),
            uptime_s=identity.uptime_s(answer.values),
            reset_at=register.reset_at(answer.values.get(register.reset_source or ""), target.time_zone),
            power_w=power_w if register.kind == "counter" else None,
            modulus=register.modulus_in_unit,
            resolution=register.resolution,
            rated_power_w=rated_w if register.kind == "counter" else None,
        )
        readings.append(Reading(place.point, register.name, register.unit, answer.at, value, evidence))
    return readings


def _before(oid: str) -> str:
    """The name whose GETNEXT is this object."""
    parent, _, last = oid.rpartition(".")
    return parent if last in ("0", "1") else f"{parent}.{int(last) - 1}"


def _complete_rows(columns: list[str], listed: list[tuple[str, Raw | None]], last: int) -> dict[int, Values]:
    """The rows after `last` of which every column has come, by index and column.

    A column that has ended, or that lacks a row, holds nothing up; what follows the first row that was cut off is
    left for the next request.

    Raises:
        PollFailed: rows out of order, which would make a walk endless, or an answer without progress.
    """
    rows: dict[int, Values] = {}
    reached: dict[str, int] = {}
    ended = set()
    for position, (oid, raw) in enumerate(listed):
        column = columns[position % len(columns)]
        index = oid.removeprefix(f"{column}.")
        if raw is None or index == oid or not index.isdigit():
            ended.add(column)
            continue
        if int(index) <= reached.get(column, last):
            raise PollFailed("the device lists a table out of order")
        reached[column] = int(index)
        rows.setdefault(int(index), {})[column] = raw
    open_columns = [column for column in columns if column not in ended]
    whole = min((reached.get(column, last) for column in open_columns), default=max(rows, default=last))
    if open_columns and whole == last:
        raise PollFailed("the device's answers are too small for one row of its table")
    return {index: values for index, values in rows.items() if index <= whole}
