"""Plans: a named offer whose prices live in versions that never change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import distinct_on

from billing.contract_terms import Trial
from billing.offers import AddOnRules
from billing.periods import Interval
from billing.plan_prices import PlanPrice, price_as_stored
from core.decimals import format_decimal
from core.errors import FieldError, Invalid
from core.ids import decode, looks_like, new_id
from models.catalog import Meter, Plan, PlanVersion, Price, Product
from models.offers import AddOnBasePlan, BundleComponent
from services import catalog, plan_offers, price_corrections, price_fits
from services.context import Context
from services.lookups import by_id
from services.paging import Slice, Window, in_order
from services.plan_offers import Beside
from services.sets import add_rows, among


@dataclass(frozen=True)
class PriceView:
    """A charge of a version, as it is shown. `currencies` maps a currency to its price's JSON."""

    id: UUID
    charge_code: str
    name: str
    product_id: UUID
    kind: str
    interval: Mapping[str, Any] | None
    timing: str
    proration: str
    meter_id: UUID | None
    currencies: Mapping[str, Any]
    tax_inclusive: bool


@dataclass(frozen=True)
class ComponentView:
    """A plan that a bundle contains: what of it, by charge code, and the per cent that its charges are reduced by."""

    plan_id: UUID
    quantities: Mapping[str, Decimal]
    discount: Decimal


@dataclass(frozen=True)
class VersionView:
    """A version with its prices, in the order in which they were given; a bundle's with its components too."""

    id: UUID
    plan_id: UUID
    number: int
    effective_at: datetime
    created_at: datetime
    prices: Sequence[PriceView]
    components: Sequence[ComponentView] = ()
    trial: Mapping[str, Any] | None = None

    @property
    def currencies(self) -> frozenset[str]:
        """All prices of a version cover the same ones; a bundle without prices covers none itself."""
        return frozenset(self.prices[0].currencies) if self.prices else frozenset()


@dataclass(frozen=True)
class PlanView:
    """A plan with its newest version; `rules` are an add-on's."""

    id: UUID
    code: str
    name: str
    kind: str
    external_id: str | None
    created_at: datetime
    version: VersionView
    rules: AddOnRules
    beside: Beside
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def successors(self) -> Sequence[UUID]:
        """The plans that are offered in its place."""
        return self.beside.successors

    @property
    def companions(self) -> Sequence[UUID]:
        """The plans that are offered beside it."""
        return self.beside.companions

    @property
    def base_plans(self) -> Sequence[UUID]:
        """The plans that an add-on goes with, in a stable order."""
        return sorted(self.rules.base_plans)


def create(
    ctx: Context,
    values: Mapping[str, Any],
    prices: Sequence[PlanPrice],
    effective_at: datetime | None,
    components: Sequence[ComponentView] = (),
    trial: Trial | None = None,
) -> PlanView:
    """Make a plan with its first version.

    Args:
        values: `code`, `name`; optional `kind`, `external_id`, `meta`, and the columns of an add-on's rules.
        prices: as `billing.plan_prices` read them.
        effective_at: from when it is offered; by default now.
        components: of a bundle; `services.offers` has seen that they fit.
        trial: with which orders begin that name none.

    Raises:
        Invalid: `product_unknown`, `meter_unknown`, and those of `services.price_fits`, each at its price.
        Conflict: `code_taken`.
    """
    plan = catalog.add(ctx, Plan, values)
    version = _store(ctx, plan.id, 1, prices, effective_at, "/version/prices", trial)
    _add_components(ctx, version.id, components)
    return _view(ctx, plan)


def add_version(
    ctx: Context,
    plan_id: UUID,
    prices: Sequence[PlanPrice],
    effective_at: datetime | None,
    components: Sequence[ComponentView] = (),
    trial: Trial | None = None,
) -> VersionView:
    """Give a plan a further version. Existing subscriptions stay on theirs.

    Raises:
        Invalid: `product_unknown`, `meter_unknown`, and those of `services.price_fits`, each at its price.
    """
    by_id(ctx, Plan, "plan", plan_id, lock=True)
    newest = ctx.session.scalars(
        select(PlanVersion.number)
        .where(PlanVersion.provider_id == ctx.provider.id, PlanVersion.plan_id == plan_id)
        .order_by(PlanVersion.number.desc())
        .limit(1)
    ).one()
    made = _store(ctx, plan_id, newest + 1, prices, effective_at, "/prices", trial)
    _add_components(ctx, made.id, components)
    return version_views(ctx, [made])[0]


