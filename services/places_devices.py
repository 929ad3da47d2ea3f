"""Devices as their evidence told: one row per serial number and stay at a point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from core.errors import NotFound
from core.ids import new_id
from models.places import Device
from services.context import Context
from services.lookups import by_id
from services.paging import Slice, Window, newest_first
from services.sets import among
from stores.usage.port import RegisterState, Rewrite


def note(ctx: Context, registers: Mapping[UUID, RegisterState], rewrites: Iterable[Rewrite]) -> None:
    """Close the stays of devices that were exchanged, and begin those of devices that were seen first."""
    seen: dict[UUID, dict[str, datetime]] = {}
    for rewrite in rewrites:
        for epoch in rewrite.epochs:
            if epoch.serial is not None:
                serials = seen.setdefault(registers[rewrite.register_id].point_id, {})
                serials[epoch.serial] = min(serials.get(epoch.serial, epoch.start), epoch.start)
    if not seen:
        return
    open_rows = select(Device).where(
        Device.provider_id == ctx.provider.id, among(Device.point_id, seen), Device.to_at.is_(None)
    )
    hanging = {row.point_id: row for row in ctx.session.scalars(open_rows)}
    for point, serials in seen.items():
        for serial, since in sorted(serials.items(), key=lambda item: item[1]):
            hanging[point] = _hang(ctx, point, serial, since, hanging.get(point))
    ctx.session.flush()


def _hang(ctx: Context, point: UUID, serial: str, since: datetime, now_there: Device | None) -> Device:
    if now_there is not None and (now_there.serial == serial or since < now_there.from_at):
        return now_there
    if now_there is not None:
        now_there.to_at = since
    device = Device(
        provider_id=ctx.provider.id, id=new_id(), point_id=point, serial=serial, from_at=since, created_at=ctx.now
    )
    ctx.session.add(device)
    return device


def list_devices(ctx: Context, window: Window, *, point: UUID | None = None) -> Slice[Device]:
    """Devices, the latest seen first; account scopes see none."""
    statement = select(Device).where(Device.provider_id == ctx.provider.id)
    if point is not None:
        statement = statement.where(Device.point_id == point)
    if ctx.scope is not None:
        statement = statement.where(Device.id.is_(None))
    return newest_first(ctx, statement, Device.id, window)


def get_device(ctx: Context, device_id: UUID) -> Device:
    """One device."""
    if ctx.scope is not None:
        raise NotFound("device", device_id)
    return by_id(ctx, Device, "device", device_id)
