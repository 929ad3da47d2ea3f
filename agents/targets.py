"""What to poll, as the server configures it: devices, and which of their registers belongs to which point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import Misconfigured

INTERVAL_S_DEFAULT = 300
UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True)
class Place:
    """A part of a device that measures one point: a whole unit of a chain, or one of its outlets."""

    point: str
    unit: int = 1
    outlet: int | None = None


@dataclass(frozen=True)
class Target:
    """A device.

    Args:
        name: unique within the agent; spreads the polls over the interval.
        community: SNMP's password, kept out of every representation.
        time_zone: of the device's own clock, for the times it tells as text.
    """

    name: str
    host: str
    profile: str
    places: tuple[Place, ...]
    port: int = 161
    community: str = field(default="public", repr=False)
    time_zone: ZoneInfo = UTC_ZONE
    interval_s: int = INTERVAL_S_DEFAULT


@dataclass(frozen=True)
class Configuration:
    """What the server wants of this agent, as of a version of it."""

    version: int
    site: str
    time_zone: ZoneInfo
    targets: tuple[Target, ...]


def parse_configuration(document: Mapping[str, Any]) -> Configuration:
    """Read the answer of `GET /v1/agents/self/config`.

    Raises:
        Misconfigured: a member is missing or wrong; the agent then goes on with what it had.
    """
    try:
        return Configuration(
            version=int(document["version"]),
            site=str(document["site"]["code"]),
            time_zone=ZoneInfo(document["site"]["time_zone"]),
            targets=tuple(_target(item) for item in document["targets"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ZoneInfoNotFoundError) as error:
        raise Misconfigured(f"the server's configuration cannot be used: {error!r}") from error


def _target(item: Mapping[str, Any]) -> Target:
    return Target(
        name=str(item.get("name") or f"{item['host']}:{item.get('port', 161)}"),
        host=str(item["host"]),
        port=int(item.get("port") or 161),
        community=str(item.get("community") or "public"),
        profile=str(item["profile"]),
        time_zone=ZoneInfo(item.get("time_zone") or "UTC"),
        interval_s=max(1, int(item.get("interval_s") or INTERVAL_S_DEFAULT)),
        places=tuple(
            Place(str(p["point"]), int(p.get("pdu") or 1), int(p["outlet"]) if p.get("outlet") else None)
            for p in item["points"]
        ),
    )
