"""Readings: taken in bulk, and what they mean worked out in the same transaction.

A batch costs a fixed number of statements however many readings and registers it has. Registers are locked in the
order of their ids, so batches about the same registers follow each other; readings in order need nothing but the
register's head, late ones replay a window (`billing.metering.late`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from billing.metering.intervals import Replay, replay
from billing.metering.late import Window, rework
from billing.metering.readings import Limits, Reading
from services import metering_doubts, metering_missing, metering_suspects, places_devices, spending_news
from services.clock import system_now
from services.context import Context
from services.metering_taking import Candidate, Taking, sort_readings
from services.usage_sent import Receipt, Rejection, Sent, SentReading
from stores.usage import backend
from stores.usage.port import RegisterState, Rewrite, StoredReading

CONFLICT = "reading_conflict", "Another value was taken for this point, register and instant; the first is kept."


def take_readings(ctx: Context, sent: Sent[SentReading], *, site_id: UUID | None = None) -> Receipt:
    """Store readings and what they mean; what cannot be taken is refused by its index, the rest counts.

    Args:
        site_id: the only site whose points the caller may report; None for all.

    Codes: `point_unknown` (kept in quarantine), `point_ambiguous`, `too_late`, `ahead_of_clock`, `no_reading`,
    `decimal_malformed`, `decimal_out_of_range`, `unit_mismatch`, `reading_conflict` (the second
    value is kept in quarantine), `unit_suspect` (likewise).
    """
    now = system_now()
    taking = sort_readings(ctx, sent, site_id)
    metering_doubts.quarantine(ctx, "unknown_point", taking.homeless, now)
    metering_suspects.hold_back(ctx, taking, now)
    if taking.candidates:
        fresh = _append(ctx, taking, now)
        taking.receipt.accepted = len(fresh)
        work_out(ctx, fresh, now)
    taking.receipt.rejected.sort(key=lambda r: r.index)
    return taking.receipt


def _append(ctx: Context, taking: Taking, now: datetime) -> list[Candidate]:
    """Store what is new. A key that is taken is a duplicate with the same value, a conflict with another."""
    rows = {(c.register.id, c.at): c for c in taking.candidates}
    stored = [StoredReading(c.register.id, c.at, c.value, c.evidence) for c in rows.values()]
    new = backend().append_readings(ctx.session, ctx.provider.id, stored, now)
    taken = [key for key in rows if key not in new]
    values = backend().values_at(ctx.session, ctx.provider.id, taken) if taken else {}
    conflicts = list(taking.conflicts)
    for key in taken:
        if values[key] == rows[key].value:
            taking.receipt.duplicates += 1
        else:
            conflicts.append(rows[key])
    taking.receipt.rejected += [Rejection(c.index, *CONFLICT) for c in conflicts]
    metering_doubts.quarantine(ctx, "conflict", [c.sent for c in conflicts], now)
    metering_doubts.report_conflicts(ctx, conflicts)
    return [rows[key] for key in rows if key in new]


def work_out(ctx: Context, fresh: Sequence[Candidate], now: datetime) -> None:
    """Intervals, epochs, hours, heads, anomalies and devices of every register that has something new."""
    registers: dict[UUID, RegisterState] = {}
    news: dict[UUID, list[Reading]] = defaultdict(list)
    for c in fresh:
        if c.register.kind == "counter":
            registers[c.register.id] = c.register
            news[c.register.id].append(Reading.told(c.at, c.value, c.register.unit, c.evidence))
    late = {}
    for register, readings in news.items():
        readings.sort(key=lambda r: r.at)
        head = registers[register].head
        if head is not None and readings[0].at < head.reading.at:
            late[register] = (readings[0].at, readings[-1].at)
    rewrites = _in_order(ctx, registers, {r: news[r] for r in news if r not in late})
    rewrites += _late(ctx, registers, late)
    if rewrites:
        backend().rewrite(ctx.session, ctx.provider.id, [rewrite for rewrite, _ in rewrites], now)
        spending_news.note_registers(ctx, {r.register_id: r.intervals[0].start for r, _ in rewrites if r.intervals})
    metering_doubts.report_breaks(ctx, registers, rewrites)
    metering_suspects.report_stuck(ctx, registers, rewrites)
    metering_missing.settle(ctx, registers, rewrites)
    places_devices.note(ctx, registers, [rewrite for rewrite, _ in rewrites])


def _in_order(
    ctx: Context, registers: Mapping[UUID, RegisterState], news: Mapping[UUID, list[Reading]]
) -> list[tuple[Rewrite, Replay]]:
    """Readings after the head: the head is all that is needed, and the epoch where they add to its identity."""
    teaching = {r: registers[r].head.reading.at for r, readings in news.items() if _teaches(registers[r], readings)}  # type: ignore[union-attr]
    epochs = backend().epochs_at(ctx.session, ctx.provider.id, teaching) if teaching else {}
    made = []
    for register, readings in news.items():
        state = registers[register]
        result = replay(state.head, readings, Limits.rated(state.unit, state.rating), epochs.get(register))
        made.append((_rewrite(register, result, None, None, appends=True), result))
    return made


def _teaches(state: RegisterState, readings: Sequence[Reading]) -> bool:
    """Whether readings tell a serial number or a time of reset that was not known of the device."""
    head = state.head
    if head is None:
        return False
    return any((r.serial and not head.serial) or (r.reset_at and not head.reset_at) for r in readings)


def _late(
    ctx: Context, registers: Mapping[UUID, RegisterState], late: Mapping[UUID, tuple[datetime, datetime]]
) -> list[tuple[Rewrite, Replay]]:
    """Readings before the head: replay the window around them, or to the end where the window does not settle."""
    made: list[tuple[Rewrite, Replay]] = []
    stretches: dict[UUID, tuple[datetime, datetime | None]] = dict(late)
    while stretches:
        units = {register: registers[register].unit for register in stretches}
        windows = backend().windows(ctx.session, ctx.provider.id, stretches, units)
        unsettled: dict[UUID, tuple[datetime, datetime | None]] = {}
        for register, window in windows.items():
            state = registers[register]
            result = rework(window, Limits.rated(state.unit, state.rating))
            if result is None:
                unsettled[register] = (stretches[register][0], None)
            else:
                made.append((_in_window(register, window, result), result))
        stretches = unsettled
    return made


def _in_window(register: UUID, window: Window, result: Replay) -> Rewrite:
    after = window.before.at if window.before else None
    until = window.readings[-1].at if window.horizon else None
    return _rewrite(register, result, after, until, appends=False)


def _rewrite(
    register: UUID, result: Replay, after: datetime | None, until: datetime | None, *, appends: bool
) -> Rewrite:
    evidence = {b.epoch_start: metering_doubts.evidence(b) for b in result.breaks if b.epoch_start is not None}
    return Rewrite(
        register_id=register,
        intervals=result.intervals,
        epochs=result.epochs,
        evidence=evidence,
        after=after,
        until=until,
        appends=appends,
        head=result.head if until is None else None,
    )
