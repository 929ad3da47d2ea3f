"""Coupons on subscriptions: had with an order or later, listed with what is left of them, withdrawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, update

from billing.coupons import Coupon, Taken
from billing.items import Item
from billing.states.subscription import PENDING
from core.decimals import format_decimal
from core.errors import Conflict, FieldError, Invalid, NotFound
from core.ids import encode
from core.period import rfc3339, utc
from models.accounts import Account
from models.coupons import Coupon as CouponRow
from models.coupons import CouponCode, CouponRedemption
from models.subscriptions import Subscription
from services import contract_items, contract_prices, coupons_redeemed, coupons_wanted, outbox, subscription_parts
from services.context import Context
from services.contract_items import Contracts
from services.coupons import duration
from services.coupons_wanted import POINTER, Buyer, Wanted, once
from services.lookups import by_id
from services.paging import Slice, Window, newest_first
from services.sets import add_rows, among
from services.subscription_steps import lock_payer

AHEAD_MOST = timedelta(days=3650)
ENDED = ("cancelled", "expired")
ACTIVE, USED_UP, WITHDRAWN = "active", "used_up", "withdrawn"
STATUSES = (ACTIVE, USED_UP, WITHDRAWN)


@dataclass(frozen=True)
class RedemptionView:
    """A coupon on a subscription, as it is shown.

    Args:
        amount: in minor units of `currency`, for each span; None where it is per cent.
        starts_at: spans that begin then or later are reduced; None while it is open whether billing begins.
        runs_out_at: the end of its last span, of the price whose span ends last; None where there is none.
        spans_left: how many spans are not billed with it yet; None for ever.
        taken_amount: what it has taken off so far, in minor units.
    """

    id: UUID
    subscription_id: UUID
    coupon_id: UUID
    name: str
    code: str | None
    percent: Decimal | None
    amount: int | None
    currency: str
    duration: str | Mapping[str, int]
    status: str
    starts_at: datetime | None
    runs_out_at: datetime | None
    spans_left: int | None
    taken_amount: int
    created_at: datetime
    withdrawn_at: datetime | None


@dataclass(frozen=True)
class Applying:
    """A coupon that may be applied to a subscription, and from when on; None from where billing begins."""

    wanted: Wanted
    starts_at: datetime | None


def redeem(
    ctx: Context, subscription: Subscription, wanted: Iterable[Wanted], starts_at: datetime | None = None
) -> list[UUID]:
    """Give a subscription coupons, each counted against its limit: under concurrency too, the rows are locked.

    A promotion without a code whose limit is reached by now is left out.

    Raises:
        Invalid: `coupon_limit_reached`, `coupon_already_redeemed`.
    """
    given = [each for each in sorted(wanted, key=lambda w: w.coupon_id) if _counted(ctx, each, subscription)]
    rows: list[dict[str, Any]] = [
        {
            "provider_id": ctx.provider.id,
            "id": each.terms.redemption_id,
            "coupon_id": each.coupon_id,
            "code_id": each.code_id,
            "subscription_id": subscription.id,
            "account_id": subscription.account_id,
            "once_per": each.once_per,
            "starts_at": starts_at,
            "created_at": ctx.now,
        }
        for each in given
    ]
    add_rows(ctx, CouponRedemption, rows)
    if rows:
        for shown in _views(ctx, subscription, [row["id"] for row in rows]).values():
            _tell(ctx, subscription, shown, "subscription.coupon_added")
    return [row["id"] for row in rows]


def _counted(ctx: Context, wanted: Wanted, subscription: Subscription) -> bool:
    counted = _count(ctx, CouponRow, wanted.coupon_id)
    if wanted.code_id is not None:
        counted = counted and _count(ctx, CouponCode, wanted.code_id)
        if not counted:
            raise Invalid("coupon_limit_reached", "This coupon was redeemed as often as it may be.", POINTER)
    if not counted:
        return False
    # The coupon's row is locked by now: nobody else redeems it at the same time.
    obstacle = once(ctx, wanted.coupon_id, wanted.once_per, subscription.account_id, subscription.id)
    if obstacle is not None:
        raise Invalid(*obstacle, POINTER)
    return True


def _count(ctx: Context, table: type[CouponRow] | type[CouponCode], row_id: UUID) -> bool:
    """Count one redemption, where the limit allows one more."""
    free = or_(table.redemptions_most.is_(None), table.redeemed < table.redemptions_most)
    counted = (
        update(table)
        .where(table.provider_id == ctx.provider.id, table.id == row_id, free)
        .values(redeemed=table.redeemed + 1)
        .returning(table.id)
    )
    return ctx.session.scalar(counted, execution_options={"synchronize_session": False}) is not None


def check(ctx: Context, subscription: Subscription, code: str, starts_at: datetime | None) -> Applying:
    """See that a code may be applied to a subscription.

    Args:
        starts_at: None takes now; or where billing begins, as long as nothing is billed.

    Raises:
        Conflict: `subscription_ended`.
        Invalid: `start_out_of_range`, `coupon_start_billed`, and those of `coupons_wanted.of_code`.
    """
    if subscription.status in ENDED:
        raise Conflict("subscription_ended", f"This subscription is {subscription.status}.")
    contracts = contract_items.load_subscription(ctx, subscription.id)
    billed = any(item.claims for item in contracts.items)
    if starts_at is None and billed:
        starts_at = ctx.now
    if starts_at is not None and starts_at > ctx.now + AHEAD_MOST:
        raise Invalid("start_out_of_range", "A coupon starts within ten years.", "/from")
    errors: list[FieldError] = []
    wanted = coupons_wanted.of_code(ctx, code, _buyer(ctx, subscription, contracts), errors)
    if wanted is None:
        raise Invalid.collect(errors)
    _check_unbilled(wanted.terms, contracts, starts_at)
    return Applying(wanted, starts_at)


def _buyer(ctx: Context, subscription: Subscription, contracts: Contracts) -> Buyer:
    account = by_id(ctx, Account, "account", subscription.account_id)
    versions = {part.version_id for part in subscription_parts.standing(ctx, subscription)}
    found = contract_prices.version_prices(ctx, versions, subscription.currency)
    prices = [price for prices in found.values() for price in prices.values()]
    rows = ctx.session.execute(
        coupons_redeemed.redemptions(ctx).where(
            CouponRedemption.subscription_id == subscription.id, CouponRedemption.counts
        )
    )
    others = [
        row.exclusive
        for row in rows
        if _status(ctx, coupons_redeemed.coupon(row, subscription.currency), contracts.items) == ACTIVE
    ]
    return Buyer(account, subscription.currency, prices, subscription.id, others)


def _check_unbilled(terms: Coupon, contracts: Contracts, starts_at: datetime | None) -> None:
    """Refuse a start before spans that are billed: the coupon would be used up by spans that it cannot reduce."""
    if starts_at is None:
        return
    late = replace(terms, starts_at=starts_at)
    for item in contracts.items:
        for claim in item.claims:
            if late.span_number(item, claim.price, claim.span.start) is not None:
                detail = f"The span of {item.charge_code} from {rfc3339(claim.span.start)} on is billed already."
                raise Invalid("coupon_start_billed", detail, "/from")


def apply(ctx: Context, subscription_id: UUID, code: str, starts_at: datetime | None) -> RedemptionView:
    """Apply a code to a subscription: spans that begin from now on, or from `starts_at` on, are reduced.

    Raises:
        NotFound. As `check` and `redeem`.
    """
    subscription = by_id(ctx, Subscription, "subscription", subscription_id, account=Subscription.account_id, lock=True)
    lock_payer(ctx, subscription)
    applying = check(ctx, subscription, code, starts_at)
    (redemption_id,) = redeem(ctx, subscription, [applying.wanted], applying.starts_at)
    return _views(ctx, subscription, [redemption_id])[redemption_id]


def withdraw(ctx: Context, subscription_id: UUID, redemption_id: UUID) -> None:
    """Take a coupon off a subscription: spans that begin from now on are not reduced any more.

    One that has taken off nothing counts for no limit any more, and may be had again.

    Raises:
        NotFound. Conflict: `coupon_withdrawn`.
    """
    subscription = by_id(ctx, Subscription, "subscription", subscription_id, account=Subscription.account_id, lock=True)
    lock_payer(ctx, subscription)
    row = by_id(ctx, CouponRedemption, "coupon_redemption", redemption_id, lock=True)
    if row.subscription_id != subscription.id:
        raise NotFound("coupon_redemption", redemption_id)
    if row.withdrawn_at is not None:
        raise Conflict("coupon_withdrawn", "This coupon was withdrawn.")
    row.withdrawn_at = ctx.now
    if _views(ctx, subscription, [row.id])[row.id].taken_amount == 0:
        row.counts = False
        _uncount(ctx, row)
    ctx.session.flush()
    _tell(ctx, subscription, _views(ctx, subscription, [row.id])[row.id], "subscription.coupon_withdrawn")


def _uncount(ctx: Context, row: CouponRedemption) -> None:
    counted: tuple[tuple[Any, UUID | None], ...] = ((CouponRow, row.coupon_id), (CouponCode, row.code_id))
    for table, row_id in counted:
        ctx.session.execute(
            update(table)
            .where(table.provider_id == ctx.provider.id, table.id == row_id)
            .values(redeemed=table.redeemed - 1),
            execution_options={"synchronize_session": False},
        )


def list_redemptions(ctx: Context, subscription_id: UUID, window: Window) -> Slice[RedemptionView]:
    """The coupons of a subscription, newest first, those that were withdrawn or are used up among them.

    Raises:
        NotFound.
    """
    subscription = by_id(ctx, Subscription, "subscription", subscription_id, account=Subscription.account_id)
    statement = select(CouponRedemption).where(
        CouponRedemption.provider_id == ctx.provider.id, CouponRedemption.subscription_id == subscription_id
    )
    found = newest_first(ctx, statement, CouponRedemption.id, window)
    shown = _views(ctx, subscription, [row.id for row in found.rows])
    return found.map(lambda row: shown[row.id])


def get(ctx: Context, subscription_id: UUID, redemption_id: UUID) -> RedemptionView:
    """One coupon of a subscription.

    Raises:
        NotFound.
    """
    subscription = by_id(ctx, Subscription, "subscription", subscription_id, account=Subscription.account_id)
    shown = _views(ctx, subscription, [redemption_id]).get(redemption_id)
    if shown is None:
        raise NotFound("coupon_redemption", redemption_id)
    return shown


def _views(ctx: Context, subscription: Subscription, ids: Sequence[UUID]) -> dict[UUID, RedemptionView]:
    rows = ctx.session.execute(
        coupons_redeemed.redemptions(ctx).where(
            among(CouponRedemption.id, ids), CouponRedemption.subscription_id == subscription.id
        )
    ).all()
    used = [row.code_id for row in rows if row.code_id is not None]
    codes = dict(
        ctx.session.execute(
            select(CouponCode.id, CouponCode.code).where(
                CouponCode.provider_id == ctx.provider.id, among(CouponCode.id, used)
            )
        ).all()
        if used
        else ()
    )
    contracts = contract_items.load_subscription(ctx, subscription.id)
    redeemed = contracts.redeemed.get(subscription.id)
    taken = [each for its in redeemed.taken.values() for each in its] if redeemed is not None else []
    return {row.redemption_id: _view(ctx, subscription, row, codes.get(row.code_id), contracts, taken) for row in rows}


def _view(
    ctx: Context, subscription: Subscription, row: Any, code: str | None, contracts: Contracts, taken: Sequence[Taken]
) -> RedemptionView:
    terms = coupons_redeemed.coupon(row, subscription.currency)
    own = [each for each in taken if each.redemption_id == row.redemption_id]
    begins = subscription.anchored_at or subscription.start_at
    starts = terms.starts_at or (utc(begins) if begins is not None and subscription.status != PENDING else None)
    billed = max((each.span for each in own), default=0)
    return RedemptionView(
        id=row.redemption_id,
        subscription_id=subscription.id,
        coupon_id=row.coupon_id,
        name=row.name,
        code=code,
        percent=terms.percent,
        amount=terms.amount,
        currency=subscription.currency,
        duration=duration(row.spans),
        status=_status(ctx, terms, contracts.items),
        starts_at=starts,
        runs_out_at=_runs_out(terms, contracts.items),
        spans_left=None if terms.spans is None else max(0, terms.spans - billed),
        taken_amount=sum(each.amount for each in own),
        created_at=row.created_at,
        withdrawn_at=terms.ends_at,
    )


def _status(ctx: Context, terms: Coupon, items: Sequence[Item]) -> str:
    if terms.ends_at is not None:
        return WITHDRAWN
    ends = _runs_out(terms, items)
    return USED_UP if ends is not None and ends <= ctx.now else ACTIVE


def _runs_out(terms: Coupon, items: Sequence[Item]) -> datetime | None:
    """The end of the last span that a coupon reduces, of all that it concerns; None where there is none."""
    if terms.spans is None:
        return terms.ends_at
    prices = [(item, term.price) for item in items for term in item.terms if terms.concerns(term.price)]
    ends = [terms.runs_out_at(item, price) for item, price in prices]
    return max((end for end in ends if end is not None), default=None)


def facts(shown: RedemptionView) -> dict[str, Any]:
    """What events tell of a coupon on a subscription."""
    return {
        "id": encode("coupon_redemption", shown.id),
        "subscription": encode("subscription", shown.subscription_id),
        "coupon": encode("coupon", shown.coupon_id),
        "name": shown.name,
        "code": shown.code,
        "percent": format_decimal(shown.percent) if shown.percent is not None else None,
        "amount": shown.amount,
        "currency": shown.currency,
        "duration": shown.duration,
        "status": shown.status,
        "starts_at": rfc3339(shown.starts_at) if shown.starts_at is not None else None,
        "withdrawn_at": rfc3339(shown.withdrawn_at) if shown.withdrawn_at is not None else None,
    }


def _tell(ctx: Context, subscription: Subscription, shown: RedemptionView, event_type: str) -> None:
    data = facts(shown)
    outbox.emit(ctx, event_type, "subscription", subscription.id, data, account_id=subscription.account_id)