def _add_components(ctx: Context, version_id: UUID, components: Sequence[ComponentView]) -> None:
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "plan_version_id": version_id,
            "position": position,
            "plan_id": component.plan_id,
            "quantities": {code: format_decimal(quantity) for code, quantity in component.quantities.items()},
            "discount": component.discount,
        }
        for position, component in enumerate(components)
    ]
    add_rows(ctx, BundleComponent, rows)


def _store(
    ctx: Context,
    plan_id: UUID,
    number: int,
    prices: Sequence[PlanPrice],
    effective_at: datetime | None,
    pointer: str,
    trial: Trial | None,
) -> PlanVersion:
    products, meters = resolved(ctx, prices, pointer)
    price_fits.check(ctx, prices, meters, pointer)
    version = PlanVersion(
        provider_id=ctx.provider.id,
        id=new_id(),
        plan_id=plan_id,
        number=number,
        effective_at=effective_at or ctx.now,
        created_at=ctx.now,
        trial=trial.as_json() if trial is not None else None,
    )
    ctx.session.add(version)
    ctx.session.flush()
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "plan_version_id": version.id,
            "position": position,
            "charge_code": price.charge_code,
            "name": price.name,
            "product_id": products[price.product],
            "kind": price.kind,
            "interval_unit": price.interval.unit if price.interval else None,
            "interval_count": price.interval.count if price.interval else None,
            "timing": price.timing,
            "proration": price.proration,
            "meter_id": meters[price.meter] if price.meter else None,
            "tax_inclusive": price.tax_inclusive,
            "currencies": {code: price_as_stored(spec) for code, spec in price.currencies.items()},
        }
        for position, price in enumerate(prices)
    ]
    add_rows(ctx, Price, rows)
    return version


def resolved(ctx: Context, prices: Sequence[PlanPrice], pointer: str) -> tuple[dict[str, UUID], dict[str, UUID]]:
    """The products and meters that prices name; every one that does not exist is told at once."""
    products = ids(ctx, Product, "product", {p.product for p in prices})
    meters = ids(ctx, Meter, "meter", {p.meter for p in prices if p.meter})
    errors: list[FieldError] = []
    for i, price in enumerate(prices):
        if price.product not in products:
            detail = f"There is no product {price.product}."
            errors.append(FieldError(f"{pointer}/{i}/product", "product_unknown", detail))
        if price.meter is not None and price.meter not in meters:
            detail = f"There is no meter {price.meter}."
            errors.append(FieldError(f"{pointer}/{i}/meter", "meter_unknown", detail))
    if errors:
        raise Invalid.collect(errors)
    return products, meters


def ids(
    ctx: Context, model: type[Product] | type[Meter] | type[Plan], kind: str, names: Collection[str]
) -> dict[str, UUID]:
    """The ids of what is named by id, external id or code, in one query."""
    if not names:
        return {}
    decoded = {name: decode(kind, name) for name in names if looks_like(kind, name)}
    others = [name for name in names if name not in decoded]
    rows = ctx.session.execute(
        select(model.id, model.external_id, model.code).where(
            model.provider_id == ctx.provider.id,
            or_(among(model.id, decoded.values()), among(model.external_id, others), among(model.code, others)),
        )
    ).all()
    known = {row.id for row in rows}
    found = {name: row_id for name, row_id in decoded.items() if row_id in known}
    for row in rows:
        found |= {name: row.id for name in (row.code, row.external_id) if name in others and name not in found}
    return found


def get(ctx: Context, plan_id: UUID) -> PlanView:
    """One plan with its newest version."""
    return _view(ctx, by_id(ctx, Plan, "plan", plan_id))


def change(ctx: Context, plan_id: UUID, values: Mapping[str, Any]) -> PlanView:
    """Change a plan's name, external id or metadata; prices change by a further version."""
    return _view(ctx, catalog.change(ctx, Plan, plan_id, values))


def list_plans(ctx: Context, window: Window, external_id: str | None = None) -> Slice[PlanView]:
    """Plans with their newest versions, newest first."""
    found = catalog.listed(ctx, Plan, window, external_id)
    views = {view.id: view for view in _views(ctx, found.rows)}
    return found.map(lambda plan: views[plan.id])


def list_versions(ctx: Context, plan_id: UUID, window: Window) -> Slice[VersionView]:
    """The versions of a plan, the newest first."""
    by_id(ctx, Plan, "plan", plan_id)
    statement = select(PlanVersion).where(PlanVersion.provider_id == ctx.provider.id, PlanVersion.plan_id == plan_id)
    found = in_order(ctx, statement, (PlanVersion.number,), window, descending=True)
    views = {view.id: view for view in version_views(ctx, found.rows)}
    return found.map(lambda version: views[version.id])


