"""The first page: this month's usage, what it comes to so far, what is open, what runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from billing.periods import local_date
from core.errors import NotFound
from portal import usage, visits
from portal.present import SUBSCRIPTION_BADGES, Badge, Reader
from portal.views.invoices import row
from services import customer_pages, customer_usage
from services.context import Context
from services.customer_usage import Metered, RunningSum
from services.paging import Window
from services.plan_offers import SUCCESSOR
from services.portal_sessions import Visitor
from services.subscription_offers import Offer
from services.subscription_offers import Offered as OfferedTo
from services.subscription_offers import of_visible as offers_to

pages = Blueprint("overview", __name__)
INVOICES = 5
SUBSCRIPTIONS = 25
# Offers are worked out for so many subscriptions; of each the foremost are shown.
OFFERED, OFFERS = 3, 3


@dataclass(frozen=True)
class Running:
    """A metered charge and what its running span comes to."""

    charge: str
    name: str
    where: str
    span: str
    quantity: str
    amount: str
    chosen: bool


@dataclass(frozen=True)
class Contract:
    """A subscription in the list."""

    name: str
    account: str
    since: str
    badge: Badge


@dataclass(frozen=True)
class Offered:
    """A plan to take, and what it would cost more (or less) a month."""

    name: str
    beside: str
    difference: str
    saves: bool
    once: str
    on_usage: bool


@pages.get("/<id(provider):provider_id>/")
@visits.signed_in
def page(provider_id: UUID) -> ResponseReturnValue:
    """The overview; `charge`, `month` and `day` in the address choose what the chart shows."""
    with visits.as_visitor() as ctx:
        visitor = visits.current().visitor
        if visitor is None:
            raise NotFound("page")
        charges = customer_usage.metered(ctx)
        sums = customer_usage.running_sums(ctx, charges)
        chosen = _chosen(charges)
        recent = customer_pages.invoices(ctx, Window(INVOICES)).rows
        shown = {
            "so_far": _totals(sums, visitor),
            "owed": _owed(ctx, visitor),
            "next_bill": _next_bill(ctx, visitor),
            "running": [_running(each, visitor, chosen) for each in sums],
            "chart": _chart(ctx, chosen, visitor) if chosen else None,
            "invoices": [row(ctx, invoice) for invoice in recent],
            "contracts": _contracts(ctx, visitor),
            "offered": _offered(ctx, visitor),
            "method": customer_pages.payment_method(ctx, visitor.account_id),
        }
        return render_template("overview.html", **shown)


def _chosen(charges: Sequence[Metered]) -> Metered | None:
    """The charge that the address names, or the first there is."""
    named = request.args.get("charge")
    if named is None:
        return charges[0] if charges else None
    for charge in charges:
        if charge.item.item_id.hex == named:
            return charge
    raise NotFound("charge")


def _range(charge: Metered, today: date) -> usage.Range:
    zone = charge.item.time_zone
    try:
        if "day" in request.args:
            return usage.of_day(date.fromisoformat(request.args["day"]), zone)
        month = request.args.get("month")
        return usage.of_month(date.fromisoformat(f"{month}-01") if month else today, zone)
    except ValueError:
        raise NotFound("page") from None


def _chart(ctx: Context, charge: Metered, visitor: Visitor) -> dict[str, Any]:
    today = local_date(ctx.now, charge.item.time_zone)
    span = _range(charge, today)
    if not today.replace(year=today.year - 10) <= span.first <= today:
        raise NotFound("page")
    reader = Reader.of(visitor).in_zone(charge.item.time_zone)
    days = [] if span.hourly else [span.first.replace(day=n + 1) for n in range(len(span.edges) - 1)]
    links = [_link(charge, day=day.isoformat()) if day <= today else "" for day in days]
    whole, used = customer_usage.stretches(ctx, charge, span.edges)
    before, after = span.before(), span.after()
    return {
        "drawn": usage.chart(whole, used, span, charge.unit, reader, ctx.now, links),
        "title": reader.figures.date(span.first) if span.hourly else reader.month(span.first),
        "hourly": span.hourly,
        "before": _link_to(charge, before),
        "after": _link_to(charge, after) if after.first <= today else "",
        "month": _link_to(charge, usage.of_month(span.first, span.time_zone)),
        "day": _link(charge, day=min(span.last, today).isoformat()),
        "name": charge.name,
        "where": _where(charge, visitor),
    }


def _link_to(charge: Metered, span: usage.Range) -> str:
    if span.hourly:
        return _link(charge, day=span.first.isoformat())
    return _link(charge, month=f"{span.first:%Y-%m}")


def _link(charge: Metered, **choice: Any) -> str:
    provider_id = visits.current().provider_id
    return url_for("overview.page", provider_id=provider_id, charge=charge.item.item_id.hex, **choice)


def _where(charge: Metered, visitor: Visitor) -> str:
    """The plan, and whose it is where that is not the visitor itself."""
    whose = "" if charge.account_name == visitor.account_name else charge.account_name
    return " · ".join(filter(None, [whose, charge.plan_name, charge.reference]))


def _running(each: RunningSum, visitor: Visitor, chosen: Metered | None) -> Running:
    reader = Reader.of(visitor, each.metered.price.currency).in_zone(each.metered.item.time_zone)
    return Running(
        charge=each.metered.item.item_id.hex,
        name=each.metered.name,
        where=_where(each.metered, visitor),
        span=reader.span(each.span),
        quantity=reader.quantity(each.quantity, each.metered.unit),
        amount=reader.money(each.amount.minor) if each.amount else "–",
        chosen=chosen is not None and chosen.item.item_id == each.metered.item.item_id,
    )


def _totals(sums: Sequence[RunningSum], visitor: Visitor) -> list[str]:
    """What all running spans come to, one sum per currency."""
    totals: defaultdict[str, int] = defaultdict(int)
    for each in sums:
        if each.amount:
            totals[each.amount.currency] += each.amount.minor
    return [Reader.of(visitor, currency).money(minor) for currency, minor in sorted(totals.items())]


def _owed(ctx: Context, visitor: Visitor) -> list[dict[str, Any]]:
    shown = []
    for owed in customer_pages.owed(ctx):
        reader = Reader.of(visitor, owed.currency)
        overdue = reader.money(owed.overdue_amount) if owed.overdue_amount else ""
        shown.append({"amount": reader.money(owed.amount), "overdue": overdue, "invoices": owed.invoices})
    return shown


def _next_bill(ctx: Context, visitor: Visitor) -> str:
    day = customer_pages.next_bill(ctx, visitor.account_id)
    return Reader.of(visitor).figures.date(day) if day else ""


def _contracts(ctx: Context, visitor: Visitor) -> list[Contract]:
    reader = Reader.of(visitor)
    return [
        Contract(
            name=found.plan_name,
            account="" if found.account_id == visitor.account_id else found.account_name,
            since=reader.date(found.start_at) if found.start_at else "",
            badge=SUBSCRIPTION_BADGES[found.status],
        )
        for found in customer_pages.contracts(ctx, SUBSCRIPTIONS)
    ]


def _offered(ctx: Context, visitor: Visitor) -> list[Offered]:
    return [_offer(offer, each, visitor) for each in offers_to(ctx, OFFERED) for offer in each.offers[:OFFERS]]


def _offer(offer: Offer, on: OfferedTo, visitor: Visitor) -> Offered:
    reader = Reader.of(visitor, offer.currency)
    difference = offer.difference_amount or 0
    word = "instead of" if offer.kind == SUCCESSOR else "beside"
    return Offered(
        name=offer.name,
        beside=f"{word} {on.plan_name}",
        difference=("+" if difference > 0 else "") + reader.money(difference),
        saves=difference < 0,
        once=reader.money(offer.once_amount) if offer.once_amount else "",
        on_usage=offer.usage_span is not None,
    )
