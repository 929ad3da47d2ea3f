"""What is doubtful about readings: anomalies for people, events for programs, and readings kept aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from billing.metering.intervals import Break, Replay
from billing.metering.readings import Reading
from billing.metering.steps import Step
from billing.states import ANOMALY
from core.decimals import format_decimal
from core.errors import NotFound
from core.ids import encode, new_id
from core.period import rfc3339
from models.places import Anomaly
from models.usage import ReadingQuarantine
from services import outbox
from services.context import Context
from services.lookups import by_id
from services.metering_taking import Candidate
from services.outbox import Emission
from services.paging import Slice, Window, newest_first
from services.sets import among
from services.usage_sent import SentReading
from stores.usage.port import RegisterState, Rewrite

CONFLICT, UNIT, STUCK, MISSING = "reading_conflict", "unit_suspect", "stuck", "readings_missing"
# kind of anomaly -> the event that tells of it, and what to do about it
KINDS: Mapping[str, tuple[str, str]] = {
    Step.SWAP: (
        "meter.swapped",
        "Enter the closing and opening registers (`POST /v1/points/{id}/exchanges`) if an engineer noted them.",
    ),
    Step.RESET: ("meter.reset", "Ask who zeroed the register; close write access over SNMP."),
    Step.REBOOT: ("meter.restarted", "Nothing, if the device was meant to restart; its counter does not survive that."),
    Step.NEGATIVE: ("meter.negative_step", "Look at the device: the register fell without a swap, reset or restart."),
    Step.SPIKE: ("meter.spike", "Look at the device, or correct the point's rating."),
    Step.AMBIGUOUS: (
        "meter.ambiguous",
        "Read the 64-bit counter, or poll more often: this one wraps between two polls.",
    ),
    UNIT: (
        "meter.unit_suspect",
        "Correct the unit or scale of the device's profile; dismiss this if the value is right.",
    ),
    STUCK: ("meter.stuck", "Look at the device: power flows, and its register stands still."),
    MISSING: (
        "meter.readings_missing",
        "Look at the agent and the device, or end the assignment of a place that is gone.",
    ),
    CONFLICT: ("meter.reading_conflict", "Two values for one instant: look which of the senders is wrong."),
}


OPEN = tuple(state for state in ANOMALY.states if ANOMALY.allows(state, "resolve"))


def evidence(found: Break) -> dict[str, Any]:
    """Both sides of a break as JSON values, in the register's unit."""
    return {
        "before": _side(found.before, found.old_serial),
        "after": _side(found.after, found.new_serial),
        "naive_difference": format_decimal(found.difference),
        "estimated": format_decimal(found.estimated),
    }


def _side(reading: Reading, serial: str | None) -> dict[str, Any]:
    return {"at": rfc3339(reading.at), "value": format_decimal(reading.value), "serial": serial}


def report_breaks(
    ctx: Context, registers: Mapping[UUID, RegisterState], rewrites: Iterable[tuple[Rewrite, Replay]]
) -> None:
    """Write an anomaly and an event for each new break; those that late readings explained away are resolved."""
    rows: list[dict[str, Any]] = []
    for rewrite, result in rewrites:
        register = registers[rewrite.register_id]
        rows += [
            _row(register, b.step, b.after.at, evidence(b) | {"unit": register.unit})
            for b in result.breaks
            if b.after.entered is None  # a person wrote it down: no doubt is left
        ]
        if not rewrite.appends:
            _resolve(ctx, register, rewrite, {(str(b.step), b.after.at) for b in result.breaks})
    report(ctx, rows)


def report_conflicts(ctx: Context, conflicts: Iterable[Candidate]) -> None:
    """Write an anomaly and an event for each conflict."""
    report(
        ctx,
        [
            _row(c.register, CONFLICT, c.at, {"refused": format_decimal(c.value), "unit": c.register.unit})
            for c in conflicts
        ],
    )


def report_units(ctx: Context, held: Iterable[tuple[Candidate, Reading, Decimal]]) -> None:
    """Write an anomaly and an event for each register with readings that look like another unit's; it is about the
    last reading before, so that it is told once however many of them follow.

    Args:
        held: each with the reading before, and the factor by which it would go on there.
    """
    report(
        ctx,
        [
            _row(
                c.register,
                UNIT,
                before.at,
                {
                    "before": _side(before, before.serial),
                    "after": {"at": rfc3339(c.at), "value": format_decimal(c.value)},
                    "factor": format_decimal(factor),
                    "unit": c.register.unit,
                },
            )
            for c, before, factor in held
        ],
    )


def report_stuck(ctx: Context, found: Iterable[tuple[RegisterState, Reading, datetime, Decimal]]) -> None:
    """Write an anomaly and an event for each register that stands still under load, unless one is open already.

    Args:
        found: the register, its latest reading, since when it shows that, and what should have flowed since.
    """
    stuck = list(found)
    if not stuck:
        return
    known = ctx.session.execute(
        select(Anomaly.point_id, Anomaly.register).where(
            Anomaly.provider_id == ctx.provider.id,
            among(Anomaly.point_id, {register.point_id for register, *_ in stuck}),
            Anomaly.kind == STUCK,
            among(Anomaly.status, OPEN),
        )
    ).all()
    told = {tuple(row) for row in known}
    report(
        ctx,
        [
            _row(
                register,
                STUCK,
                latest.at,
                {
                    "since": rfc3339(since),
                    "value": format_decimal(latest.value),
                    "expected": format_decimal(expected),
                    "unit": register.unit,
                },
            )
            for register, latest, since, expected in stuck
            if (register.point_id, register.name) not in told
        ],
    )


