"""Corrections of prices that were wrong from the start: versions stay, what was billed is adjusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import distinct_on

from billing.periods import Interval
from billing.plan_prices import PlanPrice, price_as_stored, read_price_of
from billing.price import parse_price
from core.errors import FieldError, Invalid
from core.ids import new_id
from models.catalog import Plan, PlanVersion, Price, PriceCorrection
from services import price_fits, spending_news
from services.context import Context
from services.lookups import by_id
from services.paging import Slice, Window, newest_first
from services.sets import add_rows, among


@dataclass(frozen=True)
class Corrected:
    """A charge of a version, and what it should have cost: JSON of a price, by currency. Others stay."""

    charge_code: str
    currencies: Mapping[str, Any]


@dataclass(frozen=True)
class CorrectionView:
    """A correction, as it is shown. `currencies` are all of the price's, those that were right included."""

    id: UUID
    plan_version_id: UUID
    price_id: UUID
    charge_code: str
    currencies: Mapping[str, Any]
    reason: str
    created_at: datetime


def correct(ctx: Context, version_id: UUID, prices: Sequence[Corrected], reason: str) -> list[CorrectionView]:
    """Say what prices of a version should have been from the start.

    From now on they hold for all who are on the version; spans that are billed already are rated again, and the
    difference goes onto the next invoice. Everything else of a charge stays: that needs another version.

    Raises:
        Invalid: `prices_expected`, `charge_code_unknown`, `charge_code_repeated`, `currency_not_offered`,
            `drawn_price_not_corrected`, and those of prices and of `services.price_fits`.
    """
    version = by_id(ctx, PlanVersion, "plan_version", version_id)
    by_id(ctx, Plan, "plan", version.plan_id, lock=True)  # a version itself never changes, so it cannot be locked
    known = _known(ctx, version_id)
    errors: list[FieldError] = []
    if not prices:
        errors.append(FieldError("/prices", "prices_expected", "Say which prices were wrong."))
    read = [_read(prices, i, known, errors) for i in range(len(prices))]
    if errors:
        raise Invalid.collect(errors)
    meters = {str(row.meter_id): row.meter_id for row, _ in known.values() if row.meter_id is not None}
    price_fits.check(ctx, read, meters, "/prices")
    rows: list[dict[str, Any]] = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "price_id": known[price.charge_code][0].id,
            "currencies": {**known[price.charge_code][1], **_stored(price)},
            "reason": reason,
            "created_at": ctx.now,
        }
        for price in read
    ]
    add_rows(ctx, PriceCorrection, rows)
    spending_news.note_all(ctx, ctx.now)
    return [_view(PriceCorrection(**row), version_id, price.charge_code) for row, price in zip(rows, read, strict=True)]


def _known(ctx: Context, version_id: UUID) -> dict[str, tuple[Price, Mapping[str, Any]]]:
    """The prices of a version by charge code, with what holds for each: the latest correction, or its own."""
    rows = ctx.session.scalars(
        select(Price).where(Price.provider_id == ctx.provider.id, Price.plan_version_id == version_id)
    ).all()
    latest = in_force(ctx, [row.id for row in rows])
    return {row.charge_code: (row, latest.get(row.id, row.currencies)) for row in rows}


def in_force(ctx: Context, price_ids: Sequence[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """What holds for prices that were corrected, by price."""
    rows = ctx.session.scalars(
        select(PriceCorrection)
        .where(PriceCorrection.provider_id == ctx.provider.id, among(PriceCorrection.price_id, price_ids))
        .ext(distinct_on(PriceCorrection.price_id))
        .order_by(PriceCorrection.price_id, PriceCorrection.id.desc())
    )
    return {row.price_id: row.currencies for row in rows}


def _read(
    prices: Sequence[Corrected], i: int, known: Mapping[str, tuple[Price, Mapping[str, Any]]], errors: list[FieldError]
) -> PlanPrice:
    """A corrected price with the terms that stay."""
    price, pointer = prices[i], f"/prices/{i}"
    row, before = known.get(price.charge_code, (None, {}))
    if row is None:
        detail = f"The version has no charge {price.charge_code}."
        errors.append(FieldError(f"{pointer}/charge_code", "charge_code_unknown", detail))
    elif price.charge_code in {other.charge_code for other in prices[:i]}:
        errors.append(FieldError(f"{pointer}/charge_code", "charge_code_repeated", "Correct each charge once."))
    if not price.currencies:
        errors.append(FieldError(f"{pointer}/currencies", "currencies_expected", "Say what it should have been."))
    kind = row.kind if row is not None else ""
    for currency, spec in price.currencies.items():
        place = f"{pointer}/currencies/{currency}"
        if row is not None and currency not in before:
            errors.append(FieldError(place, "currency_not_offered", f"The price has no {currency}."))
        elif row is not None:
            read_price_of(kind, spec, place, errors)
            if parse_price(before[currency]).needs.draws:
                detail = "A committed amount is not corrected once it is agreed; sell another version."
                errors.append(FieldError(place, "drawn_price_not_corrected", detail))
    interval = Interval(row.interval_unit, row.interval_count or 1) if row is not None and row.interval_unit else None
    return PlanPrice(
        charge_code=price.charge_code,
        name=row.name if row is not None else "",
        product="",
        kind=kind,
        interval=interval,
        timing=row.timing if row is not None else "",
        proration=row.proration if row is not None else "",
        meter=str(row.meter_id) if row is not None and row.meter_id is not None else None,
        currencies=price.currencies,
    )


def _stored(price: PlanPrice) -> dict[str, Any]:
    return {code: price_as_stored(spec) for code, spec in price.currencies.items()}


def list_corrections(ctx: Context, version_id: UUID, window: Window) -> Slice[CorrectionView]:
    """The corrections of a version's prices, newest first."""
    by_id(ctx, PlanVersion, "plan_version", version_id)
    of_version = and_(Price.provider_id == PriceCorrection.provider_id, Price.id == PriceCorrection.price_id)
    statement = (
        select(PriceCorrection)
        .join(Price, of_version)
        .where(PriceCorrection.provider_id == ctx.provider.id, Price.plan_version_id == version_id)
    )
    found = newest_first(ctx, statement, PriceCorrection.id, window)
    codes = {row.id: code for code, (row, _) in _known(ctx, version_id).items()}
    return found.map(lambda row: _view(row, version_id, codes[row.price_id]))


def _view(row: PriceCorrection, version_id: UUID, charge_code: str) -> CorrectionView:
    return CorrectionView(row.id, version_id, row.price_id, charge_code, row.currencies, row.reason, row.created_at)
