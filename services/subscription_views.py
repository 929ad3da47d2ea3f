"""A subscription as it is shown and told of: its items with what is in force, and the open provisioning request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from billing.contract_terms import FixedTerm
from billing.items import USAGE
from billing.offers import ADD_ON, COMPONENT, OWN
from billing.terms import TermRow, fold
from core.decimals import format_decimal
from core.ids import encode
from core.period import rfc3339, utc
from models.catalog import PlanVersion, Price
from models.subscription_parts import SubscriptionPart
from models.subscriptions import ProvisioningRequest, Subscription, SubscriptionItem, SubscriptionItemTerm
from services import subscription_parts
from services.context import Context
from services.sets import among


@dataclass(frozen=True)
class ItemView:
    """A charge of a subscription. `quantity`, `price_id` and `discount` are those in force, or those ordered before the
    start; after its end an item shows what was in force last. `plan_id` is the plan whose charge it is.
    """

    id: UUID
    charge_code: str
    name: str
    kind: str
    price_id: UUID
    quantity: Decimal
    plan_id: UUID
    discount: Decimal
    cost_centre: str | None = None
    ended: bool = False


@dataclass(frozen=True)
class PartView:
    """A plan version on a subscription beside its own: contained in its bundle, or an add-on."""

    role: str
    plan_id: UUID
    plan_version_id: UUID
    version: int
    discount: Decimal
    from_at: datetime | None


@dataclass(frozen=True)
class RequestView:
    """What a provisioning system was asked and has not answered; `id` is that of the event that asked."""

    id: UUID
    kind: str
    asked_at: datetime
    answer: Mapping[str, Any] | None


@dataclass(frozen=True)
class SubscriptionView:
    """A subscription as the API shows it."""

    id: UUID
    external_id: str | None
    meta: Mapping[str, Any]
    created_at: datetime
    account_id: UUID
    plan_id: UUID
    plan_version_id: UUID
    version: int
    status: str
    currency: str
    time_zone: str
    anchor: str
    start_on: str
    start_at: datetime | None
    ended_at: datetime | None
    trial: Mapping[str, Any] | None
    term: Mapping[str, Any] | None
    minimum_term: Mapping[str, Any] | None
    reference: str | None
    purchase_order: str | None
    cost_centre: str | None
    items: Sequence[ItemView]
    parts: Sequence[PartView]
    request: RequestView | None

    @property
    def components(self) -> Sequence[PartView]:
        """What its bundle contains."""
        return [part for part in self.parts if part.role == COMPONENT]

    @property
    def add_ons(self) -> Sequence[PartView]:
        """What was added to its plan."""
        return [part for part in self.parts if part.role == ADD_ON]

    @property
    def start(self) -> Mapping[str, Any]:
        """How it was ordered to start."""
        return {"on": "provisioned"} if self.start_on == "provisioned" else {"at": self.start_at}

    @property
    def started_at(self) -> datetime | None:
        """When it started; None while it is pending."""
        return None if self.status == "pending" else self.start_at

    @property
    def quantities(self) -> Mapping[str, Decimal]:
        """By charge code, of what is ordered by quantity."""
        return {item.charge_code: item.quantity for item in self.items if item.kind != "usage"}


def view(ctx: Context, subscription: Subscription) -> SubscriptionView:
    """One subscription."""
    return views(ctx, [subscription])[0]


def views(ctx: Context, subscriptions: Sequence[Subscription]) -> list[SubscriptionView]:
    """Subscriptions, in five queries however many."""
    ids = [s.id for s in subscriptions]
    items = _items(ctx, ids, {s.id: s.quantities for s in subscriptions})
    parts = subscription_parts.rows_of(ctx, ids)
    numbers = dict(
        ctx.session.execute(
            select(PlanVersion.id, PlanVersion.number).where(
                PlanVersion.provider_id == ctx.provider.id,
                among(
                    PlanVersion.id,
                    {s.plan_version_id for s in subscriptions}
                    | {part.plan_version_id for rows in parts.values() for part in rows},
                ),
            )
        ).all()
    )
    requests = _open_requests(ctx, ids)
    return [_view(s, numbers, items[s.id], parts[s.id], requests.get(s.id)) for s in subscriptions]


def _view(
    s: Subscription,
    numbers: Mapping[UUID, int],
    items: Sequence[ItemView],
    parts: Sequence[SubscriptionPart],
    request: RequestView | None,
) -> SubscriptionView:
    return SubscriptionView(
        id=s.id,
        external_id=s.external_id,
        meta=s.meta or {},
        created_at=s.created_at,
        account_id=s.account_id,
        plan_id=s.plan_id,
        plan_version_id=s.plan_version_id,
        version=numbers[s.plan_version_id],
        status=s.status,
        currency=s.currency,
        time_zone=s.time_zone,
        anchor=s.anchor,
        start_on=s.start_on,
        start_at=s.start_at,
        ended_at=s.ended_at,
        trial={**s.trial, "ends_at": _instant(s.trial_ends_at)} if s.trial else None,
        term=_term(s),
        minimum_term={**s.minimum_term, "ends_at": _instant(s.minimum_ends_at)} if s.minimum_term else None,
        reference=s.reference,
        purchase_order=s.purchase_order,
        cost_centre=s.cost_centre,
        items=items,
        parts=[
            PartView(p.role, p.plan_id, p.plan_version_id, numbers[p.plan_version_id], p.discount, p.from_at)
            for p in parts
        ],
        request=request,
    )


def _term(s: Subscription) -> dict[str, Any] | None:
    """A fixed term, with until when a cancellation takes effect at its end; without notice that is the end."""
    if not s.term:
        return None
    notice_by = FixedTerm.stored(s.term).notice_by(s.term_ends_at, s.time_zone) if s.term_ends_at else None
    times = {"started_at": s.term_started_at, "ends_at": s.term_ends_at, "notice_by": notice_by}
    return {**s.term, **{name: _instant(at) for name, at in times.items()}}


def _items(
    ctx: Context, ids: Sequence[UUID], ordered: Mapping[UUID, Mapping[str, str]]
) -> defaultdict[UUID, list[ItemView]]:
    """The items of subscriptions, in the order of their price lists; two queries."""
    item, price = SubscriptionItem, Price
    version = subscription_parts.versions(ctx, ids)
    rows = ctx.session.execute(
        select(
            *(item.id, item.subscription_id, item.charge_code, price.name, price.kind, price.id.label("price_id")),
            *(item.cost_centre, version.c.plan_id, version.c.discount),
        )
        .select_from(item)
        .join(version, version.c.subscription_id == item.subscription_id)
        .join(
            price,
            and_(
                price.provider_id == item.provider_id,
                price.plan_version_id == version.c.plan_version_id,
                price.charge_code == item.charge_code,
            ),
        )
        .where(item.provider_id == ctx.provider.id)
        .order_by(version.c.role != OWN, version.c.role.desc(), version.c.rank, version.c.plan_id, price.position)
    ).all()
    timelines = _timelines(ctx, [row.id for row in rows])
    found: defaultdict[UUID, list[ItemView]] = defaultdict(list)
    for row in rows:
        quantity, price_id = Decimal(ordered[row.subscription_id].get(row.charge_code, "0")), row.price_id
        discount = Decimal(0) if row.kind == USAGE else row.discount
        past = [t for t in fold(timelines[row.id]) if t.start <= ctx.now]
        if past:
            quantity, price_id, discount = past[-1].quantity, past[-1].price_id, past[-1].discount
        ended = bool(past) and past[-1].end is not None and past[-1].end <= ctx.now
        found[row.subscription_id].append(
            ItemView(
                *(row.id, row.charge_code, row.name, row.kind, price_id, quantity, row.plan_id, discount),
                cost_centre=row.cost_centre,
                ended=ended,
            )
        )
    return found


def _timelines(ctx: Context, items: Sequence[UUID]) -> defaultdict[UUID, list[TermRow]]:
    term = SubscriptionItemTerm
    rows = ctx.session.execute(
        select(
            *(term.id, term.item_id, term.from_at, term.price_id, term.quantity, term.discount, term.ended),
            term.recorded_at,
        ).where(term.provider_id == ctx.provider.id, among(term.item_id, items))
    )
    found: defaultdict[UUID, list[TermRow]] = defaultdict(list)
    for row in rows:
        found[row.item_id].append(
            TermRow(utc(row.from_at), row.price_id, row.quantity, row.ended, row.recorded_at, row.id.int, row.discount)
        )
    return found


def _open_requests(ctx: Context, ids: Sequence[UUID]) -> dict[UUID, RequestView]:
    asked = ProvisioningRequest
    rows = ctx.session.scalars(
        select(asked).where(
            asked.provider_id == ctx.provider.id, among(asked.subscription_id, ids), asked.status == "open"
        )
    )
    return {row.subscription_id: RequestView(row.id, row.kind, row.asked_at, row.answer) for row in rows}


def facts(shown: SubscriptionView) -> dict[str, Any]:
    """What events tell of a subscription: the object as the API shows it."""
    start = {"on": "provisioned"} if shown.start_on == "provisioned" else {"at": _instant(shown.start_at)}
    return {
        "id": encode("subscription", shown.id),
        "external_id": shown.external_id,
        "metadata": dict(shown.meta),
        "created_at": rfc3339(shown.created_at),
        "account": encode("account", shown.account_id),
        "plan": encode("plan", shown.plan_id),
        "plan_version": encode("plan_version", shown.plan_version_id),
        "version": shown.version,
        "status": shown.status,
        "currency": shown.currency,
        "time_zone": shown.time_zone,
        "anchor": shown.anchor,
        "start": start,
        "started_at": _instant(shown.started_at),
        "ended_at": _instant(shown.ended_at),
        "trial": shown.trial,
        "term": shown.term,
        "minimum_term": shown.minimum_term,
        "reference": shown.reference,
        "purchase_order": shown.purchase_order,
        "cost_centre": shown.cost_centre,
        "quantities": {code: format_decimal(quantity) for code, quantity in shown.quantities.items()},
        "items": [
            {
                "id": encode("subscription_item", item.id),
                "charge_code": item.charge_code,
                "name": item.name,
                "kind": item.kind,
                "plan": encode("plan", item.plan_id),
                "quantity": format_decimal(item.quantity),
                "discount": format_decimal(item.discount),
                "cost_centre": item.cost_centre,
            }
            for item in shown.items
        ],
        "components": [_part(part) for part in shown.components],
        "add_ons": [_part(part) for part in shown.add_ons],
        "provisioning": _request(shown.request),
    }


def _part(part: PartView) -> dict[str, Any]:
    return {
        "plan": encode("plan", part.plan_id),
        "plan_version": encode("plan_version", part.plan_version_id),
        "version": part.version,
        "discount": format_decimal(part.discount),
        "from": _instant(part.from_at),
    }


def _request(request: RequestView | None) -> dict[str, Any] | None:
    if request is None:
        return None
    return {
        "request": encode("event", request.id),
        "kind": request.kind,
        "asked_at": rfc3339(request.asked_at),
        "answer": dict(request.answer) if request.answer is not None else None,
    }


def _instant(value: datetime | None) -> str | None:
    return rfc3339(value) if value is not None else None
