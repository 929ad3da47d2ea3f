"""A customer of two racks' energy, with a month of readings behind it: what the customer's pages are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import Range

from billing.plan_prices import read_prices
from core.errors import FieldError
from core.ids import encode, new_id
from jobs import billing as billing_jobs
from models.accounts import Account
from models.catalog import Product
from models.places import Assignment, Point, Site
from models.providers import Seller, TestClock
from models.subscriptions import SubscriptionItem
from runtime.unit import unit
from services import accounts, catalog, metering, plans, runs, subscriptions
from services.accounts import NewAccount
from services.context import Context
from services.subscriptions import Order
from services.usage_sent import SentEvidence, SentReading


def make_account(ctx: Context, *, name: str = "Lumen Analytics", parent: UUID | None = None, **members: Any) -> UUID:
    """A payer (or, with a parent, an account that its parent pays for) of the provider's default seller."""
    account_id = new_id()
    seller = ctx.session.scalars(select(Seller.id).where(Seller.is_default)).one()
    above = ctx.session.scalars(select(Account.path).where(Account.id == parent)).one() if parent else []
    values = {
        "provider_id": ctx.provider.id,
        "id": account_id,
        "seller_id": seller,
        "parent_id": parent,
        "payer_id": parent or account_id,
        "path": [*above, account_id],
        "name": name,
        "currency": "EUR",
        "country": "DE",
        "time_zone": "Europe/Berlin",
        "created_at": ctx.now,
    }
    ctx.session.execute(insert(Account).values(values | members))
    return account_id


# Midnight in Berlin.
BEGIN = datetime(2025, 12, 31, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)
SWAPPED_AT = datetime(2026, 1, 14, 9, tzinfo=UTC)
SILENT = (datetime(2026, 1, 20, 2, tzinfo=UTC), datetime(2026, 1, 20, 9, tzinfo=UTC))
TIERS = [{"up_to": "1000", "unit_price": "0.3"}, {"up_to": None, "unit_price": "0.25"}]


@dataclass(frozen=True)
class Customer:
    """Who the pages are for."""

    provider_id: UUID
    account_id: UUID
    subscription_id: UUID


def set_clock(provider_id: UUID, now: datetime) -> None:
    """Put the sandbox's clock somewhere, without doing what falls due on the way."""
    with unit(provider_id, actor="test") as ctx:
        ctx.session.execute(update(TestClock).where(TestClock.provider_id == provider_id).values(now=now))


def a_power_customer(provider_id: UUID, until: datetime, *, email: str = "ada@lumen.example") -> Customer:
    """A customer with two metered feeds since the start of the year: one meter exchanged, one silent for a night."""
    set_clock(provider_id, BEGIN)
    with unit(provider_id, actor="test") as ctx:
        account = accounts.create(
            ctx,
            NewAccount(
                name="Lumen Analytics GmbH",
                currency="EUR",
                country="DE",
                time_zone="Europe/Berlin",
                email=email,
                external_id=f"LUM-{new_id().hex[-6:]}",
                address={"line1": "Friedrichstraße 88", "postal_code": "10117", "city": "Berlin"},
            ),
        )
        subscription = subscriptions.create(ctx, _order(ctx, account))
        customer = Customer(provider_id, account.id, subscription.id)
        feeds = [_feed(ctx, customer, path) for path in ("room-2/rack-12/pdu-a", "room-2/rack-12/pdu-b")]
    set_clock(provider_id, until)
    for number, feed in enumerate(feeds):
        rows = list(enumerate(_readings(feed, until, exchanged=number == 0)))
        for start in range(0, len(rows), 1000):
            with unit(provider_id, actor="test") as ctx:
                receipt = metering.take_readings(ctx, rows[start : start + 1000])
                assert not receipt.rejected, receipt.rejected[:3]
    return customer


def bill(provider_id: UUID) -> None:
    """Everything that is due to be billed by the sandbox's clock."""
    started = [provider_id]
    while started:
        with unit(provider_id, actor="test") as ctx:
            started = runs.start_due(ctx)
        billing_jobs.work_runs(provider_id, started)


def _order(ctx: Context, account: Account) -> Order:
    tag = account.id.hex[-8:]
    product: Product = catalog.create_product(ctx, {"code": f"colo-{tag}", "name": "Colocation"})
    catalog.create_meter(ctx, {"code": f"energy-{tag}", "name": "Energy", "unit": "kWh", "aggregation": "sum"})
    common = {"product": product.code, "interval": {"unit": "month", "count": 1}}
    prices = [
        common
        | {"charge_code": "rack", "name": "Cabinet, 42U", "kind": "recurring", "timing": "advance", "proration": "day"}
        | {"currencies": {"EUR": {"model": "flat", "amount_price": "450"}}},
        common
        | {"charge_code": "energy", "name": "Energy, A and B feed", "kind": "usage", "timing": "arrears"}
        | {"proration": "none", "meter": f"energy-{tag}"}
        | {"currencies": {"EUR": {"model": "graduated", "tiers": TIERS}}},
    ]
    wrong: list[FieldError] = []
    read = read_prices(prices, "/prices", wrong)
    assert not wrong, wrong
    plans.create(ctx, {"code": f"rack-{tag}", "name": "Rack 12, full cabinet"}, read, BEGIN)
    return Order(account.external_id or "", f"rack-{tag}", BEGIN, external_id=f"rack-12-{tag}")


def _feed(ctx: Context, customer: Customer, path: str) -> str:
    """A point that counts for the customer's energy from the start; its id as programs write it."""
    base = {"provider_id": customer.provider_id, "created_at": ctx.now, "meta": {}}
    item = ctx.session.scalars(
        select(SubscriptionItem.id).where(
            SubscriptionItem.subscription_id == customer.subscription_id, SubscriptionItem.charge_code == "energy"
        )
    ).one()
    site, point = new_id(), new_id()
    code = f"ber-{site.hex[-6:]}"
    ctx.session.execute(insert(Site).values(**base, id=site, code=code, name="Berlin", time_zone="Europe/Berlin"))
    ctx.session.execute(insert(Point).values(**base, id=point, site_id=site, path=path, kind="feed"))
    ctx.session.execute(
        insert(Assignment).values(**base, id=new_id(), point_id=point, item_id=item, span=Range(BEGIN, None))
    )
    return encode("point", point)


def _readings(point: str, until: datetime, *, exchanged: bool) -> Iterator[SentReading]:
    """Hourly registers under a daily load; either the meter is exchanged, or it is silent for a night."""
    register, serial, at, hour = 84_120_300, "ZA2043118", BEGIN, 0
    while at <= until:
        if exchanged and at == SWAPPED_AT:
            register, serial = 12_345, "ZB2601007"
        if exchanged or not SILENT[0] < at < SILENT[1]:
            evidence = SentEvidence(serial=serial, uptime_s=str(hour * 3600 + 90_000))
            yield SentReading(point, "active_energy", "Wh", at, str(register), evidence)
        at, hour = at + HOUR, hour + 1
        register += _load_wh(at)


def _load_wh(at: datetime) -> int:
    """What runs in an hour: more by day than by night, less at the weekend."""
    day = 1 + 0.35 * math.sin((at.hour - 8) / 24 * 2 * math.pi)
    week = 0.72 if at.weekday() >= 5 else 1 + 0.03 * (at.day % 5)
    return int(1150 * day * week)
