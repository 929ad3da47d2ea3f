"""Places: sites, points, and what a point counts for.

Sites and points belong to the provider. A caller that sees some accounts only sees the points assigned to their
subscriptions, and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.sql import Select

from core.decimals import format_decimal
from core.errors import Conflict, Forbidden, Invalid, NotFound, UnknownReference
from core.ids import new_id
from models.places import Assignment, Point, Site
from models.subscriptions import Subscription, SubscriptionItem
from services import lookups
from services.context import Context, visible
from services.paging import Slice, Window, newest_first
from stores.usage import backend

NO_POINT = UUID(int=0)


def check_whole_provider(ctx: Context) -> None:
    """Places are changed by those who see the whole provider.

    Raises:
        Forbidden: `provider_scope_required`, for a credential of some accounts.
    """
    if ctx.scope is not None:
        raise Forbidden("provider_scope_required", "This needs a credential of the provider, not of an account.")


def create_site(ctx: Context, values: Mapping[str, Any]) -> Site:
    """Add a site.

    Args:
        values: `code`, `name`, `time_zone`; optional `external_id`, `meta`.

    Raises:
        Conflict: `code_taken`.
    """
    check_whole_provider(ctx)
    taken = select(Site.id).where(Site.provider_id == ctx.provider.id, Site.code == values["code"])
    if ctx.session.execute(taken).first() is not None:
        raise Conflict("code_taken", "There is another site with this code.", "/code")
    site = Site(provider_id=ctx.provider.id, id=new_id(), created_at=ctx.now, **values)
    ctx.session.add(site)
    ctx.session.flush()
    return site


def list_sites(ctx: Context, window: Window, external_id: str | None = None) -> Slice[Site]:
    """Sites that the caller may see, newest first."""
    statement = select(Site).where(Site.provider_id == ctx.provider.id, _site_seen(ctx))
    if external_id is not None:
        statement = statement.where(Site.external_id == external_id)
    return newest_first(ctx, statement, Site.id, window)


def get_site(ctx: Context, site_id: UUID) -> Site:
    """One site that the caller may see."""
    found = ctx.session.scalars(
        select(Site).where(Site.provider_id == ctx.provider.id, Site.id == site_id, _site_seen(ctx))
    ).first()
    if found is None:
        raise NotFound("site", site_id)
    return found


def create_point(ctx: Context, values: Mapping[str, Any]) -> Point:
    """Add a point.

    Args:
        values: `site` (a reference), `path`, `kind`; optional `rating`, `external_id`, `meta`.

    Raises:
        UnknownReference: `site_unknown`.
        Conflict: `path_taken`.
    """
    check_whole_provider(ctx)
    values = dict(values)
    site = lookups.by_reference(ctx, Site, "site", values.pop("site"), pointer="/site")
    taken = select(Point.id).where(
        Point.provider_id == ctx.provider.id, Point.site_id == site.id, Point.path == values["path"]
    )
    if ctx.session.execute(taken).first() is not None:
        raise Conflict("path_taken", "There is another point with this path at this site.", "/path")
    values["rating"] = _as_json(values.get("rating") or {})
    point = Point(provider_id=ctx.provider.id, id=new_id(), site_id=site.id, created_at=ctx.now, **values)
    ctx.session.add(point)
    ctx.session.flush()
    return point


def _as_json(rating: Mapping[str, Any]) -> dict[str, Any]:
    return {name: format_decimal(value) if isinstance(value, Decimal) else value for name, value in rating.items()}


def change_point(ctx: Context, point_id: UUID, values: Mapping[str, Any]) -> Point:
    """Change a point's kind, rating, external id or metadata. Its path names it in readings and stays."""
    check_whole_provider(ctx)
    point = lookups.by_id(ctx, Point, "point", point_id, lock=True)
    for name, value in values.items():
        setattr(point, name, _as_json(value) if name == "rating" else value)
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
    """The point of an id, external id, path or "site/path"; what the caller may not see does not exist for it.

    Raises:
        UnknownReference: `point_unknown`.
        Invalid: `point_ambiguous`, when several sites have that path.
    """
    found = backend().points(ctx.session, ctx.provider.id, [reference]).get(reference, set())
    if len(found) > 1:
        raise Invalid("point_ambiguous", 'Several sites have this point: write "site/path" or the id.', pointer)
    try:
        return get_point(ctx, *(found or {NO_POINT}))
    except NotFound:
        raise UnknownReference("point", reference, pointer) from None


def _seen(ctx: Context) -> ColumnElement[bool]:
    """The condition that a point counts for something the caller may see."""
    if ctx.scope is None:
        return Point.id.is_not(None)
    return Point.id.in_(own_items(ctx).join(Assignment, _of_item()).with_only_columns(Assignment.point_id))


def _site_seen(ctx: Context) -> ColumnElement[bool]:
    """The condition that a site has a point that the caller may see."""
    if ctx.scope is None:
        return Site.id.is_not(None)
    return Site.id.in_(select(Point.site_id).where(Point.provider_id == ctx.provider.id, _seen(ctx)))


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
