"""Changes of contract as they are kept until they take effect, and as they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.changes import Cancel, Pause
from billing.parts_change import PartsChange
from core.decimals import format_decimal
from core.ids import decode
from core.period import parse_instant, rfc3339
from models.subscriptions import ScheduledChange
from services import change_parts
from services.context import Context


@dataclass(frozen=True)
class Agreed:
    """A change that fits its subscription. `parts` are what plans offered when the change was agreed upon."""

    cancel: Cancel | None = None
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    parts: PartsChange = field(default_factory=PartsChange)
    pause: Pause | None = None
    resume: bool = False
    convert: bool = False
    align_on: date | None = None

    @property
    def of_prices(self) -> bool:
        """Whether it changes what is charged, and not when."""
        return not (self.cancel or self.pause or self.resume or self.convert or self.align_on)


@dataclass(frozen=True)
class ChangeView:
    """A change as it is shown: `status` is scheduled, done, withdrawn or failed (then `detail` says why)."""

    id: UUID
    subscription_id: UUID
    effective_at: datetime
    status: str
    cancel: bool
    credit: bool | None
    early: bool | None
    pause: bool
    pause_until: datetime | None
    resume: bool
    convert: bool
    align_on: date | None
    quantities: Mapping[str, Decimal]
    plan_version_id: UUID | None
    add_ons: Mapping[str, Any]
    detail: str | None
    created_at: datetime


def body_of(agreed: Agreed) -> dict[str, Any]:
    """A change as it is kept."""
    if agreed.cancel is not None:
        return {"cancel": True, "credit": agreed.cancel.credit, "early": agreed.cancel.early}
    if agreed.pause is not None:
        until = agreed.pause.until
        return {"pause": True, "pause_until": rfc3339(until) if until else None}
    if agreed.resume:
        return {"resume": True}
    if agreed.convert:
        return {"convert": True}
    if agreed.align_on is not None:
        return {"align_on": agreed.align_on.isoformat()}
    body: dict[str, Any] = {
        "quantities": {code: format_decimal(quantity) for code, quantity in agreed.quantities.items()}
    }
    return body | change_parts.body_of(agreed.parts)


def agreed_of(ctx: Context, body: Mapping[str, Any]) -> Agreed:
    """A kept change, with its plan versions."""
    return Agreed(
        cancel=Cancel(body.get("credit", True), body.get("early", False)) if body.get("cancel") else None,
        quantities=_quantities(body),
        parts=change_parts.change_of(ctx, body),
        pause=Pause(_until(body)) if body.get("pause") else None,
        resume=bool(body.get("resume")),
        convert=bool(body.get("convert")),
        align_on=_align_on(body),
    )


def shown(row: ScheduledChange) -> ChangeView:
    """A row as it is shown."""
    body = row.body
    cancel = bool(body.get("cancel"))
    return ChangeView(
        id=row.id,
        subscription_id=row.subscription_id,
        effective_at=row.effective_at,
        status=row.status,
        cancel=cancel,
        credit=body.get("credit", True) if cancel else None,
        early=body.get("early", False) if cancel else None,
        pause=bool(body.get("pause")),
        pause_until=_until(body),
        resume=bool(body.get("resume")),
        convert=bool(body.get("convert")),
        align_on=_align_on(body),
        quantities=_quantities(body),
        plan_version_id=_version_id(body),
        add_ons={"add": [], "remove": [], **body.get("add_ons", {})},
        detail=row.detail,
        created_at=row.created_at,
    )


def _quantities(body: Mapping[str, Any]) -> dict[str, Decimal]:
    return {code: Decimal(quantity) for code, quantity in body.get("quantities", {}).items()}


def _version_id(body: Mapping[str, Any]) -> UUID | None:
    version = next(iter(body.get("moves", [])), body.get("plan_version"))
    return decode("plan_version", version) if version else None


def _until(body: Mapping[str, Any]) -> datetime | None:
    until = body.get("pause_until")
    return parse_instant(until) if until else None


def _align_on(body: Mapping[str, Any]) -> date | None:
    day = body.get("align_on")
    return date.fromisoformat(day) if day else None
