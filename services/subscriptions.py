"""Subscriptions: an account's contract on a plan version, from the order to its end.

What an order or a change asks of provisioning systems is added a floor above, in `services.provisioning`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from billing.beginnings import Agreed
from billing.contract_terms import FixedTerm, MinimumTerm, Trial
from billing.offers import Part, wrong_quantities
from billing.parts_change import PartsChange
from billing.states.subscription import SUBSCRIPTION
from core.decimals import format_decimal
from core.errors import FieldError, Invalid
from core.ids import new_id
from models.accounts import Account
from models.catalog import Plan, PlanVersion
from models.payments import PaymentMethod
from models.subscriptions import Subscription, SubscriptionItem
from services import cost_centres, coupons_applied, coupons_wanted, parts_wanted, subscription_parts
from services.context import Context, visible
from services.coupons_wanted import Wanted
from services.lookups import by_id, by_reference
from services.paging import Slice, Window, newest_first
from services.parts_wanted import AddOn, Standing
from services.subscription_steps import payer_zone, start, tell
from services.subscription_views import SubscriptionView, view, views

YEAR = timedelta(days=365)
START_LEAST, START_MOST = 5 * YEAR, 10 * YEAR
AT, PROVISIONED = "at", "provisioned"


@dataclass(frozen=True)
class Order:
    """An order as it comes in; `account` and `plan` are references.

    Args:
        start_at: when it starts; None starts it when the service is provisioned.
        currency: None takes the account's.
        quantities: by charge code, of the plan and what it contains; what is not named is 1.
        cost_centres: by charge code, of charges whose cost centre is not the subscription's.
        trial: `plan` takes the one that the plan version offers, None takes none.
    """

    account: str
    plan: str
    start_at: datetime | None
    anchor: str = "calendar"
    currency: str | None = None
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    add_ons: Sequence[AddOn] = ()
    coupon: str | None = None
    trial: Trial | Literal["plan"] | None = "plan"
    term: FixedTerm | None = None
    minimum_term: MinimumTerm | None = None
    reference: str | None = None
    purchase_order: str | None = None
    cost_centre: str | None = None
    cost_centres: Mapping[str, str | None] = field(default_factory=dict)
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckedOrder:
    """An order whose references exist and whose members fit together. Of `parts` the first is the plan's own."""

    order: Order
    account: Account
    parts: Sequence[Part]
    currency: str
    time_zone: str
    beside: Agreed
    coupons: Sequence[Wanted] = ()

    @property
    def quantities(self) -> Mapping[str, Decimal]:
        """What is ordered of every charge."""
        return {code: quantity for part in self.parts for code, quantity in part.agreed.items()}


def check(ctx: Context, order: Order) -> CheckedOrder:
    """Find what an order names, and see that it can be billed.

    Raises:
        UnknownReference: `account_unknown`, `plan_unknown`.
        Invalid: `plan_not_offered`, `plan_is_add_on`, `currency_not_offered`, `charge_code_collision`,
            `charge_code_unknown`, `quantity_negative`, `quantity_not_allowed`, `start_out_of_range`,
            `trial_ends_before_start`, `payment_method_required`, those of `parts_wanted.added`, and of a coupon
            those of `coupons_wanted.of_code`.
    """
    account = by_reference(ctx, Account, "account", order.account, pointer="/account", account=Account.id)
    plan = by_reference(ctx, Plan, "plan", order.plan, pointer="/plan")
    offered = parts_wanted.offered(ctx, plan)
    currency = order.currency or account.currency
    errors = wrong_quantities([c for part in offered for c in part.charges], order.quantities, "/quantities")
    if order.start_at is not None and not ctx.now - START_LEAST <= order.start_at <= ctx.now + START_MOST:
        detail = "A start lies within five years back and ten years on."
        errors.append(FieldError("/start/at", "start_out_of_range", detail))
    standing = Standing({part.plan_id for part in offered})
    added = parts_wanted.added(ctx, order.add_ons, standing, "/add_ons", errors)
    given = (replace(part, quantities={**part.quantities, **order.quantities}) for part in offered)
    parts = (*given, *added)
    parts_wanted.check_together(parts, currency, errors)
    beside = _beside(ctx, order, account, offered[0].version_id, errors)
    if errors:
        raise Invalid.collect(errors)
    versions = [part.version_id for part in parts]
    coupons = coupons_wanted.of_order(ctx, order.coupon, account, versions, currency, errors)
    if errors:
        raise Invalid.collect(errors)
    return CheckedOrder(order, account, parts, currency, payer_zone(ctx, account), beside, coupons)


def _beside(ctx: Context, order: Order, account: Account, version_id: UUID, errors: list[FieldError]) -> Agreed:
    """What is agreed beside prices, the plan's trial where the order names none."""
    trial = order.trial
    if trial == "plan":
        offered = by_id(ctx, PlanVersion, "plan_version", version_id).trial
        trial = Trial.stored(offered) if offered else None
    if trial is not None and trial.until is not None and trial.until <= (order.start_at or ctx.now):
        errors.append(FieldError("/trial/until", "trial_ends_before_start", "A trial ends after the start."))
    if trial is not None and trial.requires_payment_method and not has_payment_method(ctx, account):
        detail = "This trial needs a payment method of the payer: attach one first."
        errors.append(FieldError("/account", "payment_method_required", detail))
    return Agreed(trial, order.term, order.minimum_term)


