"""Loading what is to be billed, in sets: items with terms, held claims and prices, for whole trees of accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select, true
from sqlalchemy.dialects.postgresql import Range, distinct_on
from sqlalchemy.orm import aliased

from billing.coupons import Redeemed
from billing.drawdown import DRAWDOWN
from billing.items import AgreedTerm, Claim, Item, MeterTerms, PriceTerms
from billing.periods import Interval
from billing.terms import TermRow, fold
from core.period import Period, utc
from models.accounts import Account
from models.billing import BilledSpan, Charge
from models.catalog import Meter, Plan, PlanVersion, Price, PriceCorrection, Product
from models.places import Assignment, Point, Site
from models.subscriptions import Subscription, SubscriptionItem, SubscriptionItemTerm
from services import claims_credited, contract_calendars, coupons_redeemed
from services.context import Context
from services.sets import among

ORIGINALS = ("recurring", "one_off", "usage")
ADD_ON = "add_on"


@dataclass(frozen=True)
class Owner:
    """Whose an item is: who received it, who pays for it, who sells it."""

    subscription_id: UUID
    beneficiary_id: UUID
    payer_id: UUID
    seller_id: UUID


@dataclass(frozen=True)
class PriceFacts:
    """What a charge keeps of its price beside the terms: `words` say on a document what was delivered."""

    words: str
    product_id: UUID
    tax_inclusive: bool


@dataclass(frozen=True)
class Contracts:
    """Everything that `propose` needs of some payers, and what storing its proposal needs.

    Args:
        owners: by item.
        prices: by price.
        originals: the charge that made a claim, by claim.
        redeemed: the coupons of the subscriptions that have any.
    """

    items: tuple[Item, ...]
    owners: Mapping[UUID, Owner]
    prices: Mapping[UUID, PriceFacts]
    originals: Mapping[UUID, UUID]
    redeemed: Mapping[UUID, Redeemed]


@dataclass(frozen=True)
class _Gone:
    """By claim, what coupons took off, and what credit notes gave back of its charges, in minor units."""

    reduced: Mapping[UUID, int]
    credited: Mapping[UUID, int]


def load(ctx: Context, payers: Collection[UUID]) -> Contracts:
    """The items of all accounts that these payers pay for, in a fixed number of queries."""
    return _load(ctx, among(Account.payer_id, payers))


def load_subscription(ctx: Context, subscription_id: UUID, *, as_agreed: bool = False) -> Contracts:
    """The items of one subscription.

    Args:
        as_agreed: leave the terms as they are agreed, trials and pauses not taken out.
    """
    return _load(ctx, Subscription.id == subscription_id, as_agreed=as_agreed)


def load_subscriptions(ctx: Context, subscription_ids: Collection[UUID], *, as_agreed: bool = False) -> Contracts:
    """The items of some subscriptions, in a fixed number of queries; `as_agreed` as in `load_subscription`."""
    return _load(ctx, among(Subscription.id, subscription_ids), as_agreed=as_agreed)


def _load(ctx: Context, wanted: ColumnElement[bool], *, as_agreed: bool = False) -> Contracts:
    rows = ctx.session.execute(_items(ctx).where(wanted)).all()
    terms = ctx.session.execute(_terms(ctx).where(wanted)).all()
    claims = ctx.session.execute(_claims(ctx).where(wanted)).all()
    zones = {row.item_id: row.time_zone for row in ctx.session.execute(_zones(ctx).where(wanted))}
    prices = _prices(ctx, among(Price.id, {t.price_id for t in terms} | {c.price_id for c in claims}))
    terms_of, claims_of = _by_item(terms), _by_item(claims)
    redeemed = coupons_redeemed.load(ctx, wanted)
    reduced = {claim: sum(t.amount for t in its) for each in redeemed.values() for claim, its in each.taken.items()}
    gone = _Gone(reduced, claims_credited.load(ctx, wanted))
    currencies = {row.currency for row in rows}
    terms_by_price = {
        (key, currency): _price_terms(row, currency)
        for key, row in prices.items()
        for currency in currencies & row.currencies.keys()
    }
    calendars = contract_calendars.load(ctx, wanted)
    items = tuple(
        calendars[row.subscription_id].follow(
            _item(row, terms_of[row.item_id], claims_of[row.item_id], terms_by_price, zones.get(row.item_id), gone),
            as_agreed=as_agreed,
        )
        for row in rows
    )
    owners = {row.item_id: Owner(row.subscription_id, row.account_id, row.payer_id, row.seller_id) for row in rows}
    facts = {key: PriceFacts(_words(row), row.product_id, row.tax_inclusive) for key, row in prices.items()}
    return Contracts(items, owners, facts, {row.id: row.charge_id for row in claims}, redeemed)


def price_terms(ctx: Context, price_id: UUID, currency: str) -> PriceTerms:
    """One price as the engine sees it, in a currency."""
    return _price_terms(_prices(ctx, among(Price.id, [price_id]))[price_id], currency)


def version_prices(ctx: Context, version_ids: Collection[UUID], currency: str) -> dict[UUID, dict[str, PriceTerms]]:
    """The prices of plan versions as the engine sees them, in a currency that they have: by version and charge code."""
    found: dict[UUID, dict[str, PriceTerms]] = {version_id: {} for version_id in version_ids}
    rows = _prices(ctx, among(Price.plan_version_id, version_ids)).values()
    for row in sorted(rows, key=lambda row: row.position):
        found[row.version_id][row.charge_code] = _price_terms(row, currency)
    return found


def _by_item(rows: Iterable[Any]) -> defaultdict[UUID, list[Any]]:
    grouped: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.item_id].append(row)
    return grouped


def _joined(ctx: Context, statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """From items over subscriptions to accounts; a subscription that has not begun has nothing to bill."""
    return (
        statement.join(
            Subscription,
            and_(
                Subscription.provider_id == SubscriptionItem.provider_id,
                Subscription.id == SubscriptionItem.subscription_id,
            ),
        )
        .join(Account, and_(Account.provider_id == Subscription.provider_id, Account.id == Subscription.account_id))
        .where(SubscriptionItem.provider_id == ctx.provider.id, Subscription.start_at.is_not(None))
    )


def _items(ctx: Context) -> Select[*tuple[Any, ...]]:
    columns = select(
        SubscriptionItem.id.label("item_id"),
        SubscriptionItem.charge_code,
        SubscriptionItem.subscription_id,
        Subscription.anchor,
        func.coalesce(Subscription.anchored_at, Subscription.start_at).label("anchored_at"),
        Subscription.time_zone,
        Subscription.currency,
        Subscription.account_id,
        Account.payer_id,
        Account.seller_id,
    ).select_from(SubscriptionItem)
    return _joined(ctx, columns).order_by(SubscriptionItem.id)


def _terms(ctx: Context) -> Select[*tuple[Any, ...]]:
    term = SubscriptionItemTerm
    columns = (
        select(
            *(term.id, term.item_id, term.from_at, term.price_id, term.quantity, term.discount, term.ended),
            term.recorded_at,
        )
        .select_from(term)
        .join(
            SubscriptionItem,
            and_(SubscriptionItem.provider_id == term.provider_id, SubscriptionItem.id == term.item_id),
        )
    )
    return _joined(ctx, columns)


def _claims(ctx: Context) -> Select[*tuple[Any, ...]]:
    """Held claims, each with the charge that made it and the sum of all its charges."""
    charged = (
        select(
            Charge.claim_id,
            func.coalesce(func.sum(Charge.amount).filter(Charge.kind != DRAWDOWN), 0).label("net_amount"),
            func.coalesce(-func.sum(Charge.amount).filter(Charge.kind == DRAWDOWN), 0).label("drawn"),
            func.array_agg(Charge.id).filter(Charge.kind.in_(ORIGINALS)).label("charge_ids"),
            func.array_agg(Charge.price_id).filter(Charge.kind.in_(ORIGINALS)).label("price_ids"),
            func.array_agg(Charge.discount).filter(Charge.kind.in_(ORIGINALS)).label("discounts"),
            func.sum(Charge.quantity).filter(Charge.kind.in_((*ORIGINALS, "adjustment"))).label("quantity"),
            # A later one may not have been rated when it was stored: a voided document's corrections wait once more.
            func.min(Charge.recorded_at).label("rated_at"),
        )
        .where(
            Charge.provider_id == BilledSpan.provider_id,
            Charge.claim_id == BilledSpan.id,
            Charge.released_at.is_(None),
        )
        .group_by(Charge.claim_id)
        .lateral("charged")
    )
    columns = (
        select(
            BilledSpan.id,
            BilledSpan.item_id,
            BilledSpan.span,
            charged.c.net_amount,
            charged.c.drawn,
            charged.c.charge_ids[1].label("charge_id"),
            charged.c.price_ids[1].label("price_id"),
            charged.c.discounts[1].label("discount"),
            charged.c.quantity,
            charged.c.rated_at,
        )
        .select_from(BilledSpan)
        .join(charged, BilledSpan.id == charged.c.claim_id)
        .join(
            SubscriptionItem,
            and_(SubscriptionItem.provider_id == BilledSpan.provider_id, SubscriptionItem.id == BilledSpan.item_id),
        )
    )
    return _joined(ctx, columns).where(BilledSpan.status == "held")


def _zones(ctx: Context) -> Select[*tuple[Any, ...]]:
    """The zone of the site where each item was metered first; later assignments do not move its bands."""
    columns = (
        select(Assignment.item_id, Site.time_zone)
        .select_from(Assignment)
        .join(Point, and_(Point.provider_id == Assignment.provider_id, Point.id == Assignment.point_id))
        .join(Site, and_(Site.provider_id == Point.provider_id, Site.id == Point.site_id))
        .join(
            SubscriptionItem,
            and_(SubscriptionItem.provider_id == Assignment.provider_id, SubscriptionItem.id == Assignment.item_id),
        )
        .ext(distinct_on(Assignment.item_id))
    )
    return _joined(ctx, columns).order_by(Assignment.item_id, func.lower(Assignment.span), Assignment.id)


def _words(row: Any) -> str:
    """The price's own name; without one the product's, and the code too where a plan has several of that product."""
    if row.name != row.charge_code:
        return str(row.name)
    return f"{row.product_name}, {row.charge_code}" if row.of_product > 1 else str(row.product_name)


def _prices(ctx: Context, wanted: ColumnElement[bool]) -> dict[UUID, Any]:
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


def _item(
    row: Any,
    terms: Iterable[Any],
    claims: Iterable[Any],
    prices: Mapping[tuple[UUID, str], PriceTerms],
    usage_zone: str | None,
    gone: _Gone,
) -> Item:
    timeline = fold(
        TermRow(utc(t.from_at), t.price_id, t.quantity, t.ended, t.recorded_at, t.id.hex, t.discount) for t in terms
    )
    return Item(
        item_id=row.item_id,
        subscription_id=row.subscription_id,
        charge_code=row.charge_code,
        anchor=row.anchor,
        anchored_at=utc(row.anchored_at),
        time_zone=row.time_zone,
        terms=tuple(
            AgreedTerm(t.start, t.end, prices[t.price_id, row.currency], t.quantity, t.discount) for t in timeline
        ),
        claims=tuple(_claim(c, prices[c.price_id, row.currency], gone) for c in claims),
        usage_zone=usage_zone,
    )


def _claim(row: Any, price: PriceTerms, gone: _Gone) -> Claim:
    billed = (int(row.net_amount), row.discount, int(row.drawn))
    taken = gone.reduced.get(row.id, 0), gone.credited.get(row.id, 0)
    return Claim(row.id, period_of(row.span), price, row.quantity, *billed, *taken, rated_at=utc(row.rated_at))


def period_of(span: Range[Any]) -> Period:
    """A stored span as a value; claims are bounded and half-open by their table's constraints."""
    assert span.lower is not None
    assert span.upper is not None
    return Period(utc(span.lower), utc(span.upper))


def _meter(row: Any) -> MeterTerms:
    return MeterTerms(row.meter_id, row.meter_code, row.meter_unit, row.aggregation, row.parameters)


def _price_terms(row: Any, currency: str) -> PriceTerms:
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
