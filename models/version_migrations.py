"""Moving subscriptions to another version of their plan, many at once."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Currency, Instant, Minor, Recorded, Resource, Tenant, external, ref


class VersionMigration(Base, Tenant, Resource):
    """One move to a plan version. `from_versions` and `accounts` say what was asked for; `effective` too."""

    __tablename__ = "version_migration"
    __table_args__ = (
        ref("plan_id", "plan"),
        ref("plan_version_id", "plan_version"),
        external("version_migration"),
        CheckConstraint(
            "status IN ('previewing', 'previewed', 'scheduling', 'done', 'withdrawing', 'withdrawn')", name="status"
        ),
        Index("ix_version_migration_plan", "provider_id", "plan_id"),
        Index(
            "ix_version_migration_working",
            "created_at",
            postgresql_where=text("status IN ('previewing', 'scheduling', 'withdrawing')"),
        ),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "status", "created_at")

    plan_id: Mapped[UUID]
    plan_version_id: Mapped[UUID]
    filter: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    effective: Mapped[dict[str, Any]]
    preview_only: Mapped[bool]
    status: Mapped[str]
    finished_at: Mapped[Instant | None]


class VersionMigrationSubscription(Base, Recorded):
    """A subscription's part of a migration: what it pays before and after, net, per month, in minor units; then the
    change that moves it, or the reason why none does. Amounts of usage are null where no span is closed yet.
    """

    __tablename__ = "version_migration_subscription"
    __table_args__ = (
        ForeignKeyConstraint(
            ["provider_id", "migration_id"], ["version_migration.provider_id", "version_migration.id"]
        ),
        ref("subscription_id", "subscription"),
        ref("from_version_id", "plan_version"),
        ref("change_id", "scheduled_change"),
        CheckConstraint("status IN ('pending', 'previewed', 'scheduled', 'failed')", name="status"),
        CheckConstraint("(status = 'failed') = (reason IS NOT NULL)", name="reason"),
        Index("ix_version_migration_subscription_status", "provider_id", "migration_id", "status", "subscription_id"),
    )

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    migration_id: Mapped[UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(primary_key=True)
    from_version_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default="pending")
    currency: Mapped[Currency]
    recurring_before: Mapped[Minor | None]
    recurring_after: Mapped[Minor | None]
    usage_before: Mapped[Minor | None]
    usage_after: Mapped[Minor | None]
    once_after: Mapped[Minor | None]
    effective_at: Mapped[Instant | None]
    change_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    detail: Mapped[str | None]
