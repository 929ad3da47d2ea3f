"""What-if: a price list is tried on the real usage of past months. Nothing is stored but the simulation itself.

What each customer would pay is worked out when it is read (`services.simulation_results`); beside that, the sums are
made once: at once where it is little, else by the workers, portion by portion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from billing.items import USAGE
from billing.plan_prices import PlanPrice, price_as_stored
from billing.simulated_contracts import Months
from billing.simulated_totals import Total, summing_of
from core.decimals import format_decimal
from core.errors import FieldError, Invalid, UnknownReference
from core.ids import decode, encode, looks_like, new_id
from models.accounts import Account
from models.catalog import Plan, PlanVersion
from models.simulations import Simulation
from models.subscriptions import Subscription
from services import plans, price_fits, simulation_checks, simulation_prices, simulation_steps
from services.context import Context
from services.lookups import by_id, by_reference
from services.paging import Slice, Window, newest_first
from services.sets import among
from services.simulation_prices import Trying

JOB = "simulations"
MONTHS_MOST = 36
# So many months of subscriptions are worked out while the caller waits; more are left to the workers.
AT_ONCE_MOST = 600
TARGETS = ("plan_version", "plan", "prices")


@dataclass(frozen=True)
class Asked:
    """A simulation as it is asked for. One of `plan_version`, `plan` and `prices` says what is tried.

    Args:
        plan: tries its newest version, or the one of number `version`.
        months: first days of the first and of the last.
        subscriptions, accounts, plans, plan_versions: references; who matches all that are given is chosen, who
            pays for it or has it under a bundle included. None is no bound.
        quantities: of charges that a contract does not have, by charge code.
        charges_from: the charge of a contract whose quantity and usage a new one takes, by charge code.
    """

    months: tuple[date, date]
    plan_version: str | None = None
    plan: str | None = None
    version: int | None = None
    prices: Sequence[PlanPrice] | None = None
    subscriptions: Sequence[str] | None = None
    accounts: Sequence[str] | None = None
    plans: Sequence[str] | None = None
    plan_versions: Sequence[str] | None = None
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    charges_from: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SimulationView:
    """A simulation with how far its sums have come. `plan_id` and `version` are None of a list that no plan has."""

    row: Simulation
    plan_id: UUID | None
    version: int | None
    totals: Sequence[Total]


def create(ctx: Context, asked: Asked) -> SimulationView:
    """Try prices on the usage of past months.

    Raises:
        Invalid: `target_expected`, `plan_version_unknown`, `plan_unknown`, `version_unknown`, `version_not_allowed`,
            `subscription_unknown`, `account_unknown`, `months_reversed`, `too_many_months`, `months_not_over`,
            `nothing_chosen`, `months_without_data`, `currency_not_offered`, `charge_code_unknown`,
            `usage_needs_time`; of `prices`, what a plan version is refused for.
        Conflict: `external_id_taken`.
    """
    _check_months(ctx, asked.months)
    row = Simulation(
        provider_id=ctx.provider.id,
        id=new_id(),
        **_target(ctx, asked),
        chosen=_chosen(ctx, asked),
        assumed={
            "quantities": {code: format_decimal(quantity) for code, quantity in asked.quantities.items()},
            "charges_from": dict(asked.charges_from),
        },
        first_month=asked.months[0],
        last_month=asked.months[1],
        status="running",
        subscriptions_total=0,
        subscriptions_done=0,
        found={},
        external_id=asked.external_id,
        meta=dict(asked.meta),
        created_at=ctx.now,
    )
    trying = simulation_prices.load(ctx, row)
    _check_assumed(trying, asked)
    row.subscriptions_total = simulation_checks.check(ctx, trying, _pointer_of(asked))
    ctx.session.add(row)
    ctx.session.flush()
    if row.subscriptions_total * _count(trying.months) <= AT_ONCE_MOST:
        while work(ctx, row.id):
            pass
    else:
        ctx.wake(JOB, row.id)
    return view(ctx, row)


def _pointer_of(asked: Asked) -> str:
    """Where the body says what is tried."""
    return next(f"/{name}" for name in TARGETS if getattr(asked, name) is not None)


def _check_months(ctx: Context, months: tuple[date, date]) -> None:
    first, last = months
    if last < first:
        raise Invalid("months_reversed", "The last month is not before the first.", "/months/to")
    if _count(Months(first, last)) > MONTHS_MOST:
        raise Invalid("too_many_months", f"Try at most {MONTHS_MOST} months.", "/months/to")
    simulation_checks.check_over(ctx, Months(first, last), ctx.provider.time_zone)


def _count(months: Months) -> int:
    return (months.last.year - months.first.year) * 12 + months.last.month - months.first.month + 1


def _target(ctx: Context, asked: Asked) -> dict[str, Any]:
    """The columns that say what is tried."""
    given = [name for name in TARGETS if getattr(asked, name) is not None]
    if len(given) != 1:
        detail = "Name a `plan_version`, or a `plan`, or give `prices`: one of them."
        raise Invalid("target_expected", detail, f"/{given[1]}" if given else "")
    if asked.version is not None and asked.plan is None:
        raise Invalid("version_not_allowed", "A version is one of a `plan`.", "/version")
    if asked.prices is not None:
        return {"plan_version_id": None, "prices": _priced(ctx, asked.prices)}
    return {"plan_version_id": _version(ctx, asked), "prices": None}


def _version(ctx: Context, asked: Asked) -> UUID:
    version = select(PlanVersion.id).where(PlanVersion.provider_id == ctx.provider.id)
    if asked.plan_version is not None:
        wanted, pointer = decoded("plan_version", asked.plan_version), "/plan_version"
        found = ctx.session.scalar(version.where(PlanVersion.id == wanted)) if wanted is not None else None
        if found is None:
            raise UnknownReference("plan_version", asked.plan_version[:80], pointer)
        return found
    assert asked.plan is not None  # or there is no target
    plan = by_reference(ctx, Plan, "plan", asked.plan, pointer="/plan")
    newest = version.where(PlanVersion.plan_id == plan.id).order_by(PlanVersion.number.desc()).limit(1)
    found = ctx.session.scalar(newest if asked.version is None else newest.where(PlanVersion.number == asked.version))
    if found is None:
        raise Invalid("version_unknown", f"This plan has no version {asked.version}.", "/version")
    return found


def _priced(ctx: Context, prices: Sequence[PlanPrice]) -> list[dict[str, Any]]:
    """A list that no plan has, as it is stored: what it names exists, and is named by id."""
    products, meters = plans.resolved(ctx, prices, "/prices")
    price_fits.check(ctx, prices, meters, "/prices")
    return [
        {
            "charge_code": price.charge_code,
            "name": price.name,
            "product": encode("product", products[price.product]),
            "kind": price.kind,
            **({"interval": price.interval.as_json()} if price.interval is not None else {}),
            "timing": price.timing,
            "proration": price.proration,
            **({"meter": encode("meter", meters[price.meter])} if price.meter is not None else {}),
            "tax_inclusive": price.tax_inclusive,
            "currencies": {code: price_as_stored(spec) for code, spec in price.currencies.items()},
        }
        for price in prices
    ]


def _chosen(ctx: Context, asked: Asked) -> dict[str, Any]:
    """Who is chosen, by TypeIDs; every reference that is none is told at once."""
    errors: list[FieldError] = []
    found = {
        "subscriptions": _ids(ctx, Subscription, "subscription", asked.subscriptions, "/subscriptions", errors),
        "accounts": _ids(ctx, Account, "account", asked.accounts, "/accounts", errors),
        "plans": _ids(ctx, Plan, "plan", asked.plans, "/plans", errors),
        "plan_versions": _ids(ctx, PlanVersion, "plan_version", asked.plan_versions, "/plan_versions", errors),
    }
    if errors:
        raise Invalid.collect(errors)
    return found


def _ids(
    ctx: Context, model: Any, kind: str, references: Sequence[str] | None, pointer: str, errors: list[FieldError]
) -> list[str] | None:
    """References by id, external id or code as TypeIDs, in one query."""
    if references is None:
        return None
    ids = {each: decoded(kind, each) for each in references}
    names = [column for column in ("external_id", "code") if hasattr(model, column)]
    by_name = [among(getattr(model, column), [e for e in references if ids[e] is None]) for column in names]
    rows = ctx.session.execute(
        select(model.id, *(getattr(model, column) for column in names)).where(
            model.provider_id == ctx.provider.id,
            or_(among(model.id, [each for each in ids.values() if each is not None]), *by_name),
        )
    ).all()
    known = {encode(kind, row.id): row.id for row in rows}
    known |= {name: row.id for row in rows for name in row[1:] if name is not None}
    found = []
    for i, each in enumerate(references):
        if each not in known:
            errors.append(FieldError(f"{pointer}/{i}", f"{kind}_unknown", f"There is no {kind} {each[:80]}."))
        else:
            found.append(encode(kind, known[each]))
    return found


def decoded(kind: str, reference: str) -> UUID | None:
    """The id that a reference is; None for one that is no id of this kind."""
    return decode(kind, reference) if looks_like(kind, reference) else None


def _check_assumed(trying: Trying, asked: Asked) -> None:
    """See that what is assumed is about charges that are tried.

    Codes: `charge_code_unknown`, `usage_needs_time`.
    """
    prices = {code: price for tried in trying.tried.values() for code, price in tried.prices.items()}
    errors: list[FieldError] = []
    for name, given in (("quantities", asked.quantities), ("charges_from", asked.charges_from)):
        for code in given:
            if code not in prices:
                detail = f"Among the prices that are tried there are {', '.join(sorted(prices))}."
                errors.append(FieldError(_pointer(name, code), "charge_code_unknown", detail))
    for code in asked.quantities:
        price = prices.get(code)
        if price is not None and price.kind == USAGE and not price.price.needs.plain:
            detail = "This price asks when or how usage came about; a quantity alone cannot be priced."
            errors.append(FieldError(_pointer("quantities", code), "usage_needs_time", detail))
    if errors:
        raise Invalid.collect(errors)


def _pointer(name: str, code: str) -> str:
    return f"/{name}/{code.replace('~', '~0').replace('/', '~1')}"


def get(ctx: Context, simulation_id: UUID) -> SimulationView:
    """One simulation."""
    return view(ctx, by_id(ctx, Simulation, "simulation", simulation_id))


def list_simulations(ctx: Context, window: Window, external_id: str | None = None) -> Slice[SimulationView]:
    """Simulations, newest first."""
    statement = select(Simulation).where(Simulation.provider_id == ctx.provider.id)
    if external_id is not None:
        statement = statement.where(Simulation.external_id == external_id)
    found = newest_first(ctx, statement, Simulation.id, window)
    shown = {each.row.id: each for each in views(ctx, found.rows)}
    return found.map(lambda row: shown[row.id])


def view(ctx: Context, row: Simulation) -> SimulationView:
    """A simulation with its totals so far."""
    return views(ctx, [row])[0]


def views(ctx: Context, rows: Sequence[Simulation]) -> list[SimulationView]:
    """Simulations with what they tried, in one query however many."""
    wanted = {row.plan_version_id for row in rows if row.plan_version_id is not None}
    versions = {
        row.id: row
        for row in ctx.session.execute(
            select(PlanVersion.id, PlanVersion.plan_id, PlanVersion.number).where(
                PlanVersion.provider_id == ctx.provider.id, among(PlanVersion.id, wanted)
            )
        )
    }
    found = []
    for row in rows:
        version = versions[row.plan_version_id] if row.plan_version_id is not None else None
        plan_id, number = (version.plan_id, version.number) if version is not None else (None, None)
        found.append(SimulationView(row, plan_id, number, summing_of(row.found).all))
    return found


def work(ctx: Context, simulation_id: UUID) -> bool:
    """Sum up the next portion of a simulation; whether there is more to do. While another does it, there is not."""
    found = ctx.session.scalars(
        select(Simulation)
        .where(
            Simulation.provider_id == ctx.provider.id, Simulation.id == simulation_id, Simulation.status == "running"
        )
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).first()
    if found is None:
        return False
    after = simulation_steps.key_of(found.place) if found.place is not None else None
    lines, place = simulation_steps.portion(ctx, simulation_prices.load(ctx, found), after)
    summing = summing_of(found.found)
    for _ in summing.take(lines):
        pass
    if place is None:
        summing.close()
        found.status, found.finished_at = "done", ctx.now
    found.place = simulation_steps.place_of(place) if place is not None else None
    found.found = summing.as_json()
    found.subscriptions_done += len(lines)
    ctx.session.flush()
    return place is not None
