"""What an order or a change asks for, as plan versions that may stand on one subscription."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from billing.items import USAGE, ZERO
from billing.offers import (
    ADD_ON,
    COMPONENT,
    OWN,
    AddOnRules,
    Part,
    as_charged,
    collisions,
    lacks,
    out_of_bounds,
    wrong_quantities,
)
from core.errors import FieldError, Invalid
from models.catalog import Plan
from services import plans
from services.context import Context
from services.plans import VersionView
from services.sets import among


@dataclass(frozen=True)
class AddOn:
    """An add-on that is asked for; `plan` is a reference.

    Args:
        quantity: of each of its charges that is ordered by quantity; None is what is usual.
        quantities: of single charges, by charge code.
    """

    plan: str
    quantity: Decimal | None = None
    quantities: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """What an add-on is added to: the plans that it may go with, the add-ons that are there, by plan."""

    base_plans: Collection[UUID]
    add_ons: Collection[UUID] = ()


def part_of(
    role: str, version: VersionView, quantities: Mapping[str, Decimal] | None = None, discount: Decimal = ZERO
) -> Part:
    """A version as a part, with those of the quantities that it has a charge for."""
    charges = as_charged(version.prices)
    known = {charge.charge_code for charge in charges}
    kept = {code: quantity for code, quantity in (quantities or {}).items() if code in known}
    return Part(role, version.plan_id, version.id, charges, kept, discount)


def offered(ctx: Context, plan: Plan) -> tuple[Part, ...]:
    """What a plan offers now: its own version, and the current ones of a bundle's components.

    Raises:
        Invalid: `plan_is_add_on`, `plan_not_offered`; `charge_code_collision`, where components of a bundle have got
            a charge code in common since it was made.
    """
    if plan.kind == ADD_ON:
        raise Invalid("plan_is_add_on", "This plan is an add-on: give it in `add_ons`, beside a plan.", "/plan")
    own = plans.versions_at(ctx, [plan.id], ctx.now).get(plan.id)
    contained = own.components if own is not None else ()
    versions = plans.versions_at(ctx, [component.plan_id for component in contained], ctx.now)
    if own is None or len(versions) < len(contained):
        raise Invalid("plan_not_offered", "No version of this plan is offered yet.", "/plan")
    parts = (
        part_of(OWN, own),
        *(part_of(COMPONENT, versions[c.plan_id], c.quantities, c.discount) for c in contained),
    )
    parts = tuple(replace(part, pointer="/plan") for part in parts)
    shared = collisions(parts)
    if shared:
        raise Invalid.collect(shared[:1])
    return parts


def added(
    ctx: Context, wanted: Sequence[AddOn], standing: Standing, pointer: str, errors: list[FieldError]
) -> tuple[Part, ...]:
    """The add-ons of an order or a change, in its order; what is wrong with them is added to `errors`.

    Codes: `plan_unknown`, `plan_not_add_on`, `plan_not_offered`, `add_on_not_allowed`, `add_on_present`,
    `add_on_group_taken`, `quantity_below_least`, `quantity_above_most`, and those of quantities.
    """
    if not wanted:
        return ()
    found = plans.ids(ctx, Plan, "plan", {each.plan for each in wanted})
    rows = _plans(ctx, {*found.values(), *standing.add_ons})
    rules = plans.add_on_rules(ctx, list(rows.values()))
    versions = plans.versions_at(ctx, set(found.values()), ctx.now)
    taken = set(standing.add_ons)
    parts = []
    for i, each in enumerate(wanted):
        at, plan_id = f"{pointer}/{i}", found.get(each.plan)
        groups = {rules[plan].group for plan in taken} - {None}
        obstacle = _obstacle(each, plan_id, rows, rules, standing)
        if obstacle is None and plan_id in taken:
            obstacle = "add_on_present", "It is there already; change its quantities instead."
        if obstacle is None and plan_id is not None and rules[plan_id].group in groups:
            obstacle = "add_on_group_taken", f"There is an add-on of the group {rules[plan_id].group} already."
        if obstacle is None and plan_id not in versions:
            obstacle = "plan_not_offered", "No version of this plan is offered yet."
        if obstacle is not None:
            errors.append(FieldError(f"{at}/plan", *obstacle))
            continue
        assert plan_id is not None  # or there is an obstacle
        taken.add(plan_id)
        parts.append(_added(each, versions[plan_id], rules[plan_id], at, errors))
    return tuple(parts)


def _plans(ctx: Context, ids: Iterable[UUID]) -> dict[UUID, Plan]:
    rows = ctx.session.scalars(select(Plan).where(Plan.provider_id == ctx.provider.id, among(Plan.id, ids)))
    return {row.id: row for row in rows}


def _obstacle(
    wanted: AddOn,
    plan_id: UUID | None,
    rows: Mapping[UUID, Plan],
    rules: Mapping[UUID, AddOnRules],
    standing: Standing,
) -> tuple[str, str] | None:
    """Why a plan cannot be added at all: code and detail."""
    if plan_id is None:
        return "plan_unknown", f"There is no plan {wanted.plan}."
    if rows[plan_id].kind != ADD_ON:
        return "plan_not_add_on", f"{wanted.plan} is no add-on."
    if not goes_with(rules[plan_id], standing.base_plans):
        return "add_on_not_allowed", f"{wanted.plan} does not go with this plan."
    return None


def goes_with(rules: AddOnRules, base_plans: Collection[UUID]) -> bool:
    """Whether an add-on may be added to a subscription with these plans: its own, and those its bundle contains."""
    return not rules.base_plans or not rules.base_plans.isdisjoint(base_plans)


def _added(wanted: AddOn, version: VersionView, rules: AddOnRules, at: str, errors: list[FieldError]) -> Part:
    charges = as_charged(version.prices)
    errors += wrong_quantities(charges, wanted.quantities, f"{at}/quantities")
    usual = wanted.quantity if wanted.quantity is not None else rules.usual
    quantities = {c.charge_code: wanted.quantities.get(c.charge_code, usual) for c in charges if c.kind != USAGE}
    whole = f"{at}/quantity" if wanted.quantity is not None else at
    pointers = {code: f"{at}/quantities/{code}" if code in wanted.quantities else whole for code in quantities}
    errors += out_of_bounds(rules, charges, quantities, pointers)
    return Part(ADD_ON, version.plan_id, version.id, charges, quantities, pointer=f"{at}/plan")


def check_together(parts: Sequence[Part], currency: str, errors: list[FieldError]) -> None:
    """See that parts may stand on one subscription in a currency.

    Codes: `charge_code_collision`, `currency_not_offered`, each at the part's place in the body.
    """
    errors += collisions(parts)
    for part in parts:
        if lacks(part, currency):
            detail = f"This plan has no prices in {currency}."
            at = part.pointer if part.role == ADD_ON else "/currency"
            errors.append(FieldError(at, "currency_not_offered", detail))
