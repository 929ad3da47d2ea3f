"""When a subscription is billed at all, and from where its spans are counted: loaded in sets."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, select

from billing import breaks
from billing.anchors import AnchorRow, fold_anchors
from billing.breaks import Break, BreakRow, fold_breaks
from billing.items import Item
from billing.untouched import Written
from core.period import utc
from models.accounts import Account
from models.subscriptions import Subscription, SubscriptionAnchor, SubscriptionBreak
from services.context import Context
from stores.statements import EVER


@dataclass(frozen=True)
class Calendar:
    """The breaks of a subscription, and the instants from which its spans are counted anew.

    `written` tells when that was written. What is counted anew is so for spans before it too.
    """

    breaks: tuple[Break, ...] = ()
    anchors: tuple[datetime, ...] = ()
    written: tuple[Written, ...] = ()

    def follow(self, item: Item, *, as_agreed: bool) -> Item:
        """An item by this calendar; `as_agreed` leaves the breaks in its terms."""
        if not self.breaks and not self.anchors:
            return item
        terms = item.terms if as_agreed else breaks.billed(item.terms, self.breaks)
        return replace(item, terms=terms, anchors=self.anchors)


def load(ctx: Context, wanted: ColumnElement[bool]) -> defaultdict[UUID, Calendar]:
    """The calendars of the subscriptions that a condition on subscriptions and accounts names, in two queries."""
    off = ctx.session.execute(_rows(ctx, SubscriptionBreak, SubscriptionBreak.reason).where(wanted)).all()
    anew = ctx.session.execute(_rows(ctx, SubscriptionAnchor, SubscriptionAnchor.agreed_at).where(wanted)).all()
    break_rows: defaultdict[UUID, list[BreakRow]] = defaultdict(list)
    for row in off:
        known = BreakRow(utc(row.from_at), row.reason, row.recorded_at, row.id.hex)
        break_rows[row.subscription_id].append(known)
    anchor_rows: defaultdict[UUID, list[AnchorRow]] = defaultdict(list)
    for row in anew:
        known_anchor = AnchorRow(utc(row.from_at), utc(row.agreed_at), row.recorded_at, row.id.hex)
        anchor_rows[row.subscription_id].append(known_anchor)
    found: defaultdict[UUID, Calendar] = defaultdict(Calendar)
    for key in break_rows.keys() | anchor_rows.keys():
        its, anew_from = break_rows[key], anchor_rows[key]
        written = [Written(row.from_at, row.recorded_at) for row in its]
        written += [Written(EVER, row.recorded_at) for row in anew_from]
        found[key] = Calendar(fold_breaks(its), fold_anchors(anew_from), tuple(written))
    return found


def _rows(ctx: Context, table: Any, column: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(table.id, table.subscription_id, table.from_at, column, table.recorded_at)
        .select_from(table)
        .join(
            Subscription,
            and_(Subscription.provider_id == table.provider_id, Subscription.id == table.subscription_id),
        )
        .join(Account, and_(Account.provider_id == Subscription.provider_id, Account.id == Subscription.account_id))
        .where(table.provider_id == ctx.provider.id)
    )
