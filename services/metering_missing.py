"""Readings that were missing when a span was billed: told to people, and settled when they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from billing.metering.intervals import Replay
from billing.proposal import ProposedCharge
from core.ids import decode
from core.period import parse_instant
from models.places import Anomaly
from services import metering_doubts
from services.context import Context
from services.sets import among
from stores.usage.port import RegisterState, Rewrite

LONG = timedelta(minutes=30)
"""Whoever polls more often than this was not missed: no query is spent on it."""


def report(ctx: Context, charges: Iterable[ProposedCharge]) -> None:
    """Tell of each register whose readings stopped before the end of a span that is billed now."""
    metering_doubts.report(ctx, [row for charge in charges for row in _missing(charge)])


def _missing(charge: ProposedCharge) -> Iterator[dict[str, Any]]:
    rated = charge.inputs.get("used") or charge.inputs
    for point in (rated.get("usage") or {}).get("evidence", {}).get("points", ()):
        if (estimate := point.get("estimate")) is not None:
            yield {
                "point_id": decode("point", point["point"]),
                "register": point["register"],
                "kind": metering_doubts.MISSING,
                "at": parse_instant(estimate["span"]["start"]),
                "evidence": {
                    **estimate,
                    "unit": charge.unit,
                    "suggestion": metering_doubts.suggestion(metering_doubts.MISSING),
                },
            }


def settle(ctx: Context, registers: Mapping[UUID, RegisterState], rewrites: Iterable[tuple[Rewrite, Replay]]) -> None:
    """Resolve what was told of registers that are read again."""
    again = [
        registers[rewrite.register_id]
        for rewrite, result in rewrites
        if rewrite.appends and any(i.end - i.start > LONG for i in result.intervals)
    ]
    if not again:
        return
    here = (
        Anomaly.provider_id == ctx.provider.id,
        Anomaly.kind == metering_doubts.MISSING,
        among(Anomaly.status, metering_doubts.OPEN),
    )
    # Asked first, for there is hardly ever one: the audit trail looks at every update, and at one that changes nothing
    # it looks longer than this question takes.
    told = ctx.session.execute(
        select(Anomaly.id, Anomaly.point_id, Anomaly.register).where(
            *here, among(Anomaly.point_id, {r.point_id for r in again})
        )
    ).all()
    read = {(r.point_id, r.name) for r in again}
    over = [row.id for row in told if (row.point_id, row.register) in read]
    if over:
        ctx.session.execute(update(Anomaly).where(*here, among(Anomaly.id, over)).values(status="resolved"))
