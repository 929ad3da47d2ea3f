"""What documents say of whose their charges are: read once for all charges of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, select

from billing.document_grouping import PER_PAYER, PER_SUBSCRIPTION, grouping_key, order_number
from billing.offers import ADD_ON, BASE, BUNDLE
from core.ids import encode
from core.period import utc
from models.accounts import Account
from models.catalog import Plan, PlanVersion, Price
from models.providers import Seller
from models.subscriptions import Subscription, SubscriptionItem
from services.context import Context
from services.sets import among

# Where the charges of a subscription stand, by the kind of their plan; those of no plan last.
RANKS = {BUNDLE: 0, BASE: 1, ADD_ON: 2}


class Contract(NamedTuple):
    """A subscription as lines name it. A tuple, since lines look at it by the hundred thousand.

    `reference` is the name that it has elsewhere, else its id.
    """

    plan_name: str
    reference: str
    purchase_order: str | None
    cost_centre: str | None
    created_at: datetime


@dataclass(frozen=True)
class Names:
    """What lines say of whose they are, by id: accounts, sellers, subscriptions; the places of prices; the cost centres
    of items that have one of their own.
    """

    accounts: Mapping[UUID, Any]
    sellers: Mapping[UUID, Any]
    subscriptions: Mapping[UUID, Contract]
    orders: Mapping[UUID, tuple[int, str, int]]
    cost_centres: Mapping[UUID, str]

    def purchase_order(self, charge: Mapping[str, Any]) -> str | None:
        """The order number that a charge is billed under: its subscription's, else its payer's."""
        own = self.subscriptions[charge["subscription_id"]].purchase_order
        of_payer: str | None = self.accounts[charge["payer_id"]].purchase_order
        return own or of_payer

    def grouping(self, charge: Mapping[str, Any]) -> str:
        """The key of its document among those of its payer, seller and currency."""
        by = self.accounts[charge["payer_id"]].invoice_grouping
        if by == PER_PAYER:
            return grouping_key(by, "", None)
        subscription = encode("subscription", charge["subscription_id"]) if by == PER_SUBSCRIPTION else ""
        return grouping_key(by, subscription, self.purchase_order(charge))

    def order_number(self, charge: Mapping[str, Any]) -> str | None:
        """The order number of the document of a charge, where that does not follow its payer's."""
        return order_number(self.accounts[charge["payer_id"]].invoice_grouping, self.purchase_order(charge))

    @cached_property
    def has_cost_centres(self) -> bool:
        """Whether any of the charges can have one: most providers know none."""
        owners = (*self.subscriptions.values(), *self.accounts.values())
        return bool(self.cost_centres) or any(owner.cost_centre for owner in owners)

    def cost_centre(self, charge: Mapping[str, Any]) -> str | None:
        """Of its item, else of its subscription, else of the account that received it."""
        if not self.has_cost_centres:
            return None
        of_account: str | None = self.accounts[charge["beneficiary_id"]].cost_centre
        subscription = self.subscriptions[charge["subscription_id"]].cost_centre
        return self.cost_centres.get(charge["item_id"]) or subscription or of_account


def names_of(ctx: Context, charges: Collection[Mapping[str, Any]]) -> Names:
    """What lines say of these charges, in a fixed number of queries."""

    def wanted(member: str) -> set[UUID]:
        return {charge[member] for charge in charges}

    def rows(*columns: Any, table: Any, ids: Collection[UUID]) -> Any:
        return select(table.id, *columns).where(table.provider_id == ctx.provider.id, among(table.id, ids))

    subscribed = wanted("subscription_id")
    read = ctx.session.execute
    account = (Account.name, Account.cost_centre, Account.purchase_order, Account.invoice_grouping)
    accounts = read(rows(*account, table=Account, ids=wanted("beneficiary_id") | wanted("payer_id")))
    sellers = read(rows(Seller.tax_rate, Seller.tax_name, Seller.tax_engine, table=Seller, ids=wanted("seller_id")))
    prices = (
        rows(Price.position, Plan.name, Plan.kind, Plan.id.label("plan_id"), table=Price, ids=wanted("price_id"))
        .outerjoin(
            PlanVersion, and_(PlanVersion.provider_id == Price.provider_id, PlanVersion.id == Price.plan_version_id)
        )
        .outerjoin(Plan, and_(Plan.provider_id == PlanVersion.provider_id, Plan.id == PlanVersion.plan_id))
    )
    return Names(
        {row.id: row for row in accounts},
        {row.id: row for row in sellers},
        _contracts(ctx, subscribed),
        {row.id: (RANKS.get(row.kind, len(RANKS)), f"{row.name} {row.plan_id}", row.position) for row in read(prices)},
        dict(read(_own_cost_centres(ctx, subscribed)).all()),
    )


def _contracts(ctx: Context, subscriptions: Collection[UUID]) -> dict[UUID, Contract]:
    table = Subscription
    found = ctx.session.execute(
        select(table.id, Plan.name, table.external_id, table.purchase_order, table.cost_centre, table.created_at)
        .join(Plan, and_(Plan.provider_id == table.provider_id, Plan.id == table.plan_id))
        .where(table.provider_id == ctx.provider.id, among(table.id, subscriptions))
    )
    return {
        id_: Contract(plan, external or encode("subscription", id_), order, cost_centre, utc(created))
        for id_, plan, external, order, cost_centre, created in found
    }


def _own_cost_centres(ctx: Context, subscriptions: Collection[UUID]) -> Any:
    item = SubscriptionItem
    return select(item.id, item.cost_centre).where(
        item.provider_id == ctx.provider.id, item.cost_centre.is_not(None), among(item.subscription_id, subscriptions)
    )