def units_accepted(ctx: Context, suspects: Iterable[tuple[RegisterState, datetime]]) -> set[UUID]:
    """The registers whose suspect unit a person has looked at and found right, since that reading of theirs."""
    asked = {(register.point_id, register.name, at): register.id for register, at in suspects}
    if not asked:
        return set()
    rows = ctx.session.execute(
        select(Anomaly.point_id, Anomaly.register, Anomaly.at).where(
            Anomaly.provider_id == ctx.provider.id,
            among(Anomaly.point_id, {point for point, _, _ in asked}),
            Anomaly.kind == UNIT,
            Anomaly.status == "dismissed",
        )
    ).all()
    return {asked[key] for row in rows if (key := (row.point_id, row.register, row.at)) in asked}


def _row(register: RegisterState, kind: str, at: datetime, told: dict[str, Any]) -> dict[str, Any]:
    told["suggestion"] = suggestion(kind)
    return {"point_id": register.point_id, "register": register.name, "kind": str(kind), "at": at, "evidence": told}


def suggestion(kind: str) -> str:
    """What to do about a kind of anomaly."""
    return KINDS[kind][1]


def report(ctx: Context, rows: Sequence[dict[str, Any]]) -> None:
    """Write anomalies that are not known yet, each with its event.

    Args:
        rows: `point_id`, `register`, `kind`, `at`, `evidence`; the first four are an anomaly's identity.
    """
    if not rows:
        return
    common = {"provider_id": ctx.provider.id, "created_at": ctx.now}
    statement = insert(Anomaly).on_conflict_do_nothing().returning(Anomaly)
    made = ctx.session.scalars(statement, [row | common | {"id": new_id()} for row in rows]).all()
    outbox.emit_all(ctx, [Emission(KINDS[a.kind][0], "anomaly", a.id, facts(a)) for a in made])


def _resolve(ctx: Context, register: RegisterState, rewrite: Rewrite, kept: set[tuple[str, datetime]]) -> None:
    stretch = [Anomaly.at > rewrite.after] if rewrite.after else []
    stretch += [Anomaly.at <= rewrite.until] if rewrite.until else []
    gone = update(Anomaly).where(
        Anomaly.provider_id == ctx.provider.id,
        Anomaly.point_id == register.point_id,
        Anomaly.register == register.name,
        Anomaly.kind.in_(list(Step)),
        among(Anomaly.status, OPEN),
        *stretch,
    )
    if kept:
        gone = gone.where(tuple_(Anomaly.kind, Anomaly.at).not_in(kept))
    ctx.session.execute(gone.values(status="resolved"))


def facts(anomaly: Anomaly) -> dict[str, Any]:
    """An anomaly as events show it."""
    return {
        "id": encode("anomaly", anomaly.id),
        "point": encode("point", anomaly.point_id),
        "register": anomaly.register,
        "kind": anomaly.kind,
        "at": rfc3339(anomaly.at),
        "status": anomaly.status,
        "evidence": anomaly.evidence,
    }


def list_anomalies(
    ctx: Context,
    window: Window,
    *,
    kind: str | None = None,
    status: str | None = None,
    point: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Slice[Anomaly]:
    """Anomalies, newest first. They are about places, which belong to the provider: account scopes see none."""
    statement = select(Anomaly).where(Anomaly.provider_id == ctx.provider.id)
    if ctx.scope is not None:
        statement = statement.where(Anomaly.id.is_(None))
    for column, value in ((Anomaly.kind, kind), (Anomaly.status, status), (Anomaly.point_id, point)):
        if value is not None:
            statement = statement.where(column == value)
    if since is not None:
        statement = statement.where(Anomaly.at >= since)
    if until is not None:
        statement = statement.where(Anomaly.at < until)
    return newest_first(ctx, statement, Anomaly.id, window)


def get_anomaly(ctx: Context, anomaly_id: UUID) -> Anomaly:
    """One anomaly."""
    if ctx.scope is not None:
        raise NotFound("anomaly", anomaly_id)
    return by_id(ctx, Anomaly, "anomaly", anomaly_id)


def change_anomaly(ctx: Context, anomaly_id: UUID, action: str) -> Anomaly:
    """Acknowledge, resolve or dismiss an anomaly.

    Raises:
        IllegalTransition: it is resolved or dismissed already.
    """
    get_anomaly(ctx, anomaly_id)
    anomaly = by_id(ctx, Anomaly, "anomaly", anomaly_id, lock=True)
    anomaly.status = ANOMALY.apply(anomaly.status, action)
    ctx.session.flush()
    return anomaly


def quarantine(ctx: Context, cause: str, readings: Sequence[SentReading], now: datetime) -> None:
    """Keep readings aside; the same one again is kept once."""
    if not readings:
        return
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "cause": cause,
            "point": r.point,
            "register": r.register,
            "unit": r.unit,
            "at": r.at.replace(microsecond=0),
            "value": r.value,
            "evidence": None if r.evidence is None else msgspec.to_builtins(r.evidence),
            "received_at": now,
        }
        for r in readings
    ]
    ctx.session.execute(insert(ReadingQuarantine).on_conflict_do_nothing(), rows)
