"""Contracts to bill, written straight into the tables: an account, a plan, a subscription with its terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from core.ids import new_id
from models.accounts import Account
from models.catalog import Meter, Plan, PlanVersion, Price, Product
from models.subscriptions import Subscription, SubscriptionItem, SubscriptionItemTerm
from services import accounts
from services.accounts import NewAccount
from services.context import Context

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FLAT = {"model": "flat", "amount_price": "450"}
PER_UNIT = {"model": "per_unit", "unit_price": "0.25"}


def an_account(
    ctx: Context,
    name: str = "Acme",
    *,
    parent: Account | None = None,
    payer: str = "self",
    zone: str = "UTC",
    **more: Any,
) -> Account:
    """An account in euro; with `parent` a child, that pays for itself unless `payer` is "parent"."""
    return accounts.create(
        ctx,
        NewAccount(
            name=name,
            currency="EUR",
            country="NL",
            time_zone=zone,
            parent=str(parent.external_id) if parent else None,
            payer=payer,
            external_id=f"{name}-{new_id().hex[-8:]}",
            **more,
        ),
    )


@dataclass(frozen=True)
class PriceOf:
    """One charge of a plan; `spec` is the price in each currency, `name` its code in capitals by default."""

    code: str
    spec: Mapping[str, Any]
    kind: str = "recurring"
    timing: str = "advance"
    proration: str = "day"
    unit: str | None = "month"
    currencies: Sequence[str] = ("EUR",)
    name: str | None = None


RACK = PriceOf("rack", FLAT)
POWER = PriceOf("power", PER_UNIT, kind="usage", timing="arrears", proration="none")


@dataclass(frozen=True)
class PlanOf:
    """A stored plan: its prices by charge code, and the meter of its usage."""

    id: UUID
    version_id: UUID
    prices: Mapping[str, UUID]
    meter_id: UUID


def a_plan(ctx: Context, *prices: PriceOf) -> PlanOf:
    """A plan with one version."""
    provider = {"provider_id": ctx.provider.id}
    named = {**provider, "created_at": ctx.now, "meta": {}}
    plan, version, product, meter = new_id(), new_id(), new_id(), new_id()
    tag = plan.hex[-10:]
    ctx.session.execute(insert(Product).values(**named, id=product, code=f"colo-{tag}", name="Colocation"))
    ctx.session.execute(
        insert(Meter).values(**named, id=meter, code=f"kwh-{tag}", name="Energy", unit="kWh", aggregation="sum")
    )
    ctx.session.execute(insert(Plan).values(**named, id=plan, code=f"plan-{tag}", name="Colo"))
    ctx.session.execute(
        insert(PlanVersion).values(
            **provider, id=version, plan_id=plan, number=1, effective_at=JANUARY, created_at=ctx.now
        )
    )
    rows = [
        {
            **provider,
            "id": new_id(),
            "plan_version_id": version,
            "charge_code": price.code,
            "name": price.name or price.code.capitalize(),
            "position": position,
            "product_id": product,
            "kind": price.kind,
            "interval_unit": None if price.kind == "one_off" else price.unit,
            "interval_count": None if price.kind == "one_off" else 1,
            "timing": price.timing,
            "proration": price.proration,
            "meter_id": meter if price.kind == "usage" else None,
            "currencies": {currency: dict(price.spec) for currency in price.currencies},
        }
        for position, price in enumerate(prices)
    ]
    ctx.session.execute(insert(Price), rows)
    return PlanOf(plan, version, {row["charge_code"]: row["id"] for row in rows}, meter)


@dataclass(frozen=True)
class Subscribed:
    """A stored subscription and its items by charge code."""

    id: UUID
    items: Mapping[str, UUID]


def subscribe(
    ctx: Context,
    account: Account,
    plan: PlanOf,
    *,
    start: datetime = JANUARY,
    quantity: str = "1",
    currency: str = "EUR",
    zone: str | None = None,
    anchor: str = "calendar",
) -> Subscribed:
    """A running subscription, begun at an instant, on all prices of a plan."""
    provider = {"provider_id": ctx.provider.id}
    subscription = new_id()
    ctx.session.execute(
        insert(Subscription).values(
            **provider,
            id=subscription,
            account_id=account.id,
            plan_id=plan.id,
            plan_version_id=plan.version_id,
            status="active",
            currency=currency,
            time_zone=zone or account.time_zone,
            anchor=anchor,
            start_on="at",
            start_at=start,
            created_at=ctx.now,
            meta={},
        )
    )
    items = {code: new_id() for code in plan.prices}
    ctx.session.execute(
        insert(SubscriptionItem),
        [
            {**provider, "id": item, "subscription_id": subscription, "charge_code": code}
            for code, item in items.items()
        ],
    )
    for code, item in items.items():
        agree(ctx, item, plan.prices[code], start, quantity)
    return Subscribed(subscription, items)


def agree(
    ctx: Context, item_id: UUID, price_id: UUID, at: datetime, quantity: str = "1", *, ended: bool = False
) -> None:
    """Add a row to an item's timeline."""
    ctx.session.execute(
        insert(SubscriptionItemTerm).values(
            provider_id=ctx.provider.id,
            id=new_id(),
            item_id=item_id,
            from_at=at,
            price_id=price_id,
            quantity=Decimal(quantity),
            ended=ended,
        )
    )
