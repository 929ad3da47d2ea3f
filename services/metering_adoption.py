"""Readings in quarantine: looked at, and adopted once their point exists."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update

from core.decimals import format_decimal
from core.ids import encode
from models.usage import ReadingQuarantine as Kept
from services.clock import system_now
from services.context import Context
from services.metering import take_readings
from services.paging import Slice, Window, newest_first
from services.places import check_whole_provider, find_point
from services.sets import among
from services.usage_sent import ROWS_MAX, SentEvidence, SentReading

UNKNOWN_POINT = "unknown_point"


@dataclass(frozen=True)
class Adopted:
    """What became of adopted readings; `remaining` are those that wait for the next call."""

    accepted: int
    duplicates: int
    rejected: int
    remaining: int


def list_kept(ctx: Context, window: Window, *, point: str | None = None, cause: str | None = None) -> Slice[Kept]:
    """Readings in quarantine, newest first; account scopes see none."""
    statement = select(Kept).where(Kept.provider_id == ctx.provider.id)
    if point is not None:
        statement = statement.where(Kept.point == point)
    if cause is not None:
        statement = statement.where(Kept.cause == cause)
    if ctx.scope is not None:
        statement = statement.where(Kept.id.is_(None))
    return newest_first(ctx, statement, Kept.id, window)


def adopt(ctx: Context, sent_as: str, reference: str) -> Adopted:
    """Take the oldest readings that were sent for an unknown point as those of a point.

    Readings that are refused now (too old by now, another value known) are marked too: they were looked at.

    Raises:
        UnknownReference: `point_unknown`.
    """
    check_whole_provider(ctx)
    point = find_point(ctx, reference, "/point")
    waiting = [
        Kept.provider_id == ctx.provider.id,
        Kept.cause == UNKNOWN_POINT,
        Kept.point == sent_as,
        Kept.adopted_at.is_(None),
    ]
    rows = ctx.session.scalars(select(Kept).where(*waiting).order_by(Kept.at).limit(ROWS_MAX).with_for_update()).all()
    receipt = take_readings(ctx, [(i, _sent(row, point.id)) for i, row in enumerate(rows)])
    taken = update(Kept).where(Kept.provider_id == ctx.provider.id, among(Kept.id, [row.id for row in rows]))
    ctx.session.execute(taken.values(adopted_at=system_now()))
    remaining = ctx.session.execute(select(func.count()).select_from(Kept).where(*waiting)).scalar_one()
    return Adopted(receipt.accepted, receipt.duplicates, len(receipt.rejected), remaining)


def _sent(row: Kept, point_id: UUID) -> SentReading:
    told = None if row.evidence is None else msgspec.convert(row.evidence, SentEvidence)
    return SentReading(encode("point", point_id), row.register, row.unit, row.at, format_decimal(row.value), told)
