"""The work of a simulation, a portion of subscriptions at a time, in a fixed number of queries each. Nothing is stored.

Portions follow each other in the order of customers, so that a customer's subscriptions come together. Who reads the
results and who sums them up take the same portions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Select, and_, func, literal, or_, select, tuple_

from billing.items import Item
from billing.metering.slots import SlotRequest, Usage
from billing.periods import add_months
from billing.simulated_contracts import Case, Obstacle, case, gives_way
from billing.simulated_totals import Line, Whose
from billing.simulation import Compared, compare, indexed, needed
from core.ids import decode, encode
from models.accounts import Account
from models.simulations import Simulation
from models.subscription_parts import SubscriptionPart
from models.subscriptions import Subscription
from services import contract_calendars, contract_items, indexes, subscription_parts
from services.closing import closed_by
from services.context import Context, visible
from services.sets import among
from services.simulation_prices import Trying
from stores.statements import weighed
from stores.usage import slots_many

# So many slots of usage are asked for together.
SLOTS_MOST = 200_000
Key = tuple[UUID, str, UUID]
TAX_DIFFERS = Obstacle(
    None, "tax_inclusive_differs", "Some of the prices, now or then, have their tax in them and others do not."
)


def chosen(ctx: Context, row: Simulation) -> list[ColumnElement[bool]]:
    """Which subscriptions were asked for, whether they ran in the months or not."""
    wanted: list[ColumnElement[bool]] = [
        Subscription.provider_id == ctx.provider.id,
        visible(ctx, Subscription.account_id),
    ]
    asked = {name: [decode(KINDS[name], each) for each in some] for name, some in row.chosen.items() if some}
    if "subscriptions" in asked:
        wanted.append(among(Subscription.id, asked["subscriptions"]))
    if "accounts" in asked:
        below = select(Account.id).where(
            Account.provider_id == ctx.provider.id, Account.path.overlap(asked["accounts"])
        )
        wanted.append(Subscription.account_id.in_(below))
    for name, own, part in (
        ("plans", Subscription.plan_id, SubscriptionPart.plan_id),
        ("plan_versions", Subscription.plan_version_id, SubscriptionPart.plan_version_id),
    ):
        if name in asked:
            on_it = select(SubscriptionPart.subscription_id).where(
                SubscriptionPart.provider_id == ctx.provider.id,
                SubscriptionPart.removed_at.is_(None),
                among(part, asked[name]),
            )
            wanted.append(or_(among(own, asked[name]), Subscription.id.in_(on_it)))
    return wanted


KINDS = {"subscriptions": "subscription", "accounts": "account", "plans": "plan", "plan_versions": "plan_version"}


def ran(first: date, last: date) -> list[ColumnElement[bool]]:
    """Which subscriptions ran in the months from one to another, on the calendar of each."""
    start, end = midnight(first), midnight(add_months(last, 1))
    return [Subscription.start_at < end, or_(Subscription.ended_at.is_(None), Subscription.ended_at > start)]


def midnight(day: date) -> ColumnElement[datetime]:
    """The first instant of a day, in the zone of each subscription."""
    return func.timezone(Subscription.time_zone, literal(datetime.combine(day, datetime.min.time()), DateTime()))


def key_of(stored: Mapping[str, str]) -> Key:
    """A place between portions that was stored."""
    return decode("account", stored["account"]), stored["currency"], decode("subscription", stored["subscription"])


def place_of(key: Key) -> dict[str, str]:
    """A place as it is stored."""
    return {"account": encode("account", key[0]), "currency": key[1], "subscription": encode("subscription", key[2])}


def portion(ctx: Context, trying: Trying, after: Key | None) -> tuple[list[Line], Key | None]:
    """The next subscriptions and what they come to; and where to go on, None after the last."""
    rows = ctx.session.execute(_portion(ctx, trying, after)).all()
    found = _compared(ctx, trying, rows)
    lines = [Line(_whose(row), found[row.id]) for row in rows]
    last = rows[-1] if len(rows) == trying.portion else None
    return lines, None if last is None else (last.account_id, last.currency, last.id)


def _portion(ctx: Context, trying: Trying, after: Key | None) -> Select[*tuple[Any, ...]]:
    key = (Subscription.account_id, Subscription.currency, Subscription.id)
    statement = (
        select(
            Subscription.id,
            Subscription.external_id,
            Subscription.currency,
            Subscription.plan_id,
            Subscription.account_id,
            Account.external_id.label("account_external_id"),
            Account.name,
        )
        .join(Account, and_(Account.provider_id == Subscription.provider_id, Account.id == Subscription.account_id))
        .where(*chosen(ctx, trying.row), *ran(trying.months.first, trying.months.last))
        .order_by(*key)
        .limit(trying.portion)
    )
    return statement if after is None else statement.where(tuple_(*key) > tuple_(*(literal(each) for each in after)))


def _whose(row: Any) -> Whose:
    return Whose(
        encode("account", row.account_id),
        row.account_external_id,
        row.name,
        row.currency,
        encode("subscription", row.id),
        row.external_id,
    )


def _compared(ctx: Context, trying: Trying, rows: Sequence[Any]) -> dict[UUID, Compared]:
    cases = _cases(ctx, trying, rows)
    known = indexes.load(ctx, indexed(cases.values()))
    used: dict[SlotRequest, Usage] = {}
    for some in weighed(needed(cases.values(), known), lambda request: len(request.edges), SLOTS_MOST):
        used |= slots_many(ctx.session, ctx.provider.id, some, now=ctx.now, evidence=False)
    found = {key: compare(each, used, known) for key, each in cases.items()}
    return {row.id: found.get(row.id) or _nothing(trying, row) for row in rows}


def _nothing(trying: Trying, row: Any) -> Compared:
    """What is said of a subscription that there is no case of."""
    if row.currency in trying.tried:
        return Compared()  # it has no charges
    detail = f"These prices are not given in {row.currency}."
    return Compared(obstacles=(Obstacle(None, "currency_not_offered", detail),))


def _cases(ctx: Context, trying: Trying, rows: Sequence[Any]) -> dict[UUID, Case]:
    ids = [row.id for row in rows if row.currency in trying.tried]
    loaded = contract_items.load_subscriptions(ctx, ids, as_agreed=True)
    items: defaultdict[UUID, list[Item]] = defaultdict(list)
    for item in loaded.items:
        items[item.subscription_id].append(item)
    calendars = contract_calendars.load(ctx, among(Subscription.id, ids))
    parts = subscription_parts.rows_of(ctx, ids)
    closed = closed_by(ctx, ctx.now)
    found = {}
    for row in rows:
        if items[row.id]:
            tried = trying.tried[row.currency]
            part = any(each.plan_id == tried.plan_id for each in parts[row.id])
            off = calendars[row.id].breaks
            each = case(items[row.id], off, tried, trying.months, closed, part=part)
            replaced = {t.price.price_id for i in items[row.id] for t in i.terms if gives_way(t.price, tried, part)}
            inclusive = trying.inclusive | {loaded.prices[price_id].tax_inclusive for price_id in replaced}
            found[row.id] = each if len(inclusive) == 1 else replace(each, obstacles=(*each.obstacles, TAX_DIFFERS))
    return found
