"""What gateways tell us: verified, stored under the gateway's own id, answered, and handled later.

A webhook is a hint. It makes the attempt or refund it is about due at once, and the truth is asked of the gateway; so
twice, late, out of order or never is all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from core.errors import Refused
from core.ids import decode, looks_like, new_id
from models.payments import GatewayAccount, InboundEvent
from payments.port import BadSignature, charging
from services import collection, gateway_accounts, lookups, refunds
from services.clock import system_now
from services.context import Context

JOB = "inbound"


class NotSigned(Refused):
    """Whoever sent this does not know the account's webhook secret."""

    status, title = 400, "Not signed"


def receive(ctx: Context, gateway_account_id: UUID, headers: Mapping[str, str], body: bytes) -> None:
    """Store what a gateway tells; what is stored already is passed over.

    Raises:
        NotSigned: `signature_invalid`, before anything of the body is looked at.
    """
    home = lookups.by_id(ctx, GatewayAccount, "gateway_account", gateway_account_id)
    try:
        notice = charging(home.gateway).verify(gateway_accounts.access(ctx, home), headers, body)
    except BadSignature:
        detail = "The signature does not fit this gateway account, or is too old."
        raise NotSigned("signature_invalid", detail) from None
    now = system_now()
    statement = upsert(InboundEvent).values(
        provider_id=ctx.provider.id,
        id=new_id(),
        gateway_account_id=home.id,
        event_reference=notice.id,
        type=notice.type,
        payload={"subject": notice.subject, "reference": notice.reference, "attempt": notice.attempt},
        received_at=now,
        next_at=now,
    )
    stored = statement.on_conflict_do_nothing().returning(InboundEvent.id)
    event_id = ctx.session.execute(stored).scalar_one_or_none()
    if event_id is not None:
        ctx.wake(JOB, event_id)


def handle(ctx: Context, event_id: UUID) -> None:
    """Have what an inbound event is about asked for. Handled before: nothing happens."""
    event = ctx.session.scalars(
        select(InboundEvent)
        .where(
            InboundEvent.provider_id == ctx.provider.id,
            InboundEvent.id == event_id,
            InboundEvent.status == "pending",
        )
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if event is None:
        return
    event.tries += 1
    event.status, event.detail = _handle(ctx, event)


def _handle(ctx: Context, event: InboundEvent) -> tuple[str, str | None]:
    subject, reference = event.payload["subject"], event.payload["reference"]
    if subject == "charge":
        before = collection.look_again(ctx, event.gateway_account_id, reference, _attempt(event.payload["attempt"]))
        if before == "failed" and event.type.endswith(".succeeded"):
            return "failed", "The gateway tells of a charge whose attempt is over; look at it there."
        return ("ignored", "No attempt of ours.") if before is None else ("done", None)
    if subject == "refund":
        known = refunds.look_again(ctx, event.gateway_account_id, reference)
        return ("done", None) if known else ("ignored", "No refund of ours.")
    return "ignored", None


def _attempt(name: str | None) -> UUID | None:
    return decode("payment_attempt", name) if name and looks_like("payment_attempt", name) else None
