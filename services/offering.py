"""Saying what a plan offers: other plans in its place and beside it, that those who have it can take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, select

from billing.offers import ADD_ON, as_charged, common_currencies
from core.errors import FieldError, Invalid
from core.ids import new_id
from models.catalog import Plan
from models.offers import AddOnBasePlan
from models.simulations import PlanOffer
from services import plans
from services.context import Context
from services.plan_offers import COMPANION, KINDS, SUCCESSOR, named
from services.plans import VersionView
from services.sets import add_rows, among

# Versions that are offered later count too: they are looked at as they will be.
_EVER = datetime(9999, 1, 1, tzinfo=UTC)
Wanted = Mapping[str, Sequence[str] | None]


def name(ctx: Context, plan: Plan, wanted: Wanted) -> None:
    """Say what a plan offers from now on.

    Args:
        wanted: references to plans by kind, in order; None leaves those of a kind as they are.

    Raises:
        Invalid: `offers_not_allowed`, `plan_unknown`, `plan_offers_itself`, `plan_repeated`, `successor_not_allowed`,
            `companion_not_allowed`, `currencies_differ`.
    """
    given = {kind: names for kind, names in wanted.items() if names is not None}
    if not given:
        return
    if plan.kind == ADD_ON and any(given.values()):
        detail = "An add-on is offered with a plan; it offers nothing itself."
        raise Invalid("offers_not_allowed", detail, _at(next(kind for kind, names in given.items() if names)))
    found = plans.ids(ctx, Plan, "plan", {each for names in given.values() for each in names})
    errors = list(_wrong(ctx, plan, given, found))
    if errors:
        raise Invalid.collect(errors)
    here = (PlanOffer.provider_id == ctx.provider.id, PlanOffer.plan_id == plan.id)
    ctx.session.execute(delete(PlanOffer).where(*here, PlanOffer.kind.in_(given)))
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "plan_id": plan.id,
            "offered_plan_id": found[each],
            "kind": kind,
            "position": position,
        }
        for kind, names in given.items()
        for position, each in enumerate(names)
    ]
    add_rows(ctx, PlanOffer, rows)


def _at(kind: str) -> str:
    return f"/{kind}s"


def _wrong(
    ctx: Context, plan: Plan, given: Mapping[str, Sequence[str]], found: Mapping[str, UUID]
) -> Iterator[FieldError]:
    """What cannot be offered, each told at its place."""
    offered = _Offered.load(ctx, {plan.id, *found.values()})
    own = offered.currencies(plan.id)
    before = named(ctx, [plan.id])[plan.id]
    kept = {SUCCESSOR: before.successors, COMPANION: before.companions}
    seen = {plan_id for kind in KINDS if kind not in given for plan_id in kept[kind]}
    for kind, names in given.items():
        for i, each in enumerate(names):
            plan_id, at = found.get(each), f"{_at(kind)}/{i}"
            if plan_id is None:
                yield FieldError(at, "plan_unknown", f"There is no plan {each[:80]}.")
            elif plan_id == plan.id:
                yield FieldError(at, "plan_offers_itself", "A plan is no offer to those who have it.")
            elif plan_id in seen:
                yield FieldError(at, "plan_repeated", f"{each[:80]} is offered already.")
            elif (obstacle := offered.obstacle(kind, plan_id, plan.id)) is not None:
                yield FieldError(at, *obstacle)
            elif not own <= offered.currencies(plan_id):
                detail = f"This plan is priced in {', '.join(sorted(own))}; so must what it offers be."
                yield FieldError(at, "currencies_differ", detail)
            if plan_id is not None:
                seen.add(plan_id)


@dataclass(frozen=True)
class _Offered:
    """Plans as far as one may offer another."""

    kinds: Mapping[UUID, str]
    bases: Mapping[UUID, set[UUID]]
    versions: Mapping[UUID, VersionView]

    @classmethod
    def load(cls, ctx: Context, plan_ids: Collection[UUID]) -> _Offered:
        kinds = dict(
            ctx.session.execute(
                select(Plan.id, Plan.kind).where(Plan.provider_id == ctx.provider.id, among(Plan.id, plan_ids))
            ).all()
        )
        bases: defaultdict[UUID, set[UUID]] = defaultdict(set)
        for row in ctx.session.execute(
            select(AddOnBasePlan.plan_id, AddOnBasePlan.base_plan_id).where(
                AddOnBasePlan.provider_id == ctx.provider.id, among(AddOnBasePlan.plan_id, plan_ids)
            )
        ):
            bases[row.plan_id].add(row.base_plan_id)
        own = plans.versions_at(ctx, plan_ids, _EVER)
        contained = {component.plan_id for version in own.values() for component in version.components}
        return cls(kinds, bases, {**plans.versions_at(ctx, contained - own.keys(), _EVER), **own})

    def contained(self, plan_id: UUID) -> list[UUID]:
        """The plans that a bundle contains."""
        return [component.plan_id for component in self.versions[plan_id].components]

    def currencies(self, plan_id: UUID) -> frozenset[str]:
        """Those that a plan can be sold in."""
        lists = [self.versions[each].prices for each in (plan_id, *self.contained(plan_id))]
        return common_currencies([c.currencies for prices in lists for c in as_charged(prices)])

    def obstacle(self, kind: str, plan_id: UUID, to: UUID) -> tuple[str, str] | None:
        """Why a plan cannot be offered to those who have another: code and detail."""
        if self.kinds[plan_id] != ADD_ON:
            return None
        if kind == SUCCESSOR:
            return "successor_not_allowed", "An add-on takes no plan's place; name it among the companions."
        bases = self.bases.get(plan_id)
        if bases and not bases & {to, *self.contained(to)}:
            return "companion_not_allowed", "This add-on does not go with this plan."
        return None
