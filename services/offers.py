"""Making plans that go together: add-ons with their rules, bundles with their components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from billing.contract_terms import Trial
from billing.items import ZERO
from billing.offers import (
    ADD_ON,
    BASE,
    BUNDLE,
    COMPONENT,
    OWN,
    Part,
    as_charged,
    collisions,
    common_currencies,
    wrong_quantities,
)
from billing.plan_prices import PRICES_MOST, PlanPrice
from core.errors import FieldError, Invalid
from core.ids import new_id
from models.catalog import Plan
from models.offers import AddOnBasePlan
from services import offering, plans
from services.context import Context
from services.lookups import by_id
from services.plan_offers import COMPANION, SUCCESSOR
from services.plans import ComponentView, PlanView, VersionView
from services.sets import add_rows, among


@dataclass(frozen=True)
class Component:
    """A plan that a bundle is to contain; `plan` is a reference."""

    plan: str
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    discount: Decimal = ZERO


@dataclass(frozen=True)
class Version:
    """A price list as it comes in; `components` are a bundle's. None is what was not given."""

    prices: Sequence[PlanPrice] | None
    effective_at: datetime | None = None
    components: Sequence[Component] | None = None
    trial: Trial | None = None


@dataclass(frozen=True)
class Rules:
    """A plan's rules as they come in; None is what was not given. Base plans, bounds and a group are an add-on's.

    `successors` and `companions` are references to what is offered to those who have the plan.
    """

    base_plans: Sequence[str] | None = None
    quantity: Mapping[str, Decimal | None] | None = None
    group: str | None = None
    successors: Sequence[str] | None = None
    companions: Sequence[str] | None = None


def create(ctx: Context, values: Mapping[str, Any], rules: Rules, version: Version) -> PlanView:
    """Make a plan with its first version.

    Args:
        values: `code`, `name`, `kind`; optional `external_id`, `meta`.

    Raises:
        Invalid: `add_on_only`, `quantity_range_empty`, `base_plan_unknown`, `base_plan_not_allowed`, and those of
            `checked_components`; `product_unknown`, `meter_unknown`; those of `offering.name`.
        Conflict: `code_taken`.
    """
    kind = values["kind"]
    errors = _wrong_rules(kind, rules)
    bases = _base_plans(ctx, rules.base_plans or (), errors)
    components = _components(ctx, kind, version, "/version", errors)
    if errors:
        raise Invalid.collect(errors)
    bounds = rules.quantity or {}
    columns = {"one_of": rules.group, "quantity_least": bounds.get("least"), "quantity_most": bounds.get("most")}
    made = plans.create(
        ctx, {**values, **columns}, version.prices or (), version.effective_at, components, version.trial
    )
    _allow(ctx, made.id, bases)
    _offer(ctx, made.id, rules)
    return plans.get(ctx, made.id)


def add_version(ctx: Context, plan_id: UUID, version: Version) -> VersionView:
    """Give a plan a further version. Existing subscriptions stay on theirs.

    Raises:
        Invalid: as `create`, of components and prices.
    """
    plan = by_id(ctx, Plan, "plan", plan_id, lock=True)
    errors: list[FieldError] = []
    components = _components(ctx, plan.kind, version, "", errors)
    if errors:
        raise Invalid.collect(errors)
    return plans.add_version(ctx, plan_id, version.prices or (), version.effective_at, components, version.trial)


def change(ctx: Context, plan_id: UUID, values: Mapping[str, Any], rules: Rules) -> PlanView:
    """Change a plan's name, external id or metadata, or the rules by which an add-on is ordered from now on.

    Subscriptions keep the add-ons that they have.

    Raises:
        Invalid: `add_on_only`, `quantity_range_empty`, `base_plan_unknown`, `base_plan_not_allowed`, and those of
            `offering.name`.
    """
    plan = by_id(ctx, Plan, "plan", plan_id, lock=True)
    errors = _wrong_rules(plan.kind, rules)
    bases = _base_plans(ctx, rules.base_plans or (), errors)
    if errors:
        raise Invalid.collect(errors)
    columns: dict[str, Any] = {}
    if rules.quantity is not None:
        columns |= {"quantity_least": rules.quantity.get("least"), "quantity_most": rules.quantity.get("most")}
    if rules.group is not None:
        columns["one_of"] = rules.group or None
    if rules.base_plans is not None:
        here = (AddOnBasePlan.provider_id == ctx.provider.id, AddOnBasePlan.plan_id == plan_id)
        ctx.session.execute(delete(AddOnBasePlan).where(*here))
        _allow(ctx, plan_id, bases)
    _offer(ctx, plan_id, rules)
    return plans.change(ctx, plan_id, {**values, **columns})


def _wrong_rules(kind: str, rules: Rules) -> list[FieldError]:
    """What of an add-on's rules is wrong by itself."""
    if kind != ADD_ON:
        given = {"base_plans": rules.base_plans, "quantity": rules.quantity, "group": rules.group}
        return [
            FieldError(f"/{name}", "add_on_only", "Only a plan of the kind add_on has this.")
            for name, value in given.items()
            if value is not None
        ]
    least, most = (rules.quantity or {}).get("least"), (rules.quantity or {}).get("most")
    if least is not None and most is not None and least > most:
        return [FieldError("/quantity/most", "quantity_range_empty", "The most is not less than the least.")]
    return []


