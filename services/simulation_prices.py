"""What a simulation tries: prices of a plan version, or of a list that nobody sells, as the engine sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from billing.items import MeterTerms, PriceTerms
from billing.offers import ADD_ON, as_charged, common_currencies
from billing.plan_prices import PlanPrice, read_prices
from billing.simulated_contracts import Months, Tried
from core.decimals import parse_decimal
from core.ids import decode, new_id
from core.period import utc
from models.catalog import Meter, Plan
from models.simulations import Simulation
from services import contract_prices, plans
from services.context import Context
from services.sets import among

# A portion has so many months of subscriptions.
MONTHS_AT_ONCE = 600


@dataclass(frozen=True)
class Trying:
    """A simulation as its work needs it.

    Args:
        tried: by currency.
        inclusive: whether the prices have their tax in them; both, where some have.
    """

    row: Simulation
    months: Months
    tried: Mapping[str, Tried]
    inclusive: frozenset[bool]

    @property
    def portion(self) -> int:
        """How many subscriptions are worked out together."""
        first, last = self.months.first, self.months.last
        return max(1, MONTHS_AT_ONCE // ((last.year - first.year) * 12 + last.month - first.month + 1))


@dataclass(frozen=True)
class _List:
    """Prices by currency and charge code; whose they are; what a bundle takes off its plans, and holds of them."""

    prices: Mapping[str, Mapping[str, PriceTerms]]
    inclusive: frozenset[bool]
    plan: Plan | None = None
    discounts: Mapping[str, Decimal] = field(default_factory=dict)
    quantities: Mapping[str, Decimal] = field(default_factory=dict)


def load(ctx: Context, row: Simulation) -> Trying:
    """What a simulation tries, in every currency that it has prices in."""
    found = _version(ctx, row.plan_version_id) if row.plan_version_id is not None else _unsold(ctx, row)
    assumed = {code: parse_decimal(quantity) for code, quantity in row.assumed["quantities"].items()}
    tried = {
        currency: Tried(
            plan_id=found.plan.id if found.plan is not None else None,
            prices=prices,
            quantities={**found.quantities, **assumed},
            charges_from=row.assumed["charges_from"],
            discounts=found.discounts,
            add_on=found.plan is not None and found.plan.kind == ADD_ON,
        )
        for currency, prices in found.prices.items()
    }
    return Trying(row, Months(row.first_month, row.last_month), tried, found.inclusive)


def _version(ctx: Context, version_id: UUID) -> _List:
    """A version's own prices and, of a bundle, those that its plans are offered at by then."""
    version = plans.versions(ctx, [version_id])[version_id]
    offered = max(ctx.now, utc(version.effective_at))
    contained = plans.versions_at(ctx, [c.plan_id for c in version.components], offered)
    lists = [version, *contained.values()]
    prices = [price for each in lists for price in each.prices]
    found: dict[str, Mapping[str, PriceTerms]] = {}
    for currency in sorted(common_currencies([charge.currencies for charge in as_charged(prices)])):
        by_version = contract_prices.version_prices(ctx, [each.id for each in lists], currency)
        found[currency] = {code: price for some in by_version.values() for code, price in some.items()}
    components = [(component, contained[component.plan_id]) for component in version.components]
    return _List(
        found,
        frozenset(price.tax_inclusive for price in prices),
        ctx.session.get_one(Plan, (ctx.provider.id, version.plan_id)),
        {price.charge_code: component.discount for component, plan in components for price in plan.prices},
        {code: quantity for component, _ in components for code, quantity in component.quantities.items()},
    )


def _unsold(ctx: Context, row: Simulation) -> _List:
    """Prices that no plan has. What they name is stored by id."""
    prices = read_prices(row.prices, "", [])
    meters = _meters(ctx, prices)
    version = new_id()
    return _List(
        {
            currency: {price.charge_code: _terms(price, currency, meters, version) for price in prices}
            for currency in prices[0].currencies
        },
        frozenset(price.tax_inclusive for price in prices),
    )


def _meters(ctx: Context, prices: Sequence[PlanPrice]) -> dict[str, MeterTerms]:
    ids = {price.meter: decode("meter", price.meter) for price in prices if price.meter is not None}
    rows = ctx.session.scalars(select(Meter).where(Meter.provider_id == ctx.provider.id, among(Meter.id, ids.values())))
    found = {row.id: MeterTerms(row.id, row.code, row.unit, row.aggregation, row.parameters) for row in rows}
    return {name: found[meter_id] for name, meter_id in ids.items()}


def _terms(price: PlanPrice, currency: str, meters: Mapping[str, MeterTerms], version: UUID) -> PriceTerms:
    return PriceTerms(
        price_id=new_id(),
        version_id=version,
        version=None,
        charge_code=price.charge_code,
        kind=price.kind,
        interval=price.interval,
        timing=price.timing,
        proration=price.proration,
        currency=currency,
        spec=price.currencies[currency],
        meter=meters[price.meter] if price.meter is not None else None,
    )
