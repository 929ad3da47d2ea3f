"""Moving subscriptions to another version of their plan, many at once: asked for, previewed, started, withdrawn.

A migration is a row per subscription. Workers take chunks of them (`services.version_migration_steps`): first they work
out what each pays before and after, then they schedule a change for each; what is killed is done again by the state of
the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, insert, literal, select, union_all

from billing.changes import NOW, PERIOD_END
from core.errors import Conflict, FieldError, Invalid, NotFound, UnknownReference
from core.ids import decode, encode, looks_like, new_id
from core.period import rfc3339
from models.accounts import Account
from models.catalog import Plan, PlanVersion
from models.subscription_parts import SubscriptionPart
from models.subscriptions import Subscription
from models.version_migrations import VersionMigration, VersionMigrationSubscription
from services import version_migration_steps
from services.context import Context, visible
from services.lookups import by_id, by_reference
from services.paging import Slice, Window, newest_first
from services.sets import among
from services.version_migration_results import paid_after, paid_before

JOB = "version_migrations"
RENEWAL = "renewal"
WORDS = (NOW, PERIOD_END, RENEWAL)
AHEAD_MOST = timedelta(days=3650)
# So many are worked out while the caller waits; more are left to the workers.
AT_ONCE_MOST = 100


@dataclass(frozen=True)
class Move:
    """A migration as it is asked for.

    Args:
        effective: `now`, `period_end`, `renewal` (the end of a fixed term; without one, of the period), or an instant.
        from_versions: numbers; None is every other version.
        accounts: references to whose subscriptions, with all below them; None is everybody's.
        preview: work out who pays what, and wait to be started.
    """

    effective: str | datetime
    from_versions: Sequence[int] | None = None
    accounts: Sequence[str] | None = None
    preview: bool = False
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Total:
    """What those in one currency pay a month before and after, net, in minor units; and who pays more or less."""

    currency: str
    subscriptions: int
    paying_more: int
    paying_less: int
    paying_same: int
    before_amount: int
    after_amount: int
    once_amount: int

    @property
    def difference_amount(self) -> int:
        """What all of them together pay more."""
        return self.after_amount - self.before_amount


@dataclass(frozen=True)
class MigrationView:
    """A migration with how far it has come: its subscriptions by state, and totals of those that are worked out."""

    row: VersionMigration
    version: int
    counts: Mapping[str, int]
    totals: Sequence[Total]


def create(ctx: Context, plan_id: UUID, version: str, move: Move) -> MigrationView:
    """Move the subscriptions of a plan to a version of it, or only see what that would change.

    Args:
        version: its number, or its id.

    Raises:
        NotFound. Invalid: `version_unknown` and `version_is_target` of `from_versions`, `effective_in_past`,
            `effective_out_of_range`, `version_not_offered` (an instant before the version is). UnknownReference:
            `account_unknown`.
    """
    plan = by_id(ctx, Plan, "plan", plan_id)
    target = _version(ctx, plan.id, version)
    sources = _sources(ctx, plan.id, target, move.from_versions)
    holders = _holders(ctx, move.accounts)
    _check_effective(ctx, target, move.effective)
    row = VersionMigration(
        provider_id=ctx.provider.id,
        id=new_id(),
        plan_id=plan.id,
        plan_version_id=target.id,
        filter={
            "from_versions": None if move.from_versions is None else list(move.from_versions),
            "accounts": None if holders is None else [encode("account", holder) for holder in holders],
        },
        effective={"at": rfc3339(move.effective)} if isinstance(move.effective, datetime) else {"on": move.effective},
        preview_only=move.preview,
        status="previewing",
        external_id=move.external_id,
        meta=dict(move.meta),
        created_at=ctx.now,
    )
    ctx.session.add(row)
    ctx.session.flush()
    _collect(ctx, row, sources, holders)
    return _work_on(ctx, row)


def _version(ctx: Context, plan_id: UUID, reference: str) -> PlanVersion:
    here = (PlanVersion.provider_id == ctx.provider.id, PlanVersion.plan_id == plan_id)
    found = None
    if looks_like("plan_version", reference):
        named = PlanVersion.id == decode("plan_version", reference)
        found = ctx.session.scalars(select(PlanVersion).where(*here, named)).first()
    elif reference.isascii() and reference.isdigit() and len(reference) < 10:
        numbered = PlanVersion.number == int(reference)
        found = ctx.session.scalars(select(PlanVersion).where(*here, numbered)).first()
    if found is None:
        raise NotFound("plan_version", reference[:80])
    return found


def _sources(ctx: Context, plan_id: UUID, target: PlanVersion, numbers: Sequence[int] | None) -> list[UUID]:
    """The versions to move from; every one that is none is told at once."""
    rows = ctx.session.execute(
        select(PlanVersion.number, PlanVersion.id).where(
            PlanVersion.provider_id == ctx.provider.id, PlanVersion.plan_id == plan_id
        )
    ).all()
    known: dict[int, UUID] = dict(rows)
    if numbers is None:
        return [version_id for version_id in known.values() if version_id != target.id]
    errors = []
    for i, number in enumerate(numbers):
        if number not in known:
            detail = f"This plan has no version {number}."
            errors.append(FieldError(f"/from_versions/{i}", "version_unknown", detail))
        elif number == target.number:
            detail = "This is the version that is moved to."
            errors.append(FieldError(f"/from_versions/{i}", "version_is_target", detail))
    if errors:
        raise Invalid.collect(errors)
    return [known[number] for number in numbers]


def _holders(ctx: Context, accounts: Sequence[str] | None) -> list[UUID] | None:
    if accounts is None:
        return None
    errors: list[FieldError] = []
    found = []
    for i, reference in enumerate(accounts):
        try:
            at = f"/accounts/{i}"
            found.append(by_reference(ctx, Account, "account", reference, pointer=at, account=Account.id).id)
        except UnknownReference as unknown:
            errors += unknown.errors
    if errors:
        raise Invalid.collect(errors)
    return found


def _check_effective(ctx: Context, target: PlanVersion, effective: str | datetime) -> None:
    pointer = "/effective/at"
    if isinstance(effective, datetime):
        if effective < ctx.now:
            raise Invalid("effective_in_past", "A migration takes effect now or later.", pointer)
        if effective > ctx.now + AHEAD_MOST:
            raise Invalid("effective_out_of_range", "A migration takes effect within ten years.", pointer)
    first = effective if isinstance(effective, datetime) else ctx.now
    if (isinstance(effective, datetime) or effective == NOW) and first < target.effective_at:
        pointer = pointer if isinstance(effective, datetime) else "/effective"
        detail = f"This version is offered from {rfc3339(target.effective_at)} on."
        raise Invalid("version_not_offered", detail, pointer)


def _collect(ctx: Context, row: VersionMigration, sources: Sequence[UUID], holders: Sequence[UUID] | None) -> None:
    """Write a row for every subscription that is to be moved, in one statement."""
    alive = [
        Subscription.provider_id == ctx.provider.id,
        Subscription.status.not_in(("cancelled", "expired")),
        visible(ctx, Subscription.account_id),
    ]
    if holders is not None:
        below = select(Account.id).where(Account.provider_id == ctx.provider.id, Account.path.overlap(list(holders)))
        alive.append(Subscription.account_id.in_(below))
    head = (literal(ctx.provider.id), literal(row.id))
    own = select(*head, Subscription.id, Subscription.plan_version_id, Subscription.currency).where(
        *alive, among(Subscription.plan_version_id, sources)
    )
    others = (
        select(*head, Subscription.id, SubscriptionPart.plan_version_id, Subscription.currency)
        .select_from(SubscriptionPart)
        .join(
            Subscription,
            and_(
                Subscription.provider_id == SubscriptionPart.provider_id,
                Subscription.id == SubscriptionPart.subscription_id,
            ),
        )
        .where(*alive, SubscriptionPart.removed_at.is_(None), among(SubscriptionPart.plan_version_id, sources))
    )
    table = VersionMigrationSubscription
    columns = [table.provider_id, table.migration_id, table.subscription_id, table.from_version_id, table.currency]
    ctx.session.execute(insert(table).from_select(columns, union_all(own, others)))


def _work_on(ctx: Context, row: VersionMigration) -> MigrationView:
    """Do what is to be done if it is little, else ask the workers to."""
    ctx.wake(JOB, row.id)
    if sum(_counts(ctx, [row.id]).get(row.id, {}).values()) <= AT_ONCE_MOST:
        while version_migration_steps.work(ctx, row.id):
            pass
        ctx.session.refresh(row)
    return view(ctx, row)


def start(ctx: Context, migration_id: UUID) -> MigrationView:
    """Schedule the changes of a migration that was previewed. Started already: nothing happens.

    Raises:
        NotFound. Conflict: `migration_previewing`, `migration_withdrawn`.
    """
    row = by_id(ctx, VersionMigration, "version_migration", migration_id, lock=True)
    if row.status == "previewing" and row.preview_only:
        raise Conflict("migration_previewing", "Who pays what is still being worked out.")
    if row.status in ("withdrawing", "withdrawn"):
        raise Conflict("migration_withdrawn", "This migration was withdrawn: make another.")
    if row.status != "previewed":
        return view(ctx, row)
    row.status = "scheduling"
    ctx.session.flush()
    return _work_on(ctx, row)


def withdraw(ctx: Context, migration_id: UUID) -> MigrationView:
    """Take a migration back: of those that are not moved yet, the changes are withdrawn. The others stay moved.

    Raises:
        NotFound.
    """
    row = by_id(ctx, VersionMigration, "version_migration", migration_id, lock=True)
    if row.status in ("withdrawing", "withdrawn"):
        return view(ctx, row)
    row.status = "withdrawing"
    ctx.session.flush()
    return _work_on(ctx, row)


def get(ctx: Context, migration_id: UUID) -> MigrationView:
    """One migration."""
    return view(ctx, by_id(ctx, VersionMigration, "version_migration", migration_id))


def list_migrations(ctx: Context, plan_id: UUID, version: str, window: Window) -> Slice[MigrationView]:
    """The migrations to a version, newest first."""
    target = _version(ctx, by_id(ctx, Plan, "plan", plan_id).id, version)
    statement = select(VersionMigration).where(
        VersionMigration.provider_id == ctx.provider.id, VersionMigration.plan_version_id == target.id
    )
    found = newest_first(ctx, statement, VersionMigration.id, window)
    shown = {each.row.id: each for each in views(ctx, found.rows)}
    return found.map(lambda row: shown[row.id])


def view(ctx: Context, row: VersionMigration) -> MigrationView:
    """A migration with its counts and totals."""
    return views(ctx, [row])[0]


def views(ctx: Context, rows: Sequence[VersionMigration]) -> list[MigrationView]:
    """Migrations with their counts and totals, in three queries however many."""
    ids = [row.id for row in rows]
    counts, totals = _counts(ctx, ids), _totals(ctx, ids)
    numbers = dict(
        ctx.session.execute(
            select(PlanVersion.id, PlanVersion.number).where(
                PlanVersion.provider_id == ctx.provider.id,
                among(PlanVersion.id, {row.plan_version_id for row in rows}),
            )
        ).all()
    )
    return [
        MigrationView(row, numbers[row.plan_version_id], counts.get(row.id, {}), totals.get(row.id, ())) for row in rows
    ]


def _counts(ctx: Context, ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    table = VersionMigrationSubscription
    rows = ctx.session.execute(
        select(table.migration_id, table.status, func.count())
        .where(table.provider_id == ctx.provider.id, among(table.migration_id, ids))
        .group_by(table.migration_id, table.status)
    )
    found: dict[UUID, dict[str, int]] = {}
    for migration_id, status, number in rows:
        found.setdefault(migration_id, {})[status] = number
    return found


def _totals(ctx: Context, ids: Sequence[UUID]) -> dict[UUID, list[Total]]:
    table, before, after = VersionMigrationSubscription, paid_before(), paid_after()

    def counted(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    rows = ctx.session.execute(
        select(
            table.migration_id,
            table.currency,
            func.count(),
            counted(after > before),
            counted(after < before),
            counted(after == before),
            func.sum(before),
            func.sum(after),
            func.sum(func.coalesce(table.once_after, 0)),
        )
        .where(
            table.provider_id == ctx.provider.id,
            among(table.migration_id, ids),
            table.recurring_before.is_not(None),
            table.recurring_after.is_not(None),
        )
        .group_by(table.migration_id, table.currency)
        .order_by(table.migration_id, table.currency)
    )
    found: dict[UUID, list[Total]] = {}
    for migration_id, currency, *numbers in rows:
        found.setdefault(migration_id, []).append(Total(currency, *(int(number or 0) for number in numbers)))
    return found
