"""What an engineer wrote down when a device was exchanged: the old register's last value, the new one's first.

Both become readings that a person entered, beside those of the devices, and metering goes through the register again:
what the old device counted after its last poll and the new one before its first is billed as it stands on paper, and
nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.metering.late import Window
from billing.metering.readings import Entered, Reading
from core.decimals import format_decimal
from core.errors import Conflict, Invalid
from core.ids import encode
from core.quantity import convert, convertible
from models.places import Point
from services import lookups, metering
from services.clock import system_now
from services.context import Context
from services.metering_taking import Candidate, kept_as
from services.places import check_whole_provider
from services.usage_sent import SentReading
from stores.usage import backend
from stores.usage.port import RegisterState, StoredReading

APART = timedelta(seconds=1)


@dataclass(frozen=True)
class Exchange:
    """An exchange as it was entered, between the last poll of the old device and the first of the new one."""

    point_id: UUID
    register: str
    unit: str
    at: datetime
    closing: Decimal
    opening: Decimal
    reason: str
    last: Reading
    first: Reading


def enter(ctx: Context, point_id: UUID, values: Mapping[str, Any]) -> Exchange:
    """Put in the registers of an exchange.

    Args:
        values: `register`, `unit`, `at`, `closing`, `opening`, `reason`.

    Raises:
        NotFound: there is no such point.
        Invalid: `register_unknown`, `unit_mismatch`, `too_late`, `closing_below_last`, `opening_above_first`.
        Conflict: `no_exchange` between the readings around the instant, `exchange_entered` already, `instant_taken`.
    """
    check_whole_provider(ctx)
    point = lookups.by_id(ctx, Point, "point", point_id)
    at = values["at"].astimezone(UTC).replace(microsecond=0)
    if at < ctx.now - timedelta(days=ctx.provider.settings.usage_cutoff_days):
        raise Invalid("too_late", "What is that old was billed for good.", "/at")
    register = _register(ctx, point, values)
    stretch, units = {register.id: (at, at + APART)}, {register.id: register.unit}
    last, first = _around(backend().windows(ctx.session, ctx.provider.id, stretch, units).get(register.id), at)
    closing, opening = (convert(values[name], values["unit"], register.unit) for name in ("closing", "opening"))
    if closing < last.value:
        raise Invalid("closing_below_last", f"The last reading before was {last.value:f} {register.unit}.", "/closing")
    if opening > first.value:
        raise Invalid(
            "opening_above_first", f"The first reading after was {first.value:f} {register.unit}.", "/opening"
        )
    _store(ctx, register, [(at, closing, Entered.CLOSING), (at + APART, opening, Entered.OPENING)], values["reason"])
    return Exchange(point.id, register.name, register.unit, at, closing, opening, values["reason"], last, first)


def _register(ctx: Context, point: Point, values: Mapping[str, Any]) -> RegisterState:
    """The register, locked."""
    name, unit = values["register"], values["unit"]
    wanted = [(point.id, name, *kept_as(unit))]
    state = backend().lock_registers(ctx.session, ctx.provider.id, wanted)[point.id, name]
    if state.head is None or state.kind != "counter":
        raise Invalid("register_unknown", f"This point has no readings of a register {name}.", "/register")
    if not convertible(unit, state.unit):
        raise Invalid("unit_mismatch", f"This register is read in {state.unit}.", "/unit")
    return state


def _around(window: Window | None, at: datetime) -> tuple[Reading, Reading]:
    """The last reading of the old device and the first of the new one."""
    last = window.before if window else None
    first = next(iter(window.readings), None) if window else None
    if last is None or first is None:
        raise Conflict("no_exchange", "There are no readings both before and after this instant yet.", "/at")
    if first.at <= at + APART:
        raise Conflict("instant_taken", "There is a reading at this instant already.", "/at")
    if last.entered or first.entered:
        raise Conflict("exchange_entered", "The registers of this exchange were entered already.", "/at")
    if last.serial is not None and last.serial == first.serial:
        raise Conflict("no_exchange", f"Both readings around this instant are of device {last.serial}.", "/at")
    return last, first


def _store(
    ctx: Context, register: RegisterState, entered: list[tuple[datetime, Decimal, Entered]], reason: str
) -> None:
    now = system_now()
    rows = []
    for index, (at, value, kind) in enumerate(entered):
        evidence = {"entered": str(kind), "by": ctx.actor, "reason": reason}
        sent = SentReading(encode("point", register.point_id), register.name, register.unit, at, format_decimal(value))
        rows.append(Candidate(index, register, at, value, evidence, sent))
    stored = [StoredReading(c.register.id, c.at, c.value, c.evidence) for c in rows]
    backend().append_readings(ctx.session, ctx.provider.id, stored, now)
    metering.work_out(ctx, rows, now)
