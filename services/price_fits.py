"""Whether prices fit what they count: the meter's aggregation, and the index that a price follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from billing.counting import misfit
from billing.items import MeterTerms
from billing.plan_prices import PlanPrice
from billing.price import Price, parse_price
from core.errors import FieldError, Invalid
from models.catalog import Meter
from models.indexes import PriceIndex
from services.context import Context
from services.sets import among


def check(ctx: Context, prices: Sequence[PlanPrice], meters: Mapping[str, UUID], pointer: str) -> None:
    """See that usage prices can be applied to what their meters count.

    Args:
        meters: the ids of the meters that the prices name.
        pointer: of the list of prices.

    Raises:
        Invalid: `index_unknown`, `index_unit_differs`, `index_currency_differs`, and those of
            `billing.counting.misfit`, each at its price.
    """
    asking = [
        (f"{pointer}/{i}/currencies/{currency}", parse_price(spec), currency, price.meter)
        for i, price in enumerate(prices)
        if price.meter is not None
        for currency, spec in price.currencies.items()
    ]
    asking = [each for each in asking if not each[1].needs.plain]
    if not asking:
        return
    terms = _terms(ctx, meters)
    indexes = _indexes(ctx, {price.needs.index for _, price, _, _ in asking if price.needs.index is not None})
    errors: list[FieldError] = []
    for place, price, currency, meter in asking:
        assert meter is not None  # only prices with a meter ask
        for member, needs in (("model", price.model.needs), ("commitment/overage/model", price.modifiers.needs)):
            wrong = misfit(needs, terms[meters[meter]].counted)
            if wrong is not None:
                errors.append(FieldError(f"{place}/{member}", *wrong))
        errors += _against_index(place, price, currency, terms[meters[meter]], indexes)
    if errors:
        raise Invalid.collect(errors)


def _terms(ctx: Context, meters: Mapping[str, UUID]) -> dict[UUID, MeterTerms]:
    rows = ctx.session.scalars(
        select(Meter).where(Meter.provider_id == ctx.provider.id, among(Meter.id, set(meters.values())))
    )
    return {row.id: MeterTerms(row.id, row.code, row.unit, row.aggregation, row.parameters) for row in rows}


def _indexes(ctx: Context, codes: set[str]) -> dict[str, Any]:
    if not codes:
        return {}
    rows = ctx.session.execute(
        select(PriceIndex.code, PriceIndex.unit, PriceIndex.currency).where(
            PriceIndex.provider_id == ctx.provider.id, among(PriceIndex.code, codes)
        )
    )
    return {row.code: row for row in rows}


def _against_index(
    place: str, price: Price, currency: str, meter: MeterTerms, indexes: Mapping[str, Any]
) -> Iterator[FieldError]:
    code = price.needs.index
    if code is None:
        return
    followed = "index" if price.model.needs.index is not None else "commitment/overage/index"
    index, member = indexes.get(code), f"{place}/{followed}"
    unit = meter.counted.unit or meter.unit
    if index is None:
        yield FieldError(member, "index_unknown", f"There is no price index {code}.")
        return
    if index.unit != unit:
        detail = f"The index {code} is for one {index.unit}, the meter {meter.code} counts {unit}."
        yield FieldError(member, "index_unit_differs", detail)
    if index.currency != currency:
        detail = f"The index {code} is in {index.currency}."
        yield FieldError(member, "index_currency_differs", detail)
