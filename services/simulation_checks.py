"""Whether there is anything to try prices on: contracts that ran in the months, in a currency that the prices have,
and usage, where the prices ask for some.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select

from billing.items import USAGE
from billing.periods import add_months
from billing.simulated_contracts import Months
from core.errors import FieldError, Invalid
from core.ids import encode
from models.simulations import Simulation
from models.subscriptions import Subscription
from services import simulation_steps
from services.closing import closed_by
from services.context import Context
from services.simulation_prices import Trying
from stores.usage import backend


def check(ctx: Context, trying: Trying, target: str) -> int:
    """See that a simulation has something to work on.

    Args:
        target: the pointer of what is tried.

    Returns:
        How many subscriptions are chosen.

    Raises:
        Invalid: `nothing_chosen`, `months_without_data`, `months_not_over`, `currency_not_offered`.
    """
    row = trying.row
    found = _chosen(ctx, row)
    _check_ran(ctx, row, {each.id for each in found})
    for time_zone in {each.time_zone for each in found}:
        check_over(ctx, trying.months, time_zone)
    _check_currencies(trying, found, target)
    _check_usage(ctx, trying, found)
    return len(found)


def check_over(ctx: Context, months: Months, time_zone: str) -> None:
    """See that months are over in a zone, and the readings of their end had time to arrive: `months_not_over`."""
    if months.period(time_zone).end > closed_by(ctx, ctx.now):
        detail = "Prices are tried on what was used: take months that are over."
        raise Invalid("months_not_over", detail, "/months/to")


def _chosen(ctx: Context, row: Simulation) -> Sequence[Any]:
    return ctx.session.execute(
        select(Subscription.id, Subscription.currency, Subscription.time_zone).where(
            *simulation_steps.chosen(ctx, row), *simulation_steps.ran(row.first_month, row.last_month)
        )
    ).all()


def _check_ran(ctx: Context, row: Simulation, found: set[UUID]) -> None:
    """See that somebody had a contract in each of the months, and who was named by id in one of them."""
    named = row.chosen["subscriptions"] or ()
    detail = "This subscription did not run in these months."
    known = {encode("subscription", each) for each in found}
    errors = [
        FieldError(f"/subscriptions/{i}", "months_without_data", detail)
        for i, each in enumerate(named)
        if each not in known
    ]
    if errors and not any(row.chosen[name] for name in ("accounts", "plans", "plan_versions")):
        raise Invalid.collect(errors)
    wanted = simulation_steps.chosen(ctx, row)
    if not found and not ctx.session.scalar(select(exists().where(*wanted))):
        raise Invalid("nothing_chosen", "No subscription is what was asked for.", _narrowest(row))
    months = _months(row)
    ran = ctx.session.execute(
        select(*(exists().where(*wanted, *simulation_steps.ran(month, month)) for month in months))
    ).one()
    without = [month for month, there in zip(months, ran, strict=True) if not there]
    if without:
        told = ", ".join(f"{month:%Y-%m}" for month in without)
        where = "/months/from" if without[0] == row.first_month else "/months/to"
        raise Invalid("months_without_data", f"No chosen subscription ran in {told}.", where)


def _narrowest(row: Simulation) -> str:
    return next((f"/{name}" for name, asked in row.chosen.items() if asked), "")


def _months(row: Simulation) -> list[date]:
    found = [row.first_month]
    while found[-1] < row.last_month:
        found.append(add_months(found[-1], 1))
    return found


def _check_currencies(trying: Trying, found: Sequence[Any], target: str) -> None:
    """See that prices are given in a currency of somebody chosen, and of everybody who was named."""
    told = ", ".join(sorted(trying.tried)) or "no currency that all of them share"
    others = {encode("subscription", each.id): each.currency for each in found if each.currency not in trying.tried}
    errors = [
        FieldError(f"/subscriptions/{i}", "currency_not_offered", f"It is in {others[each]}; the prices are in {told}.")
        for i, each in enumerate(trying.row.chosen["subscriptions"] or ())
        if each in others
    ]
    if errors:
        raise Invalid.collect(errors)
    if len(others) == len(found):
        paid = ", ".join(sorted(set(others.values())))
        raise Invalid("currency_not_offered", f"The contracts are in {paid}; the prices are in {told}.", target)


def _check_usage(ctx: Context, trying: Trying, found: Sequence[Any]) -> None:
    """See that there is any usage, where the prices ask for some that is not assumed."""
    meters = {
        price.meter.meter_id: price.meter.counted
        for tried in trying.tried.values()
        for code, price in tried.prices.items()
        if price.kind == USAGE and price.meter is not None and code not in tried.quantities
    }
    if not meters:
        return
    levels = {meter for meter, counted in meters.items() if counted.carried}
    ids = [each.id for each in found if each.currency in trying.tried]
    span = trying.months.period(ctx.provider.time_zone)
    if not backend().any_usage(ctx.session, ctx.provider.id, ids, span, meters, levels):
        detail = "None of the chosen subscriptions used anything in these months that these prices are for."
        raise Invalid("months_without_data", detail, "/months")
