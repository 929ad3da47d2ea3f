"""A PDU at an instant: which unit hangs there, what its registers say, and that as SNMP objects.

The past of a unit is a list of happenings (exchanged, reset by a user, rebooted); its state at any instant follows
from them and from the load alone, so a stand-in that was killed comes back exactly where it would have been.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from standins.pdu import ber
from standins.pdu.load import WS_PER_KWH, Load, energy_ws, seconds, watts
from standins.pdu.responder import Table

APC = "1.3.6.1.4.1.318.1.1"
WS_PER_RAW = WS_PER_KWH // 10  # rPDU2DeviceStatusEnergy counts 0.1 kWh
WATTS_PER_RAW = 10  # rPDU2DeviceStatusPower counts 0.01 kW


class Kind(StrEnum):
    EXCHANGE = "exchange"
    RESET = "reset"
    REBOOT = "reboot"


@dataclass(frozen=True)
class Happening:
    """Something that happens to a PDU at an instant.

    Args:
        kind: another unit takes its place, a user sets its register to zero, or its card restarts.
        serial: of the unit that takes its place.
        register_ws: the register afterwards; None leaves it (a reboot keeps it in non-volatile memory).
        outage_s: for how long nothing answers and nothing is used.
    """

    at: datetime
    kind: Kind
    serial: str | None = None
    register_ws: int | None = None
    outage_s: int = 0


@dataclass(frozen=True)
class Pdu:
    """One PDU of the stand-in.

    Args:
        since: when its register was `register_ws`, and when its card was started first.
        outlets: how many metered outlets share the load evenly; 0 for a model without them.
    """

    name: str
    serial: str
    since: datetime
    register_ws: int = 0
    load: Load = field(default_factory=Load)
    community: str = "public"
    port: int = 0
    model: str = "AP8959EU3"
    firmware: str = "v6.4.0"
    outlets: int = 0
    happenings: tuple[Happening, ...] = ()


@dataclass(frozen=True)
class State:
    """A PDU at an instant. `register_ws` is exact; devices show it cut to their resolution."""

    serial: str
    register_ws: int
    register_since: datetime
    boots: int
    booted_at: datetime
    answers: bool


def state(pdu: Pdu, at: datetime) -> State:
    """The state at an instant. Before `since` the register does not move."""
    now = State(pdu.serial, pdu.register_ws, pdu.since, 1, pdu.since, True)
    counted_to = pdu.since
    for happening in pdu.happenings:
        if happening.at > at:
            break
        used = energy_ws(pdu.load, counted_to, happening.at)
        back = happening.at + timedelta(seconds=happening.outage_s)
        now = _after(replace(now, register_ws=now.register_ws + used), happening, back)
        counted_to = back
        if at < back:
            return replace(now, answers=False)
    return replace(now, register_ws=now.register_ws + energy_ws(pdu.load, counted_to, at))


def _after(before: State, happening: Happening, back: datetime) -> State:
    zero = 0 if happening.kind is Kind.RESET else before.register_ws
    register_ws = zero if happening.register_ws is None else happening.register_ws
    if happening.kind is Kind.RESET:
        return replace(before, register_ws=register_ws, register_since=back)
    if happening.kind is Kind.REBOOT:
        return replace(before, register_ws=register_ws, boots=before.boots + 1, booted_at=back)
    # A unit that takes another's place has a history of its own: it was zeroed long before, in its factory.
    return State(happening.serial or before.serial, register_ws, back - timedelta(days=30), 3, back, True)


def true_energy_ws(pdu: Pdu, start: datetime, end: datetime) -> int:
    """What really went through this place in a span, in watt-seconds: the load, less the outages. The figure that a
    correct bill agrees with."""
    total = energy_ws(pdu.load, max(start, pdu.since), end)
    for happening in pdu.happenings:
        back = happening.at + timedelta(seconds=happening.outage_s)
        total -= energy_ws(pdu.load, max(start, happening.at), min(end, back))
    return total


def table(pdu: Pdu, at: datetime) -> Table | None:
    """The SNMP objects at an instant, or None while nothing answers.

    Source: PowerNet-MIB (rPDU2), SNMPv2-MIB (system), SNMP-FRAMEWORK-MIB (snmpEngine).
    """
    now = state(pdu, at)
    if not now.answers:
        return None
    power_w = watts(pdu.load, seconds(at) // 3600)
    uptime_s = max(0, int((at - now.booted_at).total_seconds()))
    objects = {
        "1.3.6.1.2.1.1.1.0": ber.text(_description(pdu, now)),
        "1.3.6.1.2.1.1.2.0": ber.object_identifier(ber.oid("1.3.6.1.4.1.318.1.3.4.6")),
        "1.3.6.1.2.1.1.3.0": ber.integer(uptime_s * 100 % 2**32, ber.TIMETICKS),
        "1.3.6.1.2.1.1.5.0": ber.text(pdu.name),
        "1.3.6.1.6.3.10.2.1.2.0": ber.integer(now.boots),
        "1.3.6.1.6.3.10.2.1.3.0": ber.integer(uptime_s),
        f"{APC}.26.2.1.6.1": ber.text(pdu.firmware),
        f"{APC}.26.2.1.8.1": ber.text(pdu.model),
        f"{APC}.26.2.1.9.1": ber.text(now.serial),
        f"{APC}.26.4.3.1.1.1": ber.integer(1),
        f"{APC}.26.4.3.1.2.1": ber.integer(1),
        f"{APC}.26.4.3.1.3.1": ber.text(pdu.name),
        f"{APC}.26.4.3.1.5.1": ber.integer(power_w // WATTS_PER_RAW),
        f"{APC}.26.4.3.1.9.1": ber.integer(now.register_ws // WS_PER_RAW),
        f"{APC}.26.4.3.1.10.1": ber.text(now.register_since.strftime("%m/%d/%Y %H:%M:%S")),
    }
    objects.update(_outlets(pdu, now, power_w))
    return Table({ber.oid(name): value for name, value in objects.items()})


def _description(pdu: Pdu, now: State) -> str:
    return (
        f"APC Web/SNMP Management Card (MB:v4.1.0 PF:{pdu.firmware} PN:apc_hw05_aos_640.bin AF1:{pdu.firmware} "
        f"AN1:apc_hw05_rpdu2g_640.bin MN:{pdu.model} HR:02 SN: {now.serial} MD:09/20/2016) "
    )


def _outlets(pdu: Pdu, now: State, power_w: int) -> dict[str, bytes]:
    """Rows of rPDU2OutletMeteredStatusTable: index, module, name, number, watts, 0.1 kWh."""
    objects = {}
    for number in range(1, pdu.outlets + 1):
        row = f"{APC}.26.9.4.3.1.{{}}.{number}"
        objects[row.format(1)] = ber.integer(number)
        objects[row.format(2)] = ber.integer(1)
        objects[row.format(3)] = ber.text(f"Outlet {number}")
        objects[row.format(4)] = ber.integer(number)
        objects[row.format(7)] = ber.integer(power_w // pdu.outlets)
        objects[row.format(11)] = ber.integer(now.register_ws // pdu.outlets // WS_PER_RAW)
    return objects
