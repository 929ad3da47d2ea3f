"""The first look at readings that were sent: points found, registers locked, units converted, wrong ones refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from billing.metering.readings import QUANTITY_MAX, readable
from core.decimals import format_decimal
from core.quantity import convert, convertible, dimension
from models.places import Point
from services.context import Context
from services.sets import among
from services.usage_sent import (
    EVIDENCE_DECIMALS,
    IN_ITS_UNIT,
    Receipt,
    Rejection,
    Sent,
    SentEvidence,
    SentReading,
    wrong_decimal,
)
from stores.usage import backend
from stores.usage.port import RegisterState

AHEAD_MAX = timedelta(minutes=5)
# A register is kept in the smallest unit of its dimension, so that converting only ever multiplies.
BASE_UNITS = {"energy": "Wh", "power": "W", "data": "octets"}
LEVELS = frozenset({"V", "A", "mV", "mA", "Hz", "VA", "kVA", "var", "C", "°C", "%"})
Wrong = tuple[str, str]


@dataclass(frozen=True)
class Candidate:
    """A reading that may be stored. `value` is in the register's unit, `at` in whole seconds."""

    index: int
    register: RegisterState
    at: datetime
    value: Decimal
    evidence: Mapping[str, Any] | None
    sent: SentReading


@dataclass
class Taking:
    """What was sent, sorted.

    Args:
        candidates: one per (register, at).
        homeless: of points that nobody knows, to be kept in quarantine.
        conflicts: a second value for a (register, at) in the same request.
    """

    candidates: list[Candidate] = field(default_factory=list)
    homeless: list[SentReading] = field(default_factory=list)
    conflicts: list[Candidate] = field(default_factory=list)
    receipt: Receipt = field(default_factory=Receipt)


def sort_readings(ctx: Context, sent: Sent[SentReading], site_id: UUID | None = None) -> Taking:
    """Sort readings into what may be stored and what is refused; locks the registers they are for."""
    taking = Taking()
    good = _sound(ctx, sent, taking)
    points = _points(ctx, good, taking, site_id)
    wanted: dict[tuple[UUID, str], tuple[UUID, str, str, str]] = {}
    for _, reading in good:
        if (point := points.get(reading.point)) is not None:
            wanted.setdefault((point, reading.register), (point, reading.register, *kept_as(reading.unit)))
    registers = backend().lock_registers(ctx.session, ctx.provider.id, list(wanted.values())) if wanted else {}
    first: dict[tuple[UUID, datetime], Decimal] = {}
    for index, reading in good:
        if (point := points.get(reading.point)) is not None:
            _take(index, reading, registers[point, reading.register], first, taking)
    return taking


def kept_as(unit: str) -> tuple[str, str]:
    """The unit and kind of a register that is first read in this unit."""
    kind = "gauge" if unit in LEVELS or dimension(unit) == "power" else "counter"
    return BASE_UNITS.get(dimension(unit) or "", unit), kind


def _sound(ctx: Context, sent: Sent[SentReading], taking: Taking) -> Sent[SentReading]:
    """The readings that are well formed and in time."""
    oldest = ctx.now - timedelta(days=ctx.provider.settings.usage_cutoff_days)
    newest = ctx.now + AHEAD_MAX
    good: Sent[SentReading] = []
    for index, reading in sent:
        wrong = _wrong(reading, oldest, newest)
        if wrong is None:
            good.append((index, reading))
        else:
            taking.receipt.rejected.append(Rejection(index, *wrong))
    return good


def _wrong(reading: SentReading, oldest: datetime, newest: datetime) -> Wrong | None:
    if reading.at > newest:
        return "ahead_of_clock", "Readings are at most five minutes ahead of the provider's clock."
    if reading.at < oldest:
        return "too_late", f"Readings before {oldest:%Y-%m-%d %H:%M} UTC are not taken any more."
    told = reading.evidence
    if told is not None and told.reset_at is not None and not 1970 <= told.reset_at.year <= 2200:
        return "instant_out_of_range", "The time of the last reset is not in our time."
    numbers = [reading.value] if told is None else [reading.value, *_numbers_of(told)]
    return next((wrong for number in numbers if (wrong := wrong_decimal(number))), None)


def _numbers_of(told: SentEvidence) -> list[str]:
    return [number for name in EVIDENCE_DECIMALS if (number := getattr(told, name)) is not None]


def _points(ctx: Context, good: Sent[SentReading], taking: Taking, site_id: UUID | None) -> dict[str, UUID]:
    """The points by reference; readings of others are refused. Points belong to the provider, not to an account."""
    references = {reading.point for _, reading in good}
    known = backend().points(ctx.session, ctx.provider.id, references) if ctx.scope is None and references else {}
    if site_id is not None:
        known = _at_site(ctx, known, site_id)
    for index, reading in good:
        found = known.get(reading.point)
        if found is None:
            detail = f"There is no point {reading.point}."
            if ctx.scope is None:
                detail += " The reading is kept, and can be adopted once there is one."
                taking.homeless.append(reading)
            taking.receipt.rejected.append(Rejection(index, "point_unknown", detail))
        elif len(found) > 1:
            detail = f'Several sites have a point {reading.point}: write "site/path" or the id.'
            taking.receipt.rejected.append(Rejection(index, "point_ambiguous", detail))
    return {reference: next(iter(found)) for reference, found in known.items() if len(found) == 1}


def _at_site(ctx: Context, known: Mapping[str, set[UUID]], site_id: UUID) -> dict[str, set[UUID]]:
    """Of points, those of one site: a path that several sites have means this one's."""
    statement = select(Point.id).where(
        Point.provider_id == ctx.provider.id,
        Point.site_id == site_id,
        among(Point.id, {point for points in known.values() for point in points}),
    )
    own = set(ctx.session.scalars(statement))
    return {reference: points & own for reference, points in known.items() if points & own}


def _take(
    index: int,
    reading: SentReading,
    register: RegisterState,
    first: dict[tuple[UUID, datetime], Decimal],
    taking: Taking,
) -> None:
    value = Decimal(reading.value)
    wrong = _wrong_for(register, reading.unit, value)
    if wrong is not None:
        taking.receipt.rejected.append(Rejection(index, *wrong))
        return
    told = None if reading.evidence is None else _in_unit(msgspec.to_builtins(reading.evidence), reading, register)
    at = reading.at.astimezone(UTC).replace(microsecond=0)
    taken = Candidate(index, register, at, convert(value, reading.unit, register.unit), told, reading)
    before = first.setdefault((register.id, at), taken.value)
    if before is taken.value:
        taking.candidates.append(taken)
    elif before == taken.value:
        taking.receipt.duplicates += 1
    else:
        taking.conflicts.append(taken)


def _in_unit(told: dict[str, Any], reading: SentReading, register: RegisterState) -> dict[str, Any]:
    """Evidence as it is kept: what is told in the reading's unit, in the register's."""
    if reading.unit != register.unit:
        for name in IN_ITS_UNIT:
            if name in told:
                told[name] = format_decimal(convert(Decimal(told[name]), reading.unit, register.unit))
    return told


def _wrong_for(register: RegisterState, unit: str, value: Decimal) -> Wrong | None:
    if not convertible(unit, register.unit):
        return "unit_mismatch", f"This register is read in {register.unit}; {unit} cannot be converted to it."
    if register.kind == "counter" and not readable(value):
        return "no_reading", "A register below zero says that the device has no value now. That is no reading."
    if convert(abs(value), unit, register.unit) >= QUANTITY_MAX:
        return "decimal_out_of_range", f"No register shows {QUANTITY_MAX:.0e} {register.unit} or more."
    return None
