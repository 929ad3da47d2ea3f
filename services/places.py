"""Places: sites, points, and what a point counts for.

Sites and points belong to the provider. A caller that sees some accounts only sees the points assigned to their
subscriptions, and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.sql import Select

from core.errors import Conflict, NotFound
from core.ids import new_id
from models.places import Assignment, Point, Site
from models.subscriptions import Subscription, SubscriptionItem
from services import lookups
from services.context import Context, visible
from services.paging import Slice, Window, newest_first


def create_site(ctx: Context, values: Mapping[str, Any]) -> Site:
    """Add a site.

    Args:
        values: `code`, `name`, `time_zone`; optional `external_id`, `meta`.

    Raises:
        Conflict: `code_taken`.
    """
    taken = select(Site.id).where(Site.provider_id == ctx.provider.id, Site.code == values["code"])
    if ctx.session.execute(taken).first() is not None:
        raise Conflict("code_taken", "There is another site with this code.", "/code")
    site = Site(provider_id=ctx.provider.id, id=new_id(), created_at=ctx.now, **values)
    ctx.session.add(site)
    ctx.session.flush()
    return site


def list_sites(ctx: Context, window: Window, external_id: str | None = None) -> Slice[Site]:
    """Sites, newest first."""
    statement = select(Site).where(Site.provider_id == ctx.provider.id)
    if external_id is not None:
        statement = statement.where(Site.external_id == external_id)
    return newest_first(ctx, statement, Site.id, window)


def get_site(ctx: Context, site_id: UUID) -> Site:
    """One site."""
    return lookups.by_id(ctx, Site, "site", site_id)


def create_point(ctx: Context, values: Mapping[str, Any]) -> Point:
    """Add a point.

    Args:
        values: `site` (a reference), `path`, `kind`; optional `rating`, `external_id`, `meta`.

    Raises:
        UnknownReference: `site_unknown`.
        Conflict: `path_taken`.
    """
    values = dict(values)
    site = lookups.by_reference(ctx, Site, "site", values.pop("site"), pointer="/site")
    taken = select(Point.id).where(
        Point.provider_id == ctx.provider.id, Point.site_id == site.id, Point.path == values["path"]
    )
    if ctx.session.execute(taken).first() is not None:
        raise Conflict("path_taken", "There is another point with this path at this site.", "/path")
    point = Point(provider_id=ctx.provider.id, id=new_id(), site_id=site.id, created_at=ctx.now, **values)
    ctx.session.add(point)
    ctx.session.flush()
    return point


def change_point(ctx: Context, point_id: UUID, values: Mapping[str, Any]) -> Point:
    """Change a point's kind, rating, external id or metadata. Its path names it in readings and stays."""
    point = lookups.by_id(ctx, Point, "point", point_id, lock=True)
    for name, value in values.items():
        setattr(point, name, value)
    ctx.session.flush()
    return point


def list_points(
    ctx: Context, window: Window, *, external_id: str | None = None, site: UUID | None = None, path: str | None = None
) -> Slice[Point]:
    """Points that the caller may see, newest first."""
    statement = select(Point).where(Point.provider_id == ctx.provider.id, _seen(ctx))
    if external_id is not None:
        statement = statement.where(Point.external_id == external_id)
    if site is not None:
        statement = statement.where(Point.site_id == site)
    if path is not None:
        statement = statement.where(Point.path == path)
    return newest_first(ctx, statement, Point.id, window)


def get_point(ctx: Context, point_id: UUID) -> Point:
    """One point that the caller may see."""
    found = ctx.session.scalars(
        select(Point).where(Point.provider_id == ctx.provider.id, Point.id == point_id, _seen(ctx))
    ).first()
    if found is None:
        raise NotFound("point", point_id)
    return found


def find_site(ctx: Context, reference: str, pointer: str) -> Site:
    """The site of a reference."""
    return lookups.by_reference(ctx, Site, "site", reference, pointer=pointer)


def find_point(ctx: Context, reference: str, pointer: str) -> Point:
    """The point of an id or external id; points that the caller may not see do not exist for it."""
    found = lookups.by_reference(ctx, Point, "point", reference, pointer=pointer)
    return get_point(ctx, found.id)


def _seen(ctx: Context) -> ColumnElement[bool]:
    """The condition that a point counts for something the caller may see."""
    if ctx.scope is None:
        return Point.id.is_not(None)
    return Point.id.in_(own_items(ctx).join(Assignment, _of_item()).with_only_columns(Assignment.point_id))


def _of_item() -> ColumnElement[bool]:
    return (Assignment.provider_id == SubscriptionItem.provider_id) & (Assignment.item_id == SubscriptionItem.id)


def own_items(ctx: Context) -> Select[SubscriptionItem]:
    """The subscription items that the caller may see."""
    return (
        select(SubscriptionItem)
        .join(
            Subscription,
            (Subscription.provider_id == SubscriptionItem.provider_id)
            & (Subscription.id == SubscriptionItem.subscription_id),
        )
        .where(SubscriptionItem.provider_id == ctx.provider.id, visible(ctx, Subscription.account_id))
    )
