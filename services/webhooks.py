"""Webhook endpoints: where a provider wants its events to go, and the secrets that sign them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from core.errors import FieldError, Invalid
from core.ids import new_id
from events.catalogue import is_known
from events.sending import AddressRefused, check_url
from events.signing import new_secret
from models.outbox import WebhookEndpoint
from services import audit
from services.clock import system_now
from services.context import Context
from services.lookups import by_id
from services.paging import Slice, Window, newest_first

KIND = "webhook_endpoint"
PURPOSE = "webhook_secret"
# While keys are rotated a receiver may still hold the old secret for so long.
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True)
class WithSecret:
    """An endpoint and its secret, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str


def create(ctx: Context, wanted: Mapping[str, Any]) -> WithSecret:
    """Make an endpoint.

    Args:
        wanted: `url`, and if given `types` (none means all), `description`, `external_id`, `meta`.

    Raises:
        Invalid: `url_refused`, `event_type_unknown`.
    """
    _check(ctx, wanted)
    secret = new_secret()
    endpoint = WebhookEndpoint(
        provider_id=ctx.provider.id,
        id=new_id(),
        url=wanted["url"],
        types=list(wanted.get("types") or ()),
        description=wanted.get("description"),
        external_id=wanted.get("external_id"),
        meta=wanted.get("meta") or {},
        status="active",
        secret=_sealed(ctx, secret),
        created_at=ctx.now,
    )
    ctx.session.add(endpoint)
    ctx.session.flush()
    audit.record(ctx, KIND, endpoint.id, "created", None, {"url": endpoint.url, "types": endpoint.types})
    return WithSecret(endpoint, secret)


def list_endpoints(ctx: Context, window: Window, *, external_id: str | None = None) -> Slice[WebhookEndpoint]:
    """The provider's endpoints, newest first."""
    statement = select(WebhookEndpoint).where(WebhookEndpoint.provider_id == ctx.provider.id)
    if external_id is not None:
        statement = statement.where(WebhookEndpoint.external_id == external_id)
    return newest_first(ctx, statement, WebhookEndpoint.id, window)


def get(ctx: Context, endpoint_id: UUID) -> WebhookEndpoint:
    """One endpoint. Raises NotFound."""
    return by_id(ctx, WebhookEndpoint, KIND, endpoint_id)


def change(ctx: Context, endpoint_id: UUID, changes: Mapping[str, Any]) -> WebhookEndpoint:
    """Change an endpoint's `url`, `types`, `description`, `status` (active, disabled), `external_id` or `meta`.

    Raises:
        Invalid: as `create`.
    """
    endpoint = by_id(ctx, WebhookEndpoint, KIND, endpoint_id, lock=True)
    _check(ctx, changes)
    before = {name: getattr(endpoint, name) for name in changes}
    for name, value in changes.items():
        setattr(endpoint, name, value)
    ctx.session.flush()
    audit.record(ctx, KIND, endpoint.id, "changed", before, dict(changes))
    return endpoint


def rotate(ctx: Context, endpoint_id: UUID) -> WithSecret:
    """Give an endpoint a new secret. For a day, deliveries are signed with the old one as well."""
    endpoint = by_id(ctx, WebhookEndpoint, KIND, endpoint_id, lock=True)
    secret = new_secret()
    endpoint.previous_secret, endpoint.previous_until = endpoint.secret, system_now() + OVERLAP
    endpoint.secret = _sealed(ctx, secret)
    ctx.session.flush()
    audit.record(ctx, KIND, endpoint.id, "secret_rotated", None, None)
    return WithSecret(endpoint, secret)


def live_secrets(ctx: Context, endpoint: WebhookEndpoint, now: datetime) -> Sequence[str]:
    """The secrets that sign now: the endpoint's, and while keys are rotated the one before. `now` is system time."""
    stored = [endpoint.secret]
    if endpoint.previous_secret is not None and endpoint.previous_until is not None and now < endpoint.previous_until:
        stored.append(endpoint.previous_secret)
    return [ctx.kit.cipher.open(secret, provider_id=ctx.provider.id, purpose=PURPOSE) for secret in stored]


def _sealed(ctx: Context, secret: str) -> bytes:
    return ctx.kit.cipher.seal(secret, provider_id=ctx.provider.id, purpose=PURPOSE)


def _check(ctx: Context, wanted: Mapping[str, Any]) -> None:
    errors = []
    if "url" in wanted:
        try:
            check_url(wanted["url"], private=ctx.kit.webhooks_may_be_private)
        except AddressRefused as refused:
            errors.append(FieldError("/url", "url_refused", str(refused)))
    for number, pattern in enumerate(wanted.get("types") or ()):
        if not is_known(pattern):
            detail = f"There is no event {pattern!r}; GET /v1/event-types lists them."
            errors.append(FieldError(f"/types/{number}", "event_type_unknown", detail))
    if errors:
        raise Invalid.collect(errors)
