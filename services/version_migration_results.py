"""What a migration means for each subscription: what it pays before and after, and what became of its change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from models.catalog import PlanVersion
from models.subscriptions import ScheduledChange, Subscription
from models.version_migrations import VersionMigration, VersionMigrationSubscription
from services.context import Context, visible
from services.lookups import by_id
from services.paging import Slice, Window, in_order
from services.sets import among

SCHEDULED = "scheduled"
# Those of the rows; of a scheduled one, what became of its change.
STATES = ("pending", "previewed", SCHEDULED, "failed", "done", "withdrawn")
MORE, LESS, SAME = "more", "less", "same"
PAYS = (MORE, LESS, SAME)


@dataclass(frozen=True)
class Pays:
    """What a subscription pays a month, net, in minor units; `usage_amount` is null where no span is closed yet."""

    recurring_amount: int
    usage_amount: int | None

    @property
    def total_amount(self) -> int:
        """What it pays in all."""
        return self.recurring_amount + (self.usage_amount or 0)


@dataclass(frozen=True)
class Result:
    """A subscription of a migration. `before` and `after` are null until they are known, or where they cannot be."""

    subscription_id: UUID
    from_version: int
    state: str
    currency: str
    before: Pays | None
    after: Pays | None
    once_amount: int | None
    effective_at: datetime | None
    change_id: UUID | None
    reason: str | None
    detail: str | None

    @property
    def difference_amount(self) -> int | None:
        """What it pays more a month."""
        return self.after.total_amount - self.before.total_amount if self.before and self.after else None


def paid_before() -> ColumnElement[int | None]:
    """What a subscription paid a month; null until that is worked out."""
    table = VersionMigrationSubscription
    return table.recurring_before + func.coalesce(table.usage_before, 0)


def paid_after() -> ColumnElement[int | None]:
    """What it will pay a month."""
    table = VersionMigrationSubscription
    return table.recurring_after + func.coalesce(table.usage_after, 0)


def results(
    ctx: Context, migration_id: UUID, window: Window, *, state: str | None = None, pays: str | None = None
) -> Slice[Result]:
    """The subscriptions of a migration, in the order of their ids.

    Args:
        pays: only those that pay `more`, `less` or the `same`.
    """
    migration = by_id(ctx, VersionMigration, "version_migration", migration_id)
    table, change = VersionMigrationSubscription, ScheduledChange
    seen = select(Subscription.id).where(
        Subscription.provider_id == ctx.provider.id, visible(ctx, Subscription.account_id)
    )
    statement = select(table).where(table.provider_id == ctx.provider.id, table.migration_id == migration.id)
    if ctx.scope is not None:
        statement = statement.where(table.subscription_id.in_(seen))
    if state is not None:
        became = select(change.id).where(change.provider_id == ctx.provider.id, change.status == state)
        waits = and_(table.change_id.is_(None), table.status == state)
        statement = statement.where(or_(table.change_id.in_(became), waits))
    if pays is not None:
        more = paid_after() - paid_before()
        statement = statement.where({MORE: more > 0, LESS: more < 0, SAME: more == 0}[pays])
    found = in_order(ctx, statement, (table.subscription_id,), window)
    shown = _shown(ctx, found.rows)
    return found.map(lambda row: shown[row.subscription_id])


def _shown(ctx: Context, rows: Sequence[VersionMigrationSubscription]) -> dict[UUID, Result]:
    """Rows as they are shown, with what became of their changes, in two queries however many."""
    numbers = dict(
        ctx.session.execute(
            select(PlanVersion.id, PlanVersion.number).where(
                PlanVersion.provider_id == ctx.provider.id, among(PlanVersion.id, {row.from_version_id for row in rows})
            )
        ).all()
    )
    changes = {
        change.id: change
        for change in ctx.session.scalars(
            select(ScheduledChange).where(
                ScheduledChange.provider_id == ctx.provider.id,
                among(ScheduledChange.id, [row.change_id for row in rows if row.change_id]),
            )
        )
    }
    return {
        row.subscription_id: _result(
            row, numbers[row.from_version_id], changes.get(row.change_id) if row.change_id else None
        )
        for row in rows
    }


def _result(row: VersionMigrationSubscription, number: int, change: ScheduledChange | None) -> Result:
    failed = change is not None and change.status == "failed"
    return Result(
        subscription_id=row.subscription_id,
        from_version=number,
        state=change.status if change is not None else row.status,
        currency=row.currency,
        before=_pays(row.recurring_before, row.usage_before),
        after=_pays(row.recurring_after, row.usage_after),
        once_amount=row.once_after,
        effective_at=row.effective_at,
        change_id=row.change_id,
        reason="change_failed" if failed else row.reason,
        detail=change.detail if change is not None else row.detail,
    )


def _pays(recurring: int | None, usage: int | None) -> Pays | None:
    return Pays(recurring, usage) if recurring is not None else None
