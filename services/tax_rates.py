"""A provider's own tax rates: they go before those that are shipped, and are what is known outside the Union."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError

from billing.tax.decision import DEFAULT_NAME, EXEMPT, STANDARD, ZERO_RATED
from billing.tax.decision import TaxRate as Rate
from billing.tax.facts import STANDARD_CLASS, Place, Validity
from billing.tax.rates import PlacedRate, RateTable, european_union
from core.errors import Conflict, Invalid
from core.ids import new_id
from models.taxes import TaxRate
from services import lookups
from services.context import Context
from services.paging import Slice, Window, newest_first
from services.sets import among

KIND = "tax_rate"
NO_OVERLAP = "ex_tax_rate_valid"


def create(ctx: Context, values: Mapping[str, Any]) -> TaxRate:
    """Add a rate.

    Args:
        values: `country`, `rate`, `valid_from`; optional `region`, `county`, `city`, `tax_class`, `jurisdiction`,
            `name`, `category`, `reason`, `note`, `stacked`, `valid_to`, `external_id`, `meta`.

    Raises:
        Invalid: `region_required`, `category_has_no_rate`, `note_required`, `dates_reversed`.
        Conflict: `rate_overlaps`: another one of the same place, class and jurisdiction is valid on a day of these.
    """
    row = TaxRate(provider_id=ctx.provider.id, id=new_id(), created_at=ctx.now, **_complete(values))
    ctx.session.add(row)
    _flush(ctx)
    return row


def _complete(values: Mapping[str, Any]) -> dict[str, Any]:
    parts = [str(values.get(name) or "").strip() for name in ("country", "region", "county", "city")]
    place = Place(parts[0], parts[1].removeprefix(f"{parts[0]}-"), *parts[2:])
    category = values.get("category") or (STANDARD if values["rate"] > 0 else ZERO_RATED)
    if (place.county or place.city) and not place.region:
        raise Invalid("region_required", "A county or city lies in a region: name it.", "/region")
    if (category == STANDARD) != (values["rate"] > 0):
        raise Invalid("category_has_no_rate", "The category S, and no other, has a rate above zero.", "/category")
    if category == EXEMPT and not values.get("note"):
        raise Invalid("note_required", "An exemption states its legal ground.", "/note")
    if values.get("valid_to") is not None and values["valid_to"] < values["valid_from"]:
        raise Invalid("dates_reversed", "The last day is before the first.", "/valid_to")
    return {
        "tax_class": STANDARD_CLASS,
        "name": DEFAULT_NAME,
        "jurisdiction": _jurisdiction(place) if values.get("stacked") else "",
        **{name: value for name, value in values.items() if value is not None},
        "region": place.region,
        "county": place.county,
        "city": place.city,
        "category": category,
    }


def _jurisdiction(place: Place) -> str:
    """Who takes a stacked rate, where nobody says so: its place."""
    return ", ".join(filter(None, (place.city, place.county, place.region, place.country)))


def _flush(ctx: Context) -> None:
    try:
        with ctx.session.begin_nested():  # a savepoint
            ctx.session.flush()
    except IntegrityError as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        if constraint != NO_OVERLAP:
            raise
        detail = "Another rate of this place, class and jurisdiction is valid on one of these days: end it first."
        raise Conflict("rate_overlaps", detail, "/valid_from") from None


def get(ctx: Context, rate_id: UUID) -> TaxRate:
    """One rate."""
    return lookups.by_id(ctx, TaxRate, KIND, rate_id)


def list_rates(
    ctx: Context,
    window: Window,
    *,
    external_id: str | None = None,
    country: str | None = None,
    tax_class: str | None = None,
    on: date | None = None,
) -> Slice[TaxRate]:
    """The provider's rates, newest first; `on`: those that are valid on a day."""
    statement = select(TaxRate).where(TaxRate.provider_id == ctx.provider.id)
    for column, value in (
        (TaxRate.external_id, external_id),
        (TaxRate.country, country),
        (TaxRate.tax_class, tax_class),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if on is not None:
        statement = statement.where(TaxRate.valid_from <= on, or_(TaxRate.valid_to.is_(None), TaxRate.valid_to >= on))
    return newest_first(ctx, statement, TaxRate.id, window)


def change(ctx: Context, rate_id: UUID, changes: Mapping[str, Any]) -> TaxRate:
    """Change a rate's `name`, `note`, `valid_to`, `external_id` or `meta`. Documents keep what they say.

    Raises:
        NotFound, Invalid: `dates_reversed`, `note_required`. Conflict: `rate_overlaps`.
    """
    row = lookups.by_id(ctx, TaxRate, KIND, rate_id, lock=True)
    if changes.get("valid_to") is not None and changes["valid_to"] < row.valid_from:
        raise Invalid("dates_reversed", "The last day is before the first.", "/valid_to")
    if row.category == EXEMPT and not changes.get("note", row.note):
        raise Invalid("note_required", "An exemption states its legal ground.", "/note")
    for name, value in changes.items():
        setattr(row, name, value)
    _flush(ctx)
    return row


def remove(ctx: Context, rate_id: UUID) -> None:
    """Take back a rate that was wrong from the start. Documents keep what they say."""
    ctx.session.delete(lookups.by_id(ctx, TaxRate, KIND, rate_id, lock=True))
    ctx.session.flush()


def table(ctx: Context, countries: Collection[str]) -> RateTable:
    """All rates of some countries: the provider's own, then those that are shipped."""
    rows = ctx.session.scalars(
        select(TaxRate).where(TaxRate.provider_id == ctx.provider.id, among(TaxRate.country, countries))
    ).all()
    return RateTable(placed(rows), european_union().rates)


def placed(rows: Sequence[TaxRate]) -> list[PlacedRate]:
    """Rates as the rules see them."""
    return [
        PlacedRate(
            Place(row.country, row.region, row.county, row.city),
            row.tax_class,
            Rate(
                row.category,
                Decimal(row.rate),
                row.jurisdiction,
                name=row.name,
                reason=row.reason or "",
                note=row.note or "",
            ),
            Validity(row.valid_from, row.valid_to),
            row.stacked,
        )
        for row in rows
    ]
