"""What is billed of items: claims with what they were billed at; of untouched ones only the stretches they hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select

from billing.drawdown import DRAWDOWN
from billing.untouched import Untouched
from core.period import Period, utc
from models.billing import Charge
from services.context import Context
from services.sets import among
from stores.statements import run

ORIGINALS = ("recurring", "one_off", "usage")
# Spans of untouched claims are put together, so that a row tells of years; of others each has a row of its own.
HELD = """
SELECT item_id, claim_id, lower(span), upper(span)
FROM (
  SELECT b.item_id, CASE WHEN w.item_id IS NULL THEN b.id END AS claim_id, unnest(range_agg(b.span)) AS span
  FROM billed_span b
  LEFT JOIN unnest(%(known)b::uuid[], %(after)b::timestamptz[], %(until)b::timestamptz[], %(made_after)b::timestamptz[])
    AS w (item_id, after, until, made_after)
    ON w.item_id = b.item_id AND w.after < upper(b.span) AND w.until >= upper(b.span) AND w.made_after < b.recorded_at
  WHERE b.provider_id = %(provider)b AND b.item_id = ANY(%(items)b::uuid[]) AND b.status = 'held'
  GROUP BY 1, 2) found
"""


class ClaimRow(NamedTuple):
    """A held claim with the charge that made it and the sum of all its charges."""

    claim_id: UUID
    item_id: UUID
    start_at: datetime
    end_at: datetime
    net_amount: Decimal
    drawn: Decimal
    charge_id: UUID
    price_id: UUID
    discount: Decimal
    quantity: Decimal
    rated_at: datetime


@dataclass(frozen=True)
class Held:
    """What is billed, by item: claims to be looked at, and the stretches that all others hold, in order of time."""

    claims: Mapping[UUID, Sequence[ClaimRow]]
    stretches: Mapping[UUID, Sequence[Period]]


def load(ctx: Context, items: Collection[UUID], untouched: Mapping[UUID, Collection[Untouched]]) -> Held:
    """What is billed of these items, in two queries.

    Args:
        untouched: by item, of which claims nothing is told but what they hold; of any other item, of none.
    """
    told = [(item, each) for item, some in untouched.items() for each in some]
    parameters = {
        "known": [item for item, _ in told],
        "after": [each.after for _, each in told],
        "until": [each.until for _, each in told],
        "made_after": [each.made_after for _, each in told],
        "items": list(items),
        "provider": ctx.provider.id,
    }
    stretches: defaultdict[UUID, list[Period]] = defaultdict(list)
    claimed: dict[UUID, tuple[UUID, datetime, datetime]] = {}
    for item_id, claim_id, start, end in run(ctx.session, HELD, parameters):
        if claim_id is None:
            stretches[item_id].append(Period(utc(start), utc(end)))
        else:
            claimed[claim_id] = item_id, utc(start), utc(end)
    return Held(_charged(ctx, claimed), stretches)


def _charged(ctx: Context, claimed: Mapping[UUID, tuple[UUID, datetime, datetime]]) -> Mapping[UUID, list[ClaimRow]]:
    """Claims by item, each with what its charges come to."""
    found: defaultdict[UUID, list[ClaimRow]] = defaultdict(list)
    if not claimed:
        return found
    columns = select(
        Charge.claim_id,
        func.coalesce(func.sum(Charge.amount).filter(Charge.kind != DRAWDOWN), 0),
        func.coalesce(-func.sum(Charge.amount).filter(Charge.kind == DRAWDOWN), 0),
        func.array_agg(Charge.id).filter(Charge.kind.in_(ORIGINALS))[1],
        func.array_agg(Charge.price_id).filter(Charge.kind.in_(ORIGINALS))[1],
        func.array_agg(Charge.discount).filter(Charge.kind.in_(ORIGINALS))[1],
        func.sum(Charge.quantity).filter(Charge.kind.in_((*ORIGINALS, "adjustment"))),
        # A later one may not have been rated when it was stored: a voided document's corrections wait once more.
        func.min(Charge.recorded_at),
    )
    own = (Charge.provider_id == ctx.provider.id, among(Charge.claim_id, claimed), Charge.released_at.is_(None))
    for claim_id, *charged in ctx.session.execute(columns.where(*own).group_by(Charge.claim_id)).all():
        item_id, start_at, end_at = claimed[claim_id]
        found[item_id].append(ClaimRow(claim_id, item_id, start_at, end_at, *charged))
    return found
