"""SNMP v2c requests over one long-lived pysnmp engine: GET and GETBULK by numeric OID, nothing else of pysnmp.

Everything known to go wrong with the library stays in this file: MIB look-ups are off (they cost half of the
throughput), walks are built from single GETBULKs (the library's own walks hang on silent hosts), and the order and
subtree of what comes back are checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pyasn1.type.univ import Integer  # type: ignore[import-untyped]
from pysnmp.error import PySnmpError  # type: ignore[import-untyped]
from pysnmp.hlapi.v3arch.asyncio import (  # type: ignore[import-untyped]
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    bulk_cmd,
    get_cmd,
)
from pysnmp.proto.rfc1902 import ObjectIdentifier, OctetString  # type: ignore[import-untyped]
from pysnmp.proto.rfc1905 import EndOfMibView, NoSuchInstance, NoSuchObject  # type: ignore[import-untyped]

from agents.collecting import PollFailed
from agents.profile import Raw

TOO_BIG = 1
VARBINDS_MAX = 25


class TooBig(PollFailed):
    """The device cannot put so many values into one answer."""


@dataclass(frozen=True)
class Address:
    """Where and how to ask. Timeouts are per try, in seconds."""

    host: str
    port: int
    community: str = field(repr=False)
    timeout_s: float
    retries: int


class SnmpTransport:
    """One engine for all devices of an event loop; it cannot be shared between loops."""

    def __init__(self) -> None:
        self._engine = SnmpEngine()
        self._targets: dict[Address, UdpTransportTarget] = {}
        self._objects: dict[str, ObjectType] = {}

    async def get(self, address: Address, oids: list[str]) -> dict[str, Raw]:
        """The values of these objects; an absent one is left out.

        Raises:
            TooBig: ask for fewer.
            PollFailed: no answer in time, or an error status.
        """
        answer = await self._ask(get_cmd, address, (), oids)
        return {name: raw for name, raw in answer if raw is not None and name in oids}

    async def bulk(
        self, address: Address, singles: list[str], columns: list[str]
    ) -> tuple[dict[str, Raw], list[tuple[str, Raw | None]]]:
        """The object after each of `singles`, and as many rows after each of `columns` as one answer takes.

        Returns:
            The singles by the name that came back, and the rows' values in the order of the answer, None at the end
            of the device's objects.
        """
        rows = max(1, (VARBINDS_MAX - len(singles)) // len(columns))
        answer = await self._ask(bulk_cmd, address, (len(singles), rows), singles + columns)
        head = {name: raw for name, raw in answer[: len(singles)] if raw is not None}
        return head, answer[len(singles) :]

    async def _ask(
        self, command: Any, address: Address, numbers: tuple[int, ...], oids: list[str]
    ) -> list[tuple[str, Raw | None]]:
        try:
            target = await self._target(address)
            indication, status, _, bindings = await command(
                self._engine,
                CommunityData(address.community, mpModel=1),  # noqa: S508  many PDUs in the field speak no v3
                target,
                ContextData(),
                *numbers,
                *map(self._object, oids),
                lookupMib=False,
            )
        except PySnmpError as error:
            raise PollFailed(str(error)) from error
        if indication:
            self._targets.pop(address, None)  # its name may point elsewhere by the next try
            raise PollFailed(str(indication))
        if int(status) == TOO_BIG:
            raise TooBig("the answer would be too big")
        if status:
            raise PollFailed(f"error status {int(status)}")
        return [(str(name), _raw(value)) for name, value in bindings]

    def _object(self, oid: str) -> ObjectType:
        """Resolving a name is a quarter of a poll's work, and profiles name few: keep what is resolved."""
        if oid not in self._objects:
            self._objects[oid] = ObjectType(ObjectIdentity(oid))
        return self._objects[oid]

    async def _target(self, address: Address) -> UdpTransportTarget:
        if address not in self._targets:
            self._targets[address] = await UdpTransportTarget.create(
                (address.host, address.port), timeout=address.timeout_s, retries=address.retries
            )
        return self._targets[address]

    def close(self) -> None:
        """Close the engine's socket."""
        self._engine.close_dispatcher()


def _raw(value: Any) -> Raw | None:
    """A number or a text, or None where the device has no such object."""
    if isinstance(value, NoSuchObject | NoSuchInstance | EndOfMibView):
        return None
    if isinstance(value, OctetString):
        return bytes(value).decode("utf-8", "replace").strip("\0 ")
    if isinstance(value, ObjectIdentifier):
        return str(value)
    if isinstance(value, Integer):
        return int(value)
    return None