def has_payment_method(ctx: Context, account: Account) -> bool:
    """Whether the payer of an account has a payment method that may be charged."""
    found = select(PaymentMethod.id).where(
        PaymentMethod.provider_id == ctx.provider.id,
        PaymentMethod.account_id == account.payer_id,
        PaymentMethod.status == "active",
    )
    return ctx.session.scalar(found.limit(1)) is not None


def create(ctx: Context, order: Order) -> Subscription:
    """Store an order. It is pending until it starts; one that starts by now is started at once.

    Raises:
        As `check` and `coupons_applied.redeem`. Conflict: `external_id_taken`, from the database.
    """
    checked = check(ctx, order)
    beside = checked.beside
    subscription = Subscription(
        provider_id=ctx.provider.id,
        id=new_id(),
        account_id=checked.account.id,
        plan_id=checked.parts[0].plan_id,
        plan_version_id=checked.parts[0].version_id,
        quantities={code: format_decimal(quantity) for code, quantity in checked.quantities.items()},
        status=SUBSCRIPTION.initial,
        currency=checked.currency,
        time_zone=checked.time_zone,
        anchor=order.anchor,
        start_on=PROVISIONED if order.start_at is None else AT,
        start_at=order.start_at,
        trial=beside.trial.as_json() if beside.trial else None,
        term=beside.term.as_json() if beside.term else None,
        minimum_term=beside.minimum.as_json() if beside.minimum else None,
        reference=order.reference,
        purchase_order=order.purchase_order,
        cost_centre=order.cost_centre,
        external_id=order.external_id,
        meta=dict(order.meta),
        created_at=ctx.now,
    )
    ctx.session.add(subscription)
    ctx.session.flush()
    subscription_parts.add(ctx, subscription.id, checked.parts, None)
    _add_items(ctx, subscription, subscription_parts.codes(checked.parts))
    cost_centres.assign(ctx, subscription.id, order.cost_centres)
    tell(ctx, subscription, "subscription.created")
    coupons_applied.redeem(ctx, subscription, checked.coupons)
    if order.start_at is not None and order.start_at <= ctx.now:
        start(ctx, subscription, order.start_at)
    return subscription


def _add_items(ctx: Context, subscription: Subscription, charge_codes: Iterable[str]) -> None:
    """Give a subscription an item for each of these charges that it has none for."""
    rows = [
        {
            "provider_id": ctx.provider.id,
            "id": new_id(),
            "subscription_id": subscription.id,
            "charge_code": code,
        }
        for code in charge_codes
    ]
    ctx.session.execute(upsert(SubscriptionItem).on_conflict_do_nothing(), rows)


def change_order(
    ctx: Context, subscription: Subscription, change: PartsChange, quantities: Mapping[str, Decimal]
) -> None:
    """Change what is ordered and has not started.

    Args:
        change: of plans and add-ons; what none of them has after it is ordered no more.
        quantities: by charge code; a charge that is not named keeps its quantity, a new one has what was offered.
    """
    before = {item.charge_code: item for item in view(ctx, subscription).items}
    ordered: dict[str, Decimal] = {}
    for part in change.after(subscription_parts.standing(ctx, subscription)):
        for charge in part.charges:
            old = before.get(charge.charge_code)
            kept = old is not None and old.kind == charge.kind and part not in change.adds
            ordered[charge.charge_code] = old.quantity if old and kept else part.agreed[charge.charge_code]
    _add_items(ctx, subscription, ordered)
    subscription.quantities = {code: format_decimal(quantity) for code, quantity in {**ordered, **quantities}.items()}
    ctx.session.flush()


def find(ctx: Context, subscription_id: UUID, *, lock: bool = False) -> Subscription:
    """The row of a subscription that the caller may see."""
    return by_id(ctx, Subscription, "subscription", subscription_id, account=Subscription.account_id, lock=lock)


def get(ctx: Context, subscription_id: UUID) -> SubscriptionView:
    """One subscription."""
    return view(ctx, find(ctx, subscription_id))


def list_subscriptions(
    ctx: Context,
    window: Window,
    *,
    external_id: str | None = None,
    account: str | None = None,
    status: str | None = None,
) -> Slice[SubscriptionView]:
    """Subscriptions that the caller may see, newest first."""
    statement = select(Subscription).where(
        Subscription.provider_id == ctx.provider.id, visible(ctx, Subscription.account_id)
    )
    if account is not None:
        holder = by_reference(ctx, Account, "account", account, pointer="?account", account=Account.id)
        statement = statement.where(Subscription.account_id == holder.id)
    for column, value in ((Subscription.external_id, external_id), (Subscription.status, status)):
        if value is not None:
            statement = statement.where(column == value)
    found = newest_first(ctx, statement, Subscription.id, window)
    shown = {each.id: each for each in views(ctx, found.rows)}
    return found.map(lambda row: shown[row.id])


def change_notes(ctx: Context, subscription_id: UUID, values: Mapping[str, Any]) -> SubscriptionView:
    """Change what is not agreed upon: reference, purchase order, cost centres, external id, metadata.

    Raises:
        NotFound. Invalid: `charge_code_unknown`, for cost centres.
    """
    subscription = find(ctx, subscription_id, lock=True)
    cost_centres.assign(ctx, subscription.id, values.get("cost_centres", {}))
    for name, value in values.items():
        if name != "cost_centres":
            setattr(subscription, name, value)
    ctx.session.flush()
    tell(ctx, subscription, "subscription.updated")
    return view(ctx, subscription)
