"""`busbar-agent check`: what would be read from a device, as a table for people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from agents import profile as profiles
from agents.collecting import Collector, PollFailed
from agents.readings import Reading
from agents.targets import Target
from core.errors import Misconfigured
from core.registry import plugins

BUDGET_S = 30.0
HEADINGS = ("point", "register", "value", "unit", "serial", "counts since")


async def check(target: Target) -> list[str]:
    """Ask one device for everything its profile knows.

    Returns:
        Lines to print: what the device is, then a table of its registers.

    Raises:
        Misconfigured: the profile is unknown, or the device does not answer or has none of its registers.
    """
    profile = profiles.load(target.profile)
    collector = cast(Collector, plugins("agents.collectors")[profile.collector]())
    where = f"{target.host}:{target.port}"
    try:
        async with asyncio.timeout(BUDGET_S):
            places = await collector.discover(target, profile)
            facts = await collector.facts(target, profile)
            found = replace(target, places=tuple(places))
            readings = await collector.read(found, profile, lambda: datetime.now(UTC))
    except (PollFailed, TimeoutError, OSError) as error:
        reason = str(error) or "too slow"
        raise Misconfigured(f"{where} does not answer SNMP ({reason}); check address, port and community") from error
    finally:
        collector.close()
    if not readings:
        raise Misconfigured(f"{where} answers, but has no register of profile {profile.name}")
    said = ", ".join(f"{name} {value}" for name, value in facts.items())
    return [f"{where}: {profile.title}{', ' + said if said else ''}", "", *_table([_row(r) for r in readings])]


def _row(reading: Reading) -> tuple[str, ...]:
    since = reading.evidence.reset_at
    return (
        reading.point,
        reading.register,
        reading.value,
        reading.unit,
        reading.evidence.serial or "unknown",
        f"{since:%Y-%m-%d %H:%M:%S}" if since else "",
    )


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    listed = [HEADINGS, *rows]
    widths = [max(len(row[column]) for row in listed) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in listed]
