"""What a plan offers to those who have it: successors in its place (upgrades), companions beside it (cross-sell)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from models.simulations import PlanOffer
from services.context import Context
from services.sets import among

SUCCESSOR, COMPANION = "successor", "companion"
KINDS = (SUCCESSOR, COMPANION)
OFFERS_MOST = 20


@dataclass(frozen=True)
class Beside:
    """The plans that a plan names, in its order."""

    successors: tuple[UUID, ...] = ()
    companions: tuple[UUID, ...] = ()


def named(ctx: Context, plan_ids: Collection[UUID]) -> defaultdict[UUID, Beside]:
    """What plans offer, by plan, in one query."""
    rows = ctx.session.scalars(
        select(PlanOffer)
        .where(PlanOffer.provider_id == ctx.provider.id, among(PlanOffer.plan_id, plan_ids))
        .order_by(PlanOffer.plan_id, PlanOffer.position)
    ).all()
    found: defaultdict[UUID, Beside] = defaultdict(Beside)
    for plan_id in {row.plan_id for row in rows}:
        own = {kind: [r.offered_plan_id for r in rows if (r.plan_id, r.kind) == (plan_id, kind)] for kind in KINDS}
        found[plan_id] = Beside(tuple(own[SUCCESSOR]), tuple(own[COMPANION]))
    return found
