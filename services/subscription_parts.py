"""Which plan versions stand on a subscription: its own, those its bundle contains, add-ons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, and_, literal, select, union_all, update

from billing.offers import OWN, Charged, Part
from core.ids import new_id
from models.catalog import Price
from models.subscription_parts import SubscriptionPart
from models.subscriptions import Subscription
from services.context import Context
from services.sets import add_rows, among


def add(ctx: Context, subscription_id: UUID, parts: Iterable[Part], from_at: datetime | None) -> None:
    """Write that these parts, but for its own, stand on a subscription from an instant on; None is its start."""
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "subscription_id": subscription_id,
            "role": part.role,
            "position": position,
            "plan_id": part.plan_id,
            "plan_version_id": part.version_id,
            "discount": part.discount,
            "from_at": from_at,
        }
        for position, part in enumerate(parts)
        if part.role != OWN
    ]
    add_rows(ctx, SubscriptionPart, rows)


def stand_from(ctx: Context, subscription_id: UUID, at: datetime) -> None:
    """The subscription has started: what was ordered with it stands on it from then on."""
    ctx.session.execute(
        update(SubscriptionPart)
        .where(*_standing(ctx, [subscription_id]), SubscriptionPart.from_at.is_(None))
        .values(from_at=at)
    )


def remove(
    ctx: Context,
    subscription_id: UUID,
    at: datetime,
    *,
    plans: Collection[UUID] | None = None,
    role: str | None = None,
) -> None:
    """The parts of these plans, or of a role, stand on a subscription no more."""
    statement = update(SubscriptionPart).where(*_standing(ctx, [subscription_id]))
    if plans is not None:
        statement = statement.where(among(SubscriptionPart.plan_id, plans))
    if role is not None:
        statement = statement.where(SubscriptionPart.role == role)
    ctx.session.execute(statement.values(removed_at=at))


def move(ctx: Context, subscription_id: UUID, plan_id: UUID, version_id: UUID) -> None:
    """The part of a plan is on another version of it."""
    ctx.session.execute(
        update(SubscriptionPart)
        .where(*_standing(ctx, [subscription_id]), SubscriptionPart.plan_id == plan_id)
        .values(plan_version_id=version_id)
    )


def _standing(ctx: Context, subscriptions: Collection[UUID]) -> tuple[Any, ...]:
    return (
        SubscriptionPart.provider_id == ctx.provider.id,
        among(SubscriptionPart.subscription_id, subscriptions),
        SubscriptionPart.removed_at.is_(None),
    )


def rows_of(ctx: Context, subscriptions: Collection[UUID]) -> defaultdict[UUID, list[SubscriptionPart]]:
    """What stands on subscriptions beside their own plans, in the order of bundles and orders."""
    found: defaultdict[UUID, list[SubscriptionPart]] = defaultdict(list)
    statement = select(SubscriptionPart).where(*_standing(ctx, subscriptions))
    for row in ctx.session.scalars(
        statement.order_by(SubscriptionPart.role.desc(), SubscriptionPart.position, SubscriptionPart.id)
    ):
        found[row.subscription_id].append(row)
    return found


def versions(ctx: Context, subscriptions: Collection[UUID]) -> CTE:
    """All plan versions that stand on subscriptions: (subscription_id, plan_id, plan_version_id, role, discount, rank),
    in the order of `rank`: the own one first, then components, then add-ons.
    """
    own = select(
        Subscription.id.label("subscription_id"),
        Subscription.plan_id,
        Subscription.plan_version_id,
        literal(OWN).label("role"),
        literal(Decimal(0), SubscriptionPart.discount.type).label("discount"),
        literal(-1).label("rank"),
    ).where(Subscription.provider_id == ctx.provider.id, among(Subscription.id, subscriptions))
    others = select(
        SubscriptionPart.subscription_id,
        SubscriptionPart.plan_id,
        SubscriptionPart.plan_version_id,
        SubscriptionPart.role,
        SubscriptionPart.discount,
        SubscriptionPart.position,
    ).where(*_standing(ctx, subscriptions))
    return union_all(own, others).cte("versions")


def standing(ctx: Context, subscription: Subscription) -> tuple[Part, ...]:
    """The parts of a subscription with their charges; quantities are told by its items."""
    return standing_on(ctx, [subscription.id])[subscription.id]


def standing_on(ctx: Context, subscriptions: Collection[UUID]) -> dict[UUID, tuple[Part, ...]]:
    """The parts of subscriptions, by subscription, in one query; the own one first."""
    found = versions(ctx, subscriptions)
    rows = ctx.session.execute(
        select(found, Price.charge_code, Price.kind, Price.currencies)
        .select_from(found)
        .outerjoin(
            Price,
            and_(Price.provider_id == ctx.provider.id, Price.plan_version_id == found.c.plan_version_id),
        )
        .order_by(found.c.role != OWN, found.c.role.desc(), found.c.rank, Price.position)
    ).all()
    charges: defaultdict[tuple[UUID, UUID], list[Charged]] = defaultdict(list)
    parts: defaultdict[UUID, dict[UUID, Any]] = defaultdict(dict)
    for row in rows:
        parts[row.subscription_id].setdefault(row.plan_version_id, row)
        if row.charge_code is not None:
            charge = Charged(row.charge_code, row.kind, frozenset(row.currencies))
            charges[row.subscription_id, row.plan_version_id].append(charge)
    return {
        subscription: tuple(
            Part(row.role, row.plan_id, version, tuple(charges[subscription, version]), discount=row.discount)
            for version, row in rows_of_it.items()
        )
        for subscription, rows_of_it in parts.items()
    }


def codes(parts: Sequence[Part]) -> list[str]:
    """All charge codes of parts."""
    return [charge.charge_code for part in parts for charge in part.charges]
