"""Assignments: "point P counts for subscription item S from … to …", never two at once (I6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range

from core.errors import Conflict, Invalid, NotFound, UnknownReference
from core.ids import new_id
from models.places import Assignment, Point
from models.subscriptions import Subscription, SubscriptionItem
from services import lookups
from services.context import Context
from services.paging import Slice, Window, newest_first
from services.places import check_whole_provider, find_point, own_items
from services.versions import hold


@dataclass(frozen=True)
class Assigned:
    """An assignment as callers see it. An end of None is open."""

    id: UUID
    point_id: UUID
    item_id: UUID
    subscription_id: UUID
    charge_code: str
    start: datetime
    end: datetime | None
    external_id: str | None
    meta: Mapping[str, Any]
    created_at: datetime


def assign(ctx: Context, values: Mapping[str, Any]) -> Assigned:
    """Let a point count for an item of a subscription.

    Args:
        values: `point`, `subscription` (references), `charge_code`, `start`; optional `end`, `external_id`, `meta`.

    Raises:
        UnknownReference: `point_unknown`, `subscription_unknown`, `charge_code_unknown`.
        Invalid: `span_empty`, when it ends before it starts.
        Conflict: `assignment_overlaps`, when the point counts for something already within that span.
    """
    check_whole_provider(ctx)
    point = find_point(ctx, values["point"], "/point")
    item = _item(ctx, values["subscription"], values["charge_code"])
    start, end = values["start"], values.get("end")
    span = _span(start, end)
    hold(ctx, f"assignments of {point.id}")
    _check_free(ctx, point, span)
    row = Assignment(
        provider_id=ctx.provider.id,
        id=new_id(),
        point_id=point.id,
        item_id=item.id,
        span=span,
        external_id=values.get("external_id"),
        meta=dict(values.get("meta") or {}),
        created_at=ctx.now,
    )
    ctx.session.add(row)
    ctx.session.flush()
    return _assigned(row, item)


def _item(ctx: Context, subscription: str, charge_code: str) -> SubscriptionItem:
    owner = lookups.by_reference(
        ctx, Subscription, "subscription", subscription, pointer="/subscription", account=Subscription.account_id
    )
    item = ctx.session.scalars(
        select(SubscriptionItem).where(
            SubscriptionItem.provider_id == ctx.provider.id,
            SubscriptionItem.subscription_id == owner.id,
            SubscriptionItem.charge_code == charge_code,
        )
    ).first()
    if item is None:
        raise UnknownReference("charge code", charge_code, "/charge_code")
    return item


def _span(start: datetime, end: datetime | None) -> Range[datetime]:
    if end is not None and end <= start:
        raise Invalid("span_empty", "An assignment ends after it starts.", "/to")
    return Range(start, end, bounds="[)")


def _check_free(ctx: Context, point: Point, span: Range[datetime], but: UUID | None = None) -> None:
    """The constraint of the table holds this; asking first names what is in the way."""
    other = ctx.session.scalars(
        select(Assignment).where(
            Assignment.provider_id == ctx.provider.id,
            Assignment.point_id == point.id,
            Assignment.span.overlaps(span),
            Assignment.id != but if but else Assignment.id.is_not(None),
        )
    ).first()
    if other is not None:
        raise Conflict("assignment_overlaps", "The point counts for another item within this span.", "/from")


def close(ctx: Context, assignment_id: UUID, end: datetime) -> Assigned:
    """End an assignment at an instant, or move its end.

    Raises:
        Invalid: `span_empty`, when it would end before it starts.
        Conflict: `assignment_overlaps`, when the later end runs into the next assignment.
    """
    check_whole_provider(ctx)
    row, item = _row(ctx, assignment_id)
    hold(ctx, f"assignments of {row.point_id}")
    ctx.session.refresh(row, with_for_update=True)
    span = _span(_start(row), end)
    _check_free(ctx, lookups.by_id(ctx, Point, "point", row.point_id), span, but=assignment_id)
    row.span = span
    ctx.session.flush()
    return _assigned(row, item)


def get_assignment(ctx: Context, assignment_id: UUID) -> Assigned:
    """One assignment that the caller may see."""
    return _assigned(*_row(ctx, assignment_id))


def _row(ctx: Context, assignment_id: UUID) -> tuple[Assignment, SubscriptionItem]:
    rows = ctx.session.execute(
        select(Assignment, SubscriptionItem)
        .join(
            SubscriptionItem,
            (SubscriptionItem.provider_id == Assignment.provider_id) & (SubscriptionItem.id == Assignment.item_id),
        )
        .where(
            Assignment.provider_id == ctx.provider.id,
            Assignment.id == assignment_id,
            Assignment.item_id.in_(own_items(ctx).with_only_columns(SubscriptionItem.id)),
        )
    ).all()
    if not rows:
        raise NotFound("assignment", assignment_id)
    return rows[0][0], rows[0][1]


def filters(ctx: Context, point: str | None, subscription: str | None) -> dict[str, UUID]:
    """The ids that a list's filters name, for `list_assignments`.

    Raises:
        UnknownReference: `point_unknown`, `subscription_unknown`.
    """
    found = {}
    if point is not None:
        found["point"] = find_point(ctx, point, "?point").id
    if subscription is not None:
        found["subscription"] = lookups.by_reference(
            ctx, Subscription, "subscription", subscription, pointer="?subscription", account=Subscription.account_id
        ).id
    return found


def list_assignments(
    ctx: Context,
    window: Window,
    *,
    external_id: str | None = None,
    point: UUID | None = None,
    subscription: UUID | None = None,
) -> Slice[Assigned]:
    """Assignments that the caller may see, newest first."""
    items = own_items(ctx)
    if subscription is not None:
        items = items.where(SubscriptionItem.subscription_id == subscription)
    statement = select(Assignment).where(
        Assignment.provider_id == ctx.provider.id,
        Assignment.item_id.in_(items.with_only_columns(SubscriptionItem.id)),
    )
    if external_id is not None:
        statement = statement.where(Assignment.external_id == external_id)
    if point is not None:
        statement = statement.where(Assignment.point_id == point)
    found = newest_first(ctx, statement, Assignment.id, window)
    named = select(SubscriptionItem).where(
        SubscriptionItem.provider_id == ctx.provider.id, SubscriptionItem.id.in_({a.item_id for a in found.rows})
    )
    by_id = {item.id: item for item in ctx.session.scalars(named)}
    return found.map(lambda row: _assigned(row, by_id[row.item_id]))


def _start(row: Assignment) -> datetime:
    start: datetime | None = row.span.lower
    assert start is not None  # the table's CHECK holds a lower bound
    return start


def _assigned(row: Assignment, item: SubscriptionItem) -> Assigned:
    return Assigned(
        row.id,
        row.point_id,
        row.item_id,
        item.subscription_id,
        item.charge_code,
        _start(row),
        row.span.upper,
        row.external_id,
        row.meta,
        row.created_at,
    )