def versions(ctx: Context, version_ids: Collection[UUID]) -> dict[UUID, VersionView]:
    """Versions by their ids."""
    rows = ctx.session.scalars(
        select(PlanVersion).where(PlanVersion.provider_id == ctx.provider.id, among(PlanVersion.id, version_ids))
    ).all()
    return {view.id: view for view in version_views(ctx, rows)}


def versions_at(ctx: Context, plan_ids: Collection[UUID], at: datetime) -> dict[UUID, VersionView]:
    """The newest version of each plan that is offered at an instant; a plan that is not offered yet is left out."""
    if not plan_ids:
        return {}
    found = ctx.session.scalars(
        select(PlanVersion)
        .where(
            PlanVersion.provider_id == ctx.provider.id,
            among(PlanVersion.plan_id, plan_ids),
            PlanVersion.effective_at <= at,
        )
        .ext(distinct_on(PlanVersion.plan_id))
        .order_by(PlanVersion.plan_id, PlanVersion.number.desc())
    ).all()
    return {view.plan_id: view for view in version_views(ctx, found)}


def _view(ctx: Context, plan: Plan) -> PlanView:
    return _views(ctx, [plan])[0]


def _views(ctx: Context, plans: Sequence[Plan]) -> list[PlanView]:
    newest = ctx.session.scalars(
        select(PlanVersion)
        .where(PlanVersion.provider_id == ctx.provider.id, among(PlanVersion.plan_id, [p.id for p in plans]))
        .ext(distinct_on(PlanVersion.plan_id))
        .order_by(PlanVersion.plan_id, PlanVersion.number.desc())
    ).all()
    versions = {view.plan_id: view for view in version_views(ctx, newest)}
    rules = add_on_rules(ctx, plans)
    beside = plan_offers.named(ctx, [p.id for p in plans])
    return [
        PlanView(
            *(p.id, p.code, p.name, p.kind, p.external_id, p.created_at),
            *(versions[p.id], rules[p.id], beside[p.id], p.meta or {}),
        )
        for p in plans
    ]


def add_on_rules(ctx: Context, plans: Sequence[Plan]) -> dict[UUID, AddOnRules]:
    """The rules of add-ons, by plan; of other plans they say nothing."""
    rows = ctx.session.execute(
        select(AddOnBasePlan.plan_id, AddOnBasePlan.base_plan_id).where(
            AddOnBasePlan.provider_id == ctx.provider.id, among(AddOnBasePlan.plan_id, [p.id for p in plans])
        )
    ).all()
    bases: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for row in rows:
        bases[row.plan_id].add(row.base_plan_id)
    return {p.id: AddOnRules(frozenset(bases[p.id]), p.quantity_least, p.quantity_most, p.one_of) for p in plans}


def version_views(ctx: Context, versions: Sequence[PlanVersion]) -> list[VersionView]:
    """Versions with their prices and components, in two queries."""
    rows = ctx.session.scalars(
        select(Price)
        .where(Price.provider_id == ctx.provider.id, among(Price.plan_version_id, [v.id for v in versions]))
        .order_by(Price.plan_version_id, Price.position)
    ).all()
    corrected = price_corrections.in_force(ctx, [row.id for row in rows])
    prices: defaultdict[UUID, list[PriceView]] = defaultdict(list)
    for row in rows:
        assert row.plan_version_id is not None  # it was asked for by that
        prices[row.plan_version_id].append(_price_view(row, corrected.get(row.id, row.currencies)))
    parts = _components(ctx, [v.id for v in versions])
    return [
        VersionView(
            *(v.id, v.plan_id, v.number, v.effective_at, v.created_at),
            *(tuple(prices[v.id]), tuple(parts[v.id]), v.trial),
        )
        for v in versions
    ]


def _components(ctx: Context, version_ids: Sequence[UUID]) -> defaultdict[UUID, list[ComponentView]]:
    rows = ctx.session.scalars(
        select(BundleComponent)
        .where(BundleComponent.provider_id == ctx.provider.id, among(BundleComponent.plan_version_id, version_ids))
        .order_by(BundleComponent.position)
    )
    found: defaultdict[UUID, list[ComponentView]] = defaultdict(list)
    for row in rows:
        quantities = {code: Decimal(quantity) for code, quantity in row.quantities.items()}
        found[row.plan_version_id].append(ComponentView(row.plan_id, quantities, row.discount))
    return found


def _price_view(row: Price, currencies: Mapping[str, Any]) -> PriceView:
    interval = None
    if row.interval_unit is not None and row.interval_count is not None:
        interval = Interval(row.interval_unit, row.interval_count).as_json()
    return PriceView(
        row.id,
        row.charge_code,
        row.name,
        row.product_id,
        row.kind,
        interval,
        row.timing,
        row.proration,
        row.meter_id,
        currencies,
        row.tax_inclusive,
    )
