"""What is sold: products, meters, plans with immutable versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select

from billing.metering.meters import kinds, parse_aggregation
from core.errors import Conflict
from core.ids import new_id
from models.catalog import Meter, Plan, Product
from models.indexes import PriceIndex
from services.context import Context
from services.lookups import by_id
from services.paging import Slice, Window, newest_first

Named = TypeVar("Named", Product, Meter, Plan, PriceIndex)
KINDS: Mapping[type[Any], str] = {
    Product: "product",
    Meter: "meter",
    Plan: "plan",
    PriceIndex: "price index",
}


def create_product(ctx: Context, values: Mapping[str, Any]) -> Product:
    """Add a product.

    Args:
        values: `code`, `name`; optional `tax_class`, `external_id`, `meta`.

    Raises:
        Conflict: `code_taken`.
    """
    return add(ctx, Product, values)


def create_meter(ctx: Context, values: Mapping[str, Any]) -> Meter:
    """Add a meter.

    Args:
        values: `code`, `name`, `unit`, `aggregation`; optional `parameters` (members of the aggregation), `register`,
            `external_id`, `meta`.

    Raises:
        Invalid: `aggregation_unknown`, naming those that are known; `unit_mismatch`; the aggregation's own codes.
        Conflict: `code_taken`.
    """
    name, given = values["aggregation"], values.get("parameters", {})
    parse_aggregation(name, given, values["unit"])
    return add(ctx, Meter, {**values, "parameters": kinds()[name].parameters(given)})


def add(ctx: Context, model: type[Named], values: Mapping[str, Any]) -> Named:
    """Add a row that has a code of its own."""
    taken = select(model.id).where(model.provider_id == ctx.provider.id, model.code == values["code"])
    if ctx.session.execute(taken).first() is not None:
        raise Conflict("code_taken", f"There is another {KINDS[model]} with this code.", "/code")
    row = model(provider_id=ctx.provider.id, id=new_id(), created_at=ctx.now, **values)
    ctx.session.add(row)
    ctx.session.flush()
    return row


def get_product(ctx: Context, product_id: UUID) -> Product:
    """One product."""
    return by_id(ctx, Product, "product", product_id)


def get_meter(ctx: Context, meter_id: UUID) -> Meter:
    """One meter."""
    return by_id(ctx, Meter, "meter", meter_id)


def list_products(ctx: Context, window: Window, external_id: str | None = None) -> Slice[Product]:
    """Products, newest first."""
    return listed(ctx, Product, window, external_id)


def list_meters(ctx: Context, window: Window, external_id: str | None = None) -> Slice[Meter]:
    """Meters, newest first."""
    return listed(ctx, Meter, window, external_id)


def listed(ctx: Context, model: type[Named], window: Window, external_id: str | None) -> Slice[Named]:
    """A page of one kind, newest first."""
    statement = select(model).where(model.provider_id == ctx.provider.id)
    if external_id is not None:
        statement = statement.where(model.external_id == external_id)
    return newest_first(ctx, statement, model.id, window)


def change(ctx: Context, model: type[Named], row_id: UUID, values: Mapping[str, Any]) -> Named:
    """Change what may change without touching what was sold: name, tax class, external id, metadata."""
    row = by_id(ctx, model, KINDS[model], row_id, lock=True)
    for name, value in values.items():
        setattr(row, name, value)
    ctx.session.flush()
    return row


def change_product(ctx: Context, product_id: UUID, values: Mapping[str, Any]) -> Product:
    """Change a product's name, tax class, external id or metadata."""
    return change(ctx, Product, product_id, values)


def change_meter(ctx: Context, meter_id: UUID, values: Mapping[str, Any]) -> Meter:
    """Change a meter's name, external id or metadata; what it counts stays."""
    return change(ctx, Meter, meter_id, values)
