"""Loading what is to be billed, in sets: items with terms, held claims and prices, for whole trees of accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from billing.coupons import Redeemed
from billing.items import AgreedTerm, Claim, Item, PriceTerms
from billing.terms import TermRow, fold
from core.period import Period, utc
from models.accounts import Account
from models.catalog import Price
from models.places import Assignment, Point, Site
from models.subscriptions import Subscription, SubscriptionItem, SubscriptionItemTerm
from services import (
    claims_credited,
    contract_calendars,
    contract_prices,
    coupons_redeemed,
    held_claims,
    untouched_claims,
)
from services.context import Context
from services.contract_prices import PriceFacts
from services.held_claims import ClaimRow, Held
from services.sets import among


class Owner(NamedTuple):
    """Whose an item is: who received it, who pays for it, who sells it."""

    subscription_id: UUID
    beneficiary_id: UUID
    payer_id: UUID
    seller_id: UUID


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


# Rows by name: what they are read by thousands of times over, a row of SQLAlchemy looks up anew each time.


class _ItemRow(NamedTuple):
    item_id: UUID
    charge_code: str
    subscription_id: UUID
    anchor: str
    anchored_at: datetime
    time_zone: str
    currency: str
    account_id: UUID
    payer_id: UUID
    seller_id: UUID


def load(ctx: Context, payers: Collection[UUID], since: datetime | None = None) -> Contracts:
    """The items of all accounts that these payers pay for, in a fixed number of queries.

    Args:
        since: leave out claims that `propose` and corrections would only look at to see that nothing changed, where
            usage that ended by then is not looked at again. Without it, every claim is there.
    """
    return _load(ctx, among(Account.payer_id, payers), since=since)


def load_subscription(ctx: Context, subscription_id: UUID, *, as_agreed: bool = False) -> Contracts:
    """The items of one subscription.

    Args:
        as_agreed: leave the terms as they are agreed, trials and pauses not taken out.
    """
    return _load(ctx, Subscription.id == subscription_id, as_agreed=as_agreed)


def load_subscriptions(ctx: Context, subscription_ids: Collection[UUID], *, as_agreed: bool = False) -> Contracts:
    """The items of some subscriptions, in a fixed number of queries; `as_agreed` as in `load_subscription`."""
    return _load(ctx, among(Subscription.id, subscription_ids), as_agreed=as_agreed)


def _load(
    ctx: Context, wanted: ColumnElement[bool], *, as_agreed: bool = False, since: datetime | None = None
) -> Contracts:
    rows = [_ItemRow._make(row) for row in ctx.session.execute(_items(ctx).where(wanted)).all()]
    terms_of, calendars = _terms(ctx, wanted), contract_calendars.load(ctx, wanted)
    prices = contract_prices.load(ctx, among(Price.id, {row.price_id for its in terms_of.values() for row in its}))
    subscriptions = {row.item_id: row.subscription_id for row in rows}
    untouched = untouched_claims.of_items(subscriptions, terms_of, calendars, prices, since) if since else {}
    held = held_claims.load(ctx, subscriptions, untouched)
    zones: dict[UUID, str] = dict(ctx.session.execute(_zones(ctx).where(wanted)).all())
    redeemed = coupons_redeemed.load(ctx, wanted)
    reduced = {claim: sum(t.amount for t in its) for each in redeemed.values() for claim, its in each.taken.items()}
    gone = _Gone(reduced, claims_credited.load(ctx, wanted))
    currencies = {row.currency for row in rows}
    terms_by_price = {
        (key, currency): contract_prices.terms_of(row, currency)
        for key, row in prices.items()
        for currency in currencies & row.currencies.keys()
    }
    items = tuple(
        calendars[row.subscription_id].follow(
            _item(row, terms_of[row.item_id], held, terms_by_price, zones.get(row.item_id), gone), as_agreed=as_agreed
        )
        for row in rows
    )
    owners = {row.item_id: Owner(row.subscription_id, row.account_id, row.payer_id, row.seller_id) for row in rows}
    facts = {key: contract_prices.facts_of(row) for key, row in prices.items()}
    originals = {row.claim_id: row.charge_id for its in held.claims.values() for row in its}
    return Contracts(items, owners, facts, originals, redeemed)


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


def _terms(ctx: Context, wanted: ColumnElement[bool]) -> defaultdict[UUID, list[TermRow]]:
    """The timelines, by item."""
    term = SubscriptionItemTerm
    columns = (
        select(
            *(term.item_id, term.from_at, term.price_id, term.quantity, term.ended),
            *(term.recorded_at, term.id, term.discount),
        )
        .select_from(term)
        .join(
            SubscriptionItem,
            and_(SubscriptionItem.provider_id == term.provider_id, SubscriptionItem.id == term.item_id),
        )
    )
    found: defaultdict[UUID, list[TermRow]] = defaultdict(list)
    for row in ctx.session.execute(_joined(ctx, columns).where(wanted)).all():
        item_id, from_at, price_id, quantity, ended, recorded_at, term_id, discount = row
        found[item_id].append(TermRow(utc(from_at), price_id, quantity, ended, recorded_at, term_id.int, discount))
    return found


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


def _item(
    row: _ItemRow,
    terms: Iterable[TermRow],
    held: Held,
    prices: Mapping[tuple[UUID, str], PriceTerms],
    usage_zone: str | None,
    gone: _Gone,
) -> Item:
    return Item(
        item_id=row.item_id,
        subscription_id=row.subscription_id,
        charge_code=row.charge_code,
        anchor=row.anchor,
        anchored_at=utc(row.anchored_at),
        time_zone=row.time_zone,
        terms=tuple(
            AgreedTerm(t.start, t.end, prices[t.price_id, row.currency], t.quantity, t.discount) for t in fold(terms)
        ),
        claims=tuple(_claim(c, prices[c.price_id, row.currency], gone) for c in held.claims.get(row.item_id, ())),
        usage_zone=usage_zone,
        held=tuple(held.stretches.get(row.item_id, ())),
    )


def _claim(row: ClaimRow, price: PriceTerms, gone: _Gone) -> Claim:
    billed = (int(row.net_amount), row.discount, int(row.drawn))
    taken = gone.reduced.get(row.claim_id, 0), gone.credited.get(row.claim_id, 0)
    span = Period(utc(row.start_at), utc(row.end_at))
    return Claim(row.claim_id, span, price, row.quantity, *billed, *taken, rated_at=utc(row.rated_at))
