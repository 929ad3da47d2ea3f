"""The work of a migration, in chunks: what each subscription pays before and after, then a change for each.

A chunk is a transaction. Rows that another worker holds are passed over, and rows of a chunk that was killed are as
they were, so chunks may be done by many, and again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update

from billing.changes import NOW, Change, Contract, apply, period_end
from billing.items import Item, PriceTerms
from billing.offers import COMPONENT, OWN, Part, lacks
from billing.parts_change import PartsChange, discounts, ended, given, unfit
from billing.states.subscription import PENDING
from billing.version_comparison import Monthly, monthly, requests, usage_spans
from core.errors import Refused
from core.ids import new_id
from core.period import Period, parse_instant, utc
from models.subscriptions import ScheduledChange, Subscription
from models.version_migrations import VersionMigration, VersionMigrationSubscription
from services import (
    contract_changes,
    contract_items,
    contract_prices,
    contracts,
    indexes,
    outbox,
    plans,
    subscription_parts,
)
from services.change_bodies import Agreed, body_of
from services.change_dates import running_term
from services.closing import closed_by
from services.context import Context
from services.outbox import Emission
from services.parts_wanted import part_of
from services.sets import add_rows, among
from stores.usage import slots_many

CHUNK = 200
Row = VersionMigrationSubscription
NEXT = {"previewing": "pending", "scheduling": "previewed", "withdrawing": "scheduled"}


def work(ctx: Context, migration_id: UUID) -> bool:
    """Do the next chunk of a migration, or go on to its next stage when none is left.

    Returns:
        Whether there is more to do. While others hold what is left there is not: who does the last chunk goes on.
    """
    migration = ctx.session.get_one(VersionMigration, (ctx.provider.id, migration_id), populate_existing=True)
    if migration.status not in NEXT:
        return False
    left = _left(ctx, migration)
    rows = ctx.session.scalars(
        select(Row).where(*left).order_by(Row.subscription_id).limit(CHUNK).with_for_update(skip_locked=True)
    ).all()
    if rows:
        {"previewing": _preview, "scheduling": _schedule, "withdrawing": _withdraw}[migration.status](
            ctx, migration, rows
        )
        ctx.session.flush()
        return True
    if ctx.session.scalar(select(func.count()).select_from(Row).where(*left)):
        return False
    return _go_on(ctx, migration)


def _left(ctx: Context, migration: VersionMigration) -> list[ColumnElement[bool]]:
    """What is still to be done at the stage that a migration is at."""
    left = [
        Row.provider_id == ctx.provider.id,
        Row.migration_id == migration.id,
        Row.status == NEXT[migration.status],
    ]
    if migration.status == "withdrawing":
        to_come = select(ScheduledChange.id).where(
            ScheduledChange.provider_id == ctx.provider.id, ScheduledChange.status == "scheduled"
        )
        left.append(Row.change_id.in_(to_come))
    return left


def _go_on(ctx: Context, migration: VersionMigration) -> bool:
    after = {"previewing": "previewed" if migration.preview_only else "scheduling", "scheduling": "done"}
    status = after.get(migration.status, "withdrawn")
    moved = ctx.session.execute(
        update(VersionMigration)
        .where(
            VersionMigration.provider_id == ctx.provider.id,
            VersionMigration.id == migration.id,
            VersionMigration.status == migration.status,
        )
        .values(status=status, finished_at=ctx.now if status in ("done", "withdrawn") else None),
        execution_options={"synchronize_session": False},
    )
    ctx.session.refresh(migration)
    return bool(moved.rowcount) and migration.status in NEXT  # type: ignore[attr-defined]


@dataclass(frozen=True)
class _Target:
    """What subscriptions are moved to."""

    plan_id: UUID
    parts: tuple[Part, ...]
    offered_at: datetime

    def change(self, standing: Sequence[Part]) -> PartsChange:
        """The change that moves one subscription, by what the plan is to it."""
        if any(part.role == OWN and part.plan_id == self.plan_id for part in standing):
            own, *contained = self.parts
            return PartsChange(offer=(replace(own, role=OWN), *contained), instead_of=self.plan_id)
        return PartsChange(moves=self.parts)


def _target(ctx: Context, migration: VersionMigration) -> _Target:
    version = plans.versions(ctx, [migration.plan_version_id])[migration.plan_version_id]
    contained = plans.versions_at(ctx, [component.plan_id for component in version.components], ctx.now)
    parts = (
        part_of(COMPONENT, version),
        *(part_of(COMPONENT, contained[c.plan_id], c.quantities, c.discount) for c in version.components),
    )
    return _Target(migration.plan_id, parts, utc(version.effective_at))


def _preview(ctx: Context, migration: VersionMigration, rows: Sequence[Row]) -> None:
    """Work out what the subscriptions of a chunk pay, in a fixed number of queries."""
    target = _target(ctx, migration)
    ids = [row.subscription_id for row in rows]
    subscriptions = _subscriptions(ctx, ids)
    standing = subscription_parts.standing_on(ctx, ids)
    compared = _compared(ctx, target, subscriptions, standing)
    for row in rows:
        subscription = subscriptions[row.subscription_id]
        change = target.change(standing[row.subscription_id])
        obstacle = _obstacle(subscription, standing[row.subscription_id], change)
        found = compared.get(row.subscription_id)
        if obstacle is None and isinstance(found, Refused):
            obstacle = found.code, found.detail
        if obstacle is not None:
            _fail(row, *obstacle)
        elif isinstance(found, tuple):
            _take(row, *found)
        else:  # nothing is agreed on it yet, so nothing is paid
            _take(row, Monthly(0, None), Monthly(0, None))


def _subscriptions(ctx: Context, ids: Collection[UUID], *, lock: bool = False) -> dict[UUID, Subscription]:
    statement = (
        select(Subscription)
        .where(Subscription.provider_id == ctx.provider.id, among(Subscription.id, ids))
        .order_by(Subscription.id)
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return {row.id: row for row in ctx.session.scalars(statement)}


def _obstacle(subscription: Subscription, standing: Sequence[Part], change: PartsChange) -> tuple[str, str] | None:
    """Why a subscription cannot be moved: code and detail."""
    if subscription.status in contract_changes.ENDED:
        return "subscription_ended", f"This subscription is {subscription.status}."
    if subscription.status == PENDING:
        return "subscription_not_started", "What has not started is ordered anew, or its order is changed."
    if any(lacks(part, subscription.currency) for part in change.new):
        return "currency_not_offered", f"The version has no prices in {subscription.currency}."
    errors = unfit(standing, change, {})
    return (errors[0].code, errors[0].detail) if errors else None


def _fail(row: Row, code: str, detail: str) -> None:
    row.status, row.reason, row.detail = "failed", code, detail


def _take(row: Row, before: Monthly, after: Monthly) -> None:
    row.status = "previewed"
    row.recurring_before, row.usage_before = before.recurring, before.usage
    row.recurring_after, row.usage_after, row.once_after = after.recurring, after.usage, after.once


def _compared(
    ctx: Context,
    target: _Target,
    subscriptions: Mapping[UUID, Subscription],
    standing: Mapping[UUID, Sequence[Part]],
) -> dict[UUID, tuple[Monthly, Monthly] | Refused]:
    """What subscriptions that have started pay before and after, or why that cannot be told."""
    before = _contracts(ctx, subscriptions)
    after = {
        key: moved(ctx, contract, target.change(standing[key]), prices)
        for key, contract, prices in _with_prices(ctx, target, subscriptions, before)
    }
    closed = closed_by(ctx, ctx.now)
    everything = [item for contract in (*before.values(), *after.values()) for item in contract.items]
    known = indexes.load(ctx, indexed_usage(everything, ctx.now, closed))
    needed = list(dict.fromkeys(requests(everything, ctx.now, closed, known)))
    used = slots_many(ctx.session, ctx.provider.id, needed, now=ctx.now, evidence=False) if needed else {}

    def cost(contract: Contract, had: Contract | None = None) -> Monthly:
        items = None if had is None else {item.item_id for item in had.items if item.terms}
        return monthly(contract.items, ctx.now, closed, used, known, items)

    found: dict[UUID, tuple[Monthly, Monthly] | Refused] = {}
    for key, contract in after.items():
        try:
            found[key] = cost(before[key]), cost(contract, before[key])
        except Refused as refused:
            found[key] = refused
    return found


def _contracts(ctx: Context, subscriptions: Mapping[UUID, Subscription]) -> dict[UUID, Contract]:
    items: defaultdict[UUID, list[Item]] = defaultdict(list)
    for item in contract_items.load_subscriptions(ctx, subscriptions, as_agreed=True).items:
        items[item.subscription_id].append(item)
    return {key: Contract(tuple(found)) for key, found in items.items()}


def _with_prices(
    ctx: Context, target: _Target, subscriptions: Mapping[UUID, Subscription], contracts_of: Mapping[UUID, Contract]
) -> Iterable[tuple[UUID, Contract, dict[str, PriceTerms]]]:
    """Each contract with the prices that it would move to; those without a price in its currency are left out."""
    prices: dict[str, dict[str, PriceTerms]] = {}
    versions = [part.version_id for part in target.parts]
    for key, contract in contracts_of.items():
        currency = subscriptions[key].currency
        if any(lacks(part, currency) for part in target.parts):
            continue
        if currency not in prices:
            found = contract_prices.version_prices(ctx, versions, currency)
            prices[currency] = {code: price for priced in found.values() for code, price in priced.items()}
        yield key, contract, prices[currency]


def moved(ctx: Context, contract: Contract, parts: PartsChange, prices: Mapping[str, PriceTerms]) -> Contract:
    """A contract as other plans on it make it from now on.

    Args:
        prices: of all that is new, by charge code.
    """
    change = Change(
        quantities=given(contract.items, parts, {}, ctx.now),
        prices=prices,
        discounts=discounts(contract.items, parts, ctx.now),
        ends=tuple(ended(contract.items, parts)),
    )
    return apply(contracts.with_items(contract, change.prices), change, ctx.now)


def indexed_usage(items: Iterable[Item], now: datetime, closed: datetime) -> dict[str, list[Period]]:
    """The spans in which indexes are asked for, by code."""
    found: defaultdict[str, list[Period]] = defaultdict(list)
    for _, term, span in usage_spans(items, now, closed):
        index = term.price.price.needs.index
        if index is not None:
            found[index].append(span)
    return found


def _schedule(ctx: Context, migration: VersionMigration, rows: Sequence[Row]) -> None:
    """Put a change down for every subscription of a chunk."""
    target = _target(ctx, migration)
    ids = [row.subscription_id for row in rows]
    subscriptions = _subscriptions(ctx, ids, lock=True)
    standing = subscription_parts.standing_on(ctx, ids)
    contracts_of = _contracts(ctx, subscriptions)
    made: list[tuple[Row, dict[str, Any]]] = []
    for row in rows:
        subscription = subscriptions[row.subscription_id]
        change = target.change(standing[row.subscription_id])
        obstacle = _obstacle(subscription, standing[row.subscription_id], change)
        at = _effective_at(ctx, migration, subscription, contracts_of.get(row.subscription_id))
        if obstacle is None and at < target.offered_at:
            obstacle = "version_not_offered", "The version is not offered yet when the subscription would move."
        if obstacle is not None:
            _fail(row, *obstacle)
        else:
            made.append((row, _change(ctx, subscription, change, at)))
    add_rows(ctx, ScheduledChange, [scheduled for _, scheduled in made])
    for row, scheduled in made:
        row.status, row.effective_at, row.change_id = "scheduled", scheduled["effective_at"], scheduled["id"]
    told = [ScheduledChange(**scheduled) for _, scheduled in made]
    _tell(ctx, subscriptions, told, "subscription.change_scheduled")


def _effective_at(
    ctx: Context, migration: VersionMigration, subscription: Subscription, contract: Contract | None
) -> datetime:
    """When a subscription moves: at an instant that is past by now, at once."""
    asked = migration.effective
    if "at" in asked:
        return max(parse_instant(asked["at"]), ctx.now)
    if asked["on"] == NOW or contract is None:
        return ctx.now
    running = running_term(subscription) if asked["on"] == "renewal" else None
    if running is not None and running.ends_at > ctx.now:
        return running.ends_at
    return period_end(contract.items, ctx.now) or ctx.now


def _change(ctx: Context, subscription: Subscription, change: PartsChange, at: datetime) -> dict[str, Any]:
    return {
        "provider_id": ctx.provider.id,
        "id": new_id(),
        "subscription_id": subscription.id,
        "effective_at": at,
        "body": body_of(Agreed(parts=change)),
        "status": "scheduled",
        "created_at": ctx.now,
    }


def _withdraw(ctx: Context, migration: VersionMigration, rows: Sequence[Row]) -> None:
    """Withdraw what is scheduled of a chunk and not done yet."""
    subscriptions = _subscriptions(ctx, [row.subscription_id for row in rows], lock=True)
    statement = (
        select(ScheduledChange)
        .where(
            ScheduledChange.provider_id == ctx.provider.id,
            among(ScheduledChange.id, [row.change_id for row in rows if row.change_id]),
            ScheduledChange.status == "scheduled",
        )
        .order_by(ScheduledChange.id)
        .with_for_update()
    )
    changes = ctx.session.scalars(statement, execution_options={"populate_existing": True}).all()
    for change in changes:
        change.status, change.detail = "withdrawn", "The migration was withdrawn."
    ctx.session.flush()
    _tell(ctx, subscriptions, changes, "subscription.change_withdrawn")


def _tell(
    ctx: Context, subscriptions: Mapping[UUID, Subscription], changes: Iterable[ScheduledChange], event_type: str
) -> None:
    outbox.emit_all(
        ctx,
        [
            Emission(
                event_type,
                "subscription",
                change.subscription_id,
                contract_changes.facts(change),
                subscriptions[change.subscription_id].account_id,
            )
            for change in changes
        ],
    )
