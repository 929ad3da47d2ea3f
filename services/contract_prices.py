"""The prices of contracts, as the engine sees them and as charges name them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, true
from sqlalchemy.orm import aliased

from billing.items import MeterTerms, PriceTerms
from billing.periods import Interval
from models.catalog import Meter, Plan, PlanVersion, Price, PriceCorrection, Product
from services.context import Context
from services.sets import among

ADD_ON = "add_on"


@dataclass(frozen=True)
class PriceFacts:
    """What a charge keeps of its price beside the terms: `words` say on a document what was delivered."""

    words: str
    product_id: UUID
    tax_inclusive: bool


def price_terms(ctx: Context, price_id: UUID, currency: str) -> PriceTerms:
    """One price as the engine sees it, in a currency."""
    return terms_of(load(ctx, among(Price.id, [price_id]))[price_id], currency)


def version_prices(ctx: Context, version_ids: Collection[UUID], currency: str) -> dict[UUID, dict[str, PriceTerms]]:
    """The prices of plan versions as the engine sees them, in a currency that they have: by version and charge code."""
    found: dict[UUID, dict[str, PriceTerms]] = {version_id: {} for version_id in version_ids}
    rows = load(ctx, among(Price.plan_version_id, version_ids)).values()
    for row in sorted(rows, key=lambda row: row.position):
        found[row.version_id][row.charge_code] = terms_of(row, currency)
    return found


def load(ctx: Context, wanted: ColumnElement[bool]) -> dict[UUID, Any]:
    """The rows of prices, by price, for `terms_of` and `facts_of`: corrected where they were."""
    sibling = aliased(Price)
    of_product = (
        select(func.count())
        .where(
            sibling.provider_id == Price.provider_id,
            sibling.plan_version_id == Price.plan_version_id,
            sibling.product_id == Price.product_id,
        )
        .scalar_subquery()
    )
    correction = (
        select(PriceCorrection.currencies)
        .where(PriceCorrection.provider_id == Price.provider_id, PriceCorrection.price_id == Price.id)
        .order_by(PriceCorrection.id.desc())
        .limit(1)
        .lateral("correction")
    )
    rows = ctx.session.execute(
        select(
            Price.id,
            Price.name,
            Product.name.label("product_name"),
            of_product.label("of_product"),
            Price.charge_code,
            Price.position,
            Price.kind,
            Price.interval_unit,
            Price.interval_count,
            Price.timing,
            Price.proration,
            func.coalesce(correction.c.currencies, Price.currencies).label("currencies"),
            correction.c.currencies.is_not(None).label("corrected"),
            Price.origin,
            Price.product_id,
            Price.tax_inclusive,
            PlanVersion.id.label("version_id"),
            PlanVersion.number,
            PlanVersion.plan_id,
            Plan.kind.label("plan_kind"),
            Meter.id.label("meter_id"),
            Meter.code.label("meter_code"),
            Meter.unit.label("meter_unit"),
            Meter.aggregation,
            Meter.parameters,
        )
        .outerjoin(
            PlanVersion, and_(PlanVersion.provider_id == Price.provider_id, PlanVersion.id == Price.plan_version_id)
        )
        .outerjoin(Plan, and_(Plan.provider_id == PlanVersion.provider_id, Plan.id == PlanVersion.plan_id))
        .join(Product, and_(Product.provider_id == Price.provider_id, Product.id == Price.product_id))
        .outerjoin(Meter, and_(Meter.provider_id == Price.provider_id, Meter.id == Price.meter_id))
        .outerjoin(correction, true())
        .where(Price.provider_id == ctx.provider.id, wanted)
    )
    return {row.id: row for row in rows}


def _meter(row: Any) -> MeterTerms:
    return MeterTerms(row.meter_id, row.meter_code, row.meter_unit, row.aggregation, row.parameters)


def terms_of(row: Any, currency: str) -> PriceTerms:
    """A row of `load` as a price in one of its currencies."""
    return PriceTerms(
        price_id=row.id,
        version_id=row.version_id,
        version=row.number,
        charge_code=row.charge_code,
        kind=row.kind,
        interval=Interval(row.interval_unit, row.interval_count) if row.interval_unit else None,
        timing=row.timing,
        proration=row.proration,
        currency=currency,
        spec=row.currencies[currency],
        meter=_meter(row) if row.meter_id else None,
        product_id=row.product_id,
        plan_id=row.plan_id,
        add_on=row.plan_kind == ADD_ON,
        origin=row.origin,
        corrected=row.corrected,
        tax_inclusive=row.tax_inclusive,
    )


def facts_of(row: Any) -> PriceFacts:
    """A row of `load` as a charge names it."""
    return PriceFacts(_words(row), row.product_id, row.tax_inclusive)


def _words(row: Any) -> str:
    """The price's own name; without one the product's, and the code too where a plan has several of that product."""
    if row.name != row.charge_code:
        return str(row.name)
    return f"{row.product_name}, {row.charge_code}" if row.of_product > 1 else str(row.product_name)
