"""Readings that follow every rule and still cannot be believed: held, or told to people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from billing.metering import suspects
from billing.metering.intervals import Replay
from billing.metering.quality import ZERO
from billing.metering.readings import HOUR_S, Head, Limits, Rate, Reading
from billing.metering.steps import Step
from services import metering_doubts
from services.context import Context
from services.metering_taking import Candidate, Taking
from services.usage_sent import Rejection
from stores.usage import backend
from stores.usage.port import RegisterState, Rewrite

HELD = (
    "unit_suspect",
    "This looks like the register in another unit. It is held until the unit, or the doubt, is settled.",
)
FAR = 9


def hold_back(ctx: Context, taking: Taking, now: datetime) -> None:
    """Take readings that look like another unit's out of what is to be stored, keep them in quarantine, and tell.

    What comes after them is compared with the last reading that was believed, so metering goes on where it was once
    the unit is right again.
    """
    by_register: dict[UUID, list[Candidate]] = defaultdict(list)
    for candidate in taking.candidates:
        by_register[candidate.register.id].append(candidate)
    found = [each for own in by_register.values() for each in _suspects(own)]
    accepted = metering_doubts.units_accepted(ctx, [(c.register, before.at) for c, before, _ in found])
    held = [each for each in found if each[0].register.id not in accepted]
    if not held:
        return
    out = {id(c) for c, _, _ in held}
    taking.candidates = [c for c in taking.candidates if id(c) not in out]
    taking.receipt.rejected += [Rejection(c.index, *HELD) for c, _, _ in held]
    metering_doubts.quarantine(ctx, metering_doubts.UNIT, [c.sent for c, _, _ in held], now)
    metering_doubts.report_units(ctx, held)


def _suspects(own: Sequence[Candidate]) -> Iterable[tuple[Candidate, Reading, Decimal]]:
    """Of one register's candidates those that look like another unit's, with the reading before and the factor."""
    register = own[0].register
    if register.kind != "counter":
        return
    head, limits = register.head, Limits.rated(register.unit, register.rating)
    last, waiting = head.reading.value if head else None, []
    for candidate in sorted(own, key=lambda c: c.at):
        if head is not None and candidate.at <= head.reading.at:
            continue  # late ones lie between readings that were believed
        waiting.append(candidate)
        if last is not None and not last <= candidate.value <= last * FAR:
            for each in waiting[:-1]:
                head = _after(head, each)
            waiting = []
            reading = _reading(candidate)
            factor = suspects.other_unit(head, reading, limits) if head else None
            if head is not None and factor is not None:
                yield candidate, head.reading, factor
                continue
            head = _after(head, candidate)
        last = candidate.value


def _reading(candidate: Candidate) -> Reading:
    return Reading.told(candidate.at, candidate.value, candidate.register.unit, candidate.evidence)


def _after(head: Head | None, candidate: Candidate) -> Head:
    """The head after a candidate; only what rules read of it matters here."""
    reading = _reading(candidate)
    return Head.first(reading) if head is None else head.then(reading)


def report_stuck(
    ctx: Context, registers: Mapping[UUID, RegisterState], rewrites: Iterable[tuple[Rewrite, Replay]]
) -> None:
    """Tell of registers that stand still while power flows: for longer than their resolution explains."""
    asked: dict[UUID, tuple[datetime, datetime]] = {}
    most: dict[UUID, Decimal] = {}
    latest: dict[UUID, Reading] = {}
    for rewrite, result in rewrites:
        register = registers[rewrite.register_id]
        if result.head is None or not _stood_still(result):
            continue
        reading, rate = result.head.reading, result.head.reading.rate
        limits = Limits.rated(register.unit, register.rating).else_of(reading.limits)
        moves = suspects.should_have_moved(limits.resolution, register.unit)
        span = suspects.look_back(moves, rate) if moves is not None and rate is not None else None
        if moves is not None and span is not None:
            asked[register.id] = reading.at - span, reading.at
            most[register.id], latest[register.id] = moves, reading
    if not asked:
        return
    found = backend().standing_still(ctx.session, ctx.provider.id, asked)
    expected = {r: Rate(power, HOUR_S).over(asked[r][1] - since) for r, (since, power) in found.items()}
    stuck = [r for r in found if expected[r] >= most[r]]
    metering_doubts.report_stuck(ctx, [(registers[r], latest[r], found[r][0], expected[r]) for r in stuck])


def _stood_still(result: Replay) -> bool:
    last = result.intervals[-1] if result.intervals else None
    return last is not None and last.step is Step.NORMAL and last.quantity == ZERO
