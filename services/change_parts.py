"""Changes of what stands on a subscription: another plan, add-ons that come and go, another version of one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from billing.offers import ADD_ON, COMPONENT, OWN, Part, lacks, out_of_bounds
from billing.parts_change import PartsChange, unfit
from core.decimals import format_decimal
from core.errors import FieldError, Invalid
from core.ids import decode, encode
from models.catalog import Plan
from models.subscriptions import Subscription
from services import parts_wanted, plans, subscription_parts
from services.change_wishes import Wanted
from services.context import Context
from services.lookups import by_reference
from services.parts_wanted import Standing, part_of
from services.plans import VersionView
from services.sets import among


def agree(ctx: Context, subscription: Subscription, wanted: Wanted) -> PartsChange:
    """See that a change of plans and quantities fits a subscription.

    Raises:
        Invalid: `plan_unknown`, `plan_not_offered`, `plan_is_add_on`, `currency_not_offered`, `add_on_not_allowed` (at
            `/plan`, an add-on that is there does not go with the new plan), `add_on_not_there`, those of quantities,
            and those of `parts_wanted.added`.
    """
    standing = subscription_parts.standing(ctx, subscription)
    errors: list[FieldError] = []
    offer: tuple[Part, ...] = ()
    if wanted.plan is not None:
        offer = parts_wanted.offered(ctx, by_reference(ctx, Plan, "plan", wanted.plan, pointer="/plan"))
    removes = _removed(ctx, standing, wanted.remove, errors)
    base_plans = {part.plan_id for part in offer or standing if part.role != ADD_ON}
    add_ons = {part.plan_id for part in standing if part.role == ADD_ON} - removes
    adds = parts_wanted.added(ctx, wanted.add, Standing(base_plans, add_ons), "/add_ons/add", errors)
    change = PartsChange(offer, adds, frozenset(removes))
    if offer:
        errors += _left_behind(ctx, add_ons, base_plans)
    errors += unfit(standing, change, wanted.quantities)
    errors += _without_currency(change, subscription.currency)
    errors += _beyond_bounds(ctx, change.kept(standing), wanted.quantities)
    if errors:
        raise Invalid.collect(list(dict.fromkeys(errors)))
    return change


def obstacle(
    ctx: Context, subscription: Subscription, change: PartsChange, quantities: Mapping[str, Decimal]
) -> str | None:
    """Why a change that was agreed upon cannot be made any more, or None. What the catalogue allows by now is no
    matter: it was agreed.
    """
    standing = subscription_parts.standing(ctx, subscription)
    errors = unfit(standing, change, quantities)
    present = {part.plan_id for part in change.kept(standing) if part.role == ADD_ON}
    rules = _rules(ctx, present | {part.plan_id for part in change.adds})
    groups = {rules[plan_id].group for plan_id in present} - {None}
    if errors:
        return errors[0].detail
    if any(rules[part.plan_id].group in groups for part in change.adds):
        return "There is an add-on of its group already."
    return None


def _removed(ctx: Context, standing: Sequence[Part], names: Sequence[str], errors: list[FieldError]) -> set[UUID]:
    """The plans of add-ons that are to go; one that is not there is told at its place."""
    found = plans.ids(ctx, Plan, "plan", set(names))
    there = {part.plan_id for part in standing if part.role == ADD_ON}
    for i, name in enumerate(names):
        if found.get(name) not in there:
            at = f"/add_ons/remove/{i}"
            errors.append(FieldError(at, "add_on_not_there", f"There is no add-on {name} on this subscription."))
    return {plan_id for plan_id in found.values() if plan_id in there}


def _left_behind(ctx: Context, add_ons: set[UUID], base_plans: set[UUID]) -> list[FieldError]:
    """Add-ons that do not go with the plan that is moved to: they are not dropped in silence."""
    rules = _rules(ctx, add_ons)
    names = dict(
        ctx.session.execute(
            select(Plan.id, Plan.code).where(Plan.provider_id == ctx.provider.id, among(Plan.id, add_ons))
        ).all()
    )
    return [
        FieldError("/plan", "add_on_not_allowed", f"The add-on {names[a]} does not go with this plan: remove it too.")
        for a in sorted(add_ons)
        if not parts_wanted.goes_with(rules[a], base_plans)
    ]


def _rules(ctx: Context, plan_ids: Iterable[UUID]) -> dict[UUID, Any]:
    rows = ctx.session.scalars(select(Plan).where(Plan.provider_id == ctx.provider.id, among(Plan.id, plan_ids))).all()
    return plans.add_on_rules(ctx, rows)


def _without_currency(change: PartsChange, currency: str) -> list[FieldError]:
    detail = f"This plan has no prices in {currency}."
    return [FieldError(part.pointer, "currency_not_offered", detail) for part in change.new if lacks(part, currency)]


def _beyond_bounds(ctx: Context, kept: Sequence[Part], quantities: Mapping[str, Decimal]) -> list[FieldError]:
    """Quantities of add-ons that their rules do not allow."""
    touched = [part for part in kept if part.role == ADD_ON and {c.charge_code for c in part.charges} & set(quantities)]
    rules = _rules(ctx, [part.plan_id for part in touched])
    pointers = {code: f"/quantities/{code}" for code in quantities}
    return [
        error for part in touched for error in out_of_bounds(rules[part.plan_id], part.charges, quantities, pointers)
    ]


def body_of(change: PartsChange) -> dict[str, Any]:
    """A change of plans as it is kept."""
    body: dict[str, Any] = {}
    if change.offer:
        own, *components = [encode("plan_version", part.version_id) for part in change.offer]
        body |= {"plan_version": own, "component_versions": components}
    if change.instead_of is not None:
        body["instead_of"] = encode("plan", change.instead_of)
    if change.moves:
        body["moves"] = [encode("plan_version", part.version_id) for part in change.moves]
    if change.adds or change.removes:
        body["add_ons"] = {
            "add": [
                {
                    "plan": encode("plan", part.plan_id),
                    "plan_version": encode("plan_version", part.version_id),
                    "quantities": {code: format_decimal(quantity) for code, quantity in part.quantities.items()},
                }
                for part in change.adds
            ],
            "remove": [encode("plan", plan_id) for plan_id in sorted(change.removes)],
        }
    return body


def change_of(ctx: Context, body: Mapping[str, Any]) -> PartsChange:
    """A kept change of plans, with the versions that were offered when it was agreed upon."""
    add_ons = body.get("add_ons", {})
    own = [body["plan_version"]] if body.get("plan_version") else []
    contained, moves = body.get("component_versions", []), body.get("moves", [])
    adds = add_ons.get("add", [])
    named = [*own, *contained, *moves, *(add["plan_version"] for add in adds)]
    versions = plans.versions(ctx, [decode("plan_version", name) for name in named])

    def of(name: str) -> VersionView:
        return versions[decode("plan_version", name)]

    holds = {component.plan_id: component for name in own for component in of(name).components}
    return PartsChange(
        offer=(
            *(part_of(OWN, of(name)) for name in own),
            *(
                part_of(COMPONENT, of(name), holds[of(name).plan_id].quantities, holds[of(name).plan_id].discount)
                for name in contained
            ),
        ),
        adds=tuple(
            part_of(ADD_ON, of(add["plan_version"]), {code: Decimal(q) for code, q in add["quantities"].items()})
            for add in adds
        ),
        removes=frozenset(decode("plan", name) for name in add_ons.get("remove", [])),
        moves=tuple(part_of(COMPONENT, of(name)) for name in moves),
        instead_of=decode("plan", body["instead_of"]) if body.get("instead_of") else None,
    )


def write(ctx: Context, subscription: Subscription, change: PartsChange, at: datetime) -> None:
    """Write down what stands on a subscription from now on; `at` is when it came and went. The caller holds its row."""
    begun = at if subscription.start_at is not None else None
    if change.offer:
        own = change.offer[0]
        subscription.plan_id, subscription.plan_version_id = own.plan_id, own.version_id
        subscription_parts.remove(ctx, subscription.id, at, role=COMPONENT)
        subscription_parts.add(ctx, subscription.id, change.offer, begun)
    if change.removes:
        subscription_parts.remove(ctx, subscription.id, at, plans=change.removes)
    for part in change.moves:
        subscription_parts.move(ctx, subscription.id, part.plan_id, part.version_id)
    subscription_parts.add(ctx, subscription.id, change.adds, begun)
    ctx.session.flush()