def _base_plans(ctx: Context, names: Sequence[str], errors: list[FieldError]) -> set[UUID]:
    """The plans that an add-on may be added to."""
    found = plans.ids(ctx, Plan, "plan", set(names))
    add_ons = set(
        ctx.session.scalars(
            select(Plan.id).where(
                Plan.provider_id == ctx.provider.id, among(Plan.id, found.values()), Plan.kind == ADD_ON
            )
        )
    )
    for i, name in enumerate(names):
        if name not in found:
            errors.append(FieldError(f"/base_plans/{i}", "base_plan_unknown", f"There is no plan {name}."))
        elif found[name] in add_ons:
            detail = f"{name} is an add-on itself; an add-on goes with base plans and bundles."
            errors.append(FieldError(f"/base_plans/{i}", "base_plan_not_allowed", detail))
    return set(found.values())


def _allow(ctx: Context, plan_id: UUID, bases: set[UUID]) -> None:
    rows = [
        {"provider_id": ctx.provider.id, "id": new_id(), "plan_id": plan_id, "base_plan_id": base}
        for base in sorted(bases)
    ]
    add_rows(ctx, AddOnBasePlan, rows)


def _offer(ctx: Context, plan_id: UUID, rules: Rules) -> None:
    """Name what is offered to those who have a plan."""
    plan = ctx.session.get_one(Plan, (ctx.provider.id, plan_id))
    offering.name(ctx, plan, {SUCCESSOR: rules.successors, COMPANION: rules.companions})


def _components(
    ctx: Context, kind: str, version: Version, pointer: str, errors: list[FieldError]
) -> tuple[ComponentView, ...]:
    """The components of a version, if it may have some; what does not fit together is added to `errors`."""
    if kind == ADD_ON and version.trial is not None:
        detail = "An add-on begins with the subscription's trial, or without."
        errors.append(FieldError(f"{pointer}/trial", "trial_not_allowed", detail))
    if kind == BUNDLE:
        if not version.components:
            detail = "A bundle contains one or more plans."
            errors.append(FieldError(f"{pointer}/components", "components_expected", detail))
            return ()
        return _checked(ctx, version, version.components, pointer, errors)
    if version.components is not None:
        detail = "Only a plan of the kind bundle has components."
        errors.append(FieldError(f"{pointer}/components", "components_not_allowed", detail))
    if version.prices is None:
        errors.append(FieldError(f"{pointer}/prices", "member_required", "This member is required."))
    elif not version.prices:
        detail = f"This is a list of 1 to {PRICES_MOST} prices."
        errors.append(FieldError(f"{pointer}/prices", "prices_expected", detail))
    return ()


def _checked(
    ctx: Context, version: Version, wanted: Sequence[Component], pointer: str, errors: list[FieldError]
) -> tuple[ComponentView, ...]:
    """Components that exist, are offered, and share neither a charge code nor lack a currency.

    Codes: `plan_unknown`, `component_not_allowed`, `component_repeated`, `plan_not_offered`, `charge_code_collision`,
    `currencies_differ`, and those of quantities.
    """
    found = plans.ids(ctx, Plan, "plan", {component.plan for component in wanted})
    kinds = dict(
        ctx.session.execute(
            select(Plan.id, Plan.kind).where(Plan.provider_id == ctx.provider.id, among(Plan.id, found.values()))
        ).all()
    )
    offered = plans.versions_at(ctx, set(found.values()), max(version.effective_at or ctx.now, ctx.now))
    own = as_charged(version.prices or ())
    parts = [Part(OWN, new_id(), new_id(), own, pointer=f"{pointer}/prices")]
    for i, component in enumerate(wanted):
        at = f"{pointer}/components/{i}"
        plan_id = found.get(component.plan)
        obstacle = _obstacle(component, plan_id, kinds, offered, {part.plan_id for part in parts})
        if obstacle is not None:
            errors.append(FieldError(f"{at}/plan", *obstacle))
            continue
        assert plan_id is not None  # or there is an obstacle
        charges = as_charged(offered[plan_id].prices)
        errors += wrong_quantities(charges, component.quantities, f"{at}/quantities")
        parts.append(
            Part(
                COMPONENT,
                plan_id,
                offered[plan_id].id,
                charges,
                component.quantities,
                component.discount,
                pointer=f"{at}/plan",
            )
        )
    errors += collisions(parts)
    errors += _differing(parts)
    return tuple(ComponentView(part.plan_id, part.quantities, part.discount) for part in parts[1:])


def _obstacle(
    component: Component,
    plan_id: UUID | None,
    kinds: Mapping[UUID, str],
    offered: Mapping[UUID, VersionView],
    taken: set[UUID],
) -> tuple[str, str] | None:
    """Why a plan cannot be in a bundle: code and detail."""
    if plan_id is None:
        return "plan_unknown", f"There is no plan {component.plan}."
    if kinds[plan_id] != BASE:
        return "component_not_allowed", f"{component.plan} is no base plan; a bundle contains base plans."
    if plan_id in taken:
        return "component_repeated", f"{component.plan} is in it already; give its quantities instead."
    if plan_id not in offered:
        return "plan_not_offered", "No version of this plan is offered yet."
    return None


def _differing(parts: Sequence[Part]) -> list[FieldError]:
    """Components that lack a currency of the bundle's own prices; without such, a bundle needs one that all share."""
    own, *components = parts
    covered = {id(part): common_currencies([charge.currencies for charge in part.charges]) for part in parts}
    if own.charges:
        needed = covered[id(own)]
        detail = f"The bundle is priced in {', '.join(sorted(needed))}; so must this plan be."
        return [
            FieldError(part.pointer, "currencies_differ", detail)
            for part in components
            if not needed <= covered[id(part)]
        ]
    if components and not common_currencies([covered[id(part)] for part in components]):
        return [FieldError(components[-1].pointer, "currencies_differ", "The plans share no currency.")]
    return []
