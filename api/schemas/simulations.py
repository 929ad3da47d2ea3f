"""Prices that are tried on past usage, as they come and go."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from api.schemas import Resource, Schema, fields
from api.schemas.catalog import PLAN_PRICES
from api.schemas.contract_members import nullable
from api.schemas.parsed import Parsed
from api.schemas.quantities import QUANTITIES
from billing.changes import QUANTITIES_MOST, read_quantities
from billing.members import Members
from billing.plan_prices import read_prices
from billing.simulated_totals import OUTCOMES
from core.errors import FieldError
from services.simulation_results import CUSTOMERS, ROWS

FILTER_MOST = 1000
MONTH = {"type": "string", "pattern": r"^2[0-9]{3}-(0[1-9]|1[0-2])$", "example": "2026-01"}
MONTHS = {
    "type": "object",
    "description": "Whole calendar months that are over, the last one included.",
    "required": ["from", "to"],
    "additionalProperties": False,
    "properties": {"from": MONTH, "to": MONTH},
}
CODES = {
    "type": "object",
    "description": "For charges that a contract does not have, by charge code: the charge of the contract whose "
    "quantity and usage it goes on with. A charge that counts by the same meter is found by itself.",
    "maxProperties": QUANTITIES_MOST,
    "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 80},
    "example": {"power-2": "power"},
}


def read_months(value: object, pointer: str, errors: list[FieldError]) -> tuple[date, date] | None:
    """Read a range of months. Codes: `object_expected`, `member_required`, `month_malformed`, `member_unknown`."""
    members = Members(value, pointer, errors)
    if not isinstance(value, Mapping):
        return None
    first, last = _month(members, "from"), _month(members, "to")
    members.close()
    return (first, last) if first is not None and last is not None else None


def _month(members: Members, name: str) -> date | None:
    given = members.required(name)
    if given is None:
        return None
    try:
        if isinstance(given, str) and len(given) == len("2026-01") and given.startswith("2"):
            return date.fromisoformat(f"{given}-01")
    except ValueError:
        pass
    members.refuse(name, "month_malformed", "Write a month such as 2026-01.")
    return None


def read_codes(value: object, pointer: str, errors: list[FieldError]) -> dict[str, str]:
    """Read charge codes by charge codes. Codes: `object_expected`, `too_long`, and those of texts."""
    members = Members(value, pointer, errors)
    if not isinstance(value, Mapping):
        return {}
    if len(value) > QUANTITIES_MOST:
        errors.append(FieldError(pointer, "too_long", f"Give at most {QUANTITIES_MOST}."))
        return {}
    return {name: members.text(name) for name in value}


def references(kind: str, description: str) -> Any:
    """References to what bounds who is chosen."""
    return fields.List(
        fields.Reference(kind),
        validate=fields.Length(min=1, max=FILTER_MOST),
        metadata={"description": description},
    )


class SimulationNew(Schema):
    """Prices to try, and on whom: who matches all that is given; by default everybody."""

    plan_version = fields.String(min_length=1, max_length=200, description="Try this version of a plan: its id.")
    plan = fields.Reference("plan", metadata={"description": "Try this plan: its newest version, or `version`."})
    version = fields.Integer(validate=fields.Range(min=1, max=10**6))
    prices = Parsed(read_prices, {**PLAN_PRICES, "description": "Try prices that no plan has."})
    months = Parsed(read_months, MONTHS, required=True)
    subscriptions = references("subscription", "These alone.")
    accounts = references("account", "Those of these accounts and of all below them.")
    plans = references("plan", "Those on these plans, as their own, in a bundle or as an add-on.")
    plan_versions = references("plan_version", "The same of versions of plans.")
    quantities = Parsed(
        read_quantities,
        {
            **QUANTITIES,
            "description": "For charges that a contract does not have, by charge code: how many of it (one by "
            "default), or how much is used of it in each whole span.",
        },
    )
    charges_from = Parsed(read_codes, CODES)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class SimulatedSums(Schema):
    """What is paid in a currency for the months, before tax and coupons; of those that could be priced."""

    currency = fields.Currency(required=True)
    subscriptions = fields.Integer(required=True)
    unpriced = fields.Integer(required=True, metadata={"description": "How many of them could not be priced."})
    current_amount = fields.MinorAmount(required=True)
    simulated_amount = fields.MinorAmount(required=True)
    difference_amount = fields.MinorAmount(required=True, metadata={"description": "Below zero, less would be paid."})
    difference_percent = fields.String(required=True, allow_none=True)


class SimulatedCustomer(SimulatedSums):
    """What a customer pays, and would pay. Who would pay less is a winner."""

    account = fields.TypeID("account", required=True)
    external_id = fields.String(required=True, allow_none=True)
    name = fields.String(required=True)
    outcome = fields.Enum(OUTCOMES, required=True)


class SimulatedTotal(SimulatedSums):
    """What all customers pay in a currency; the ten who win and the ten who lose most."""

    customers = fields.Integer(required=True)
    winners = fields.Integer(required=True, metadata={"description": "How many customers would pay less."})
    losers = fields.Integer(required=True)
    same = fields.Integer(required=True)
    unpriced_customers = fields.Integer(required=True)
    most_winning = fields.List(fields.Nested(SimulatedCustomer), required=True)
    most_losing = fields.List(fields.Nested(SimulatedCustomer), required=True)


class Obstacle(Schema):
    """Why a subscription could not be priced."""

    charge_code = fields.String(required=True, allow_none=True)
    code = fields.String(required=True)
    detail = fields.String(required=True)


class SimulatedCharge(Schema):
    """A charge, now and at the prices that are tried; null where there is none."""

    charge_code = fields.String(required=True)
    current_amount = fields.MinorAmount(required=True, allow_none=True)
    simulated_amount = fields.MinorAmount(required=True, allow_none=True)


class SimulatedSubscription(Schema):
    """A subscription of a customer. Amounts are null where it could not be priced."""

    subscription = fields.TypeID("subscription", required=True)
    external_id = fields.String(required=True, allow_none=True)
    current_amount = fields.MinorAmount(required=True, allow_none=True)
    simulated_amount = fields.MinorAmount(required=True, allow_none=True)
    difference_amount = fields.MinorAmount(required=True, allow_none=True)
    difference_percent = fields.String(required=True, allow_none=True)
    outcome = fields.Enum(OUTCOMES, required=True)
    charges = fields.List(fields.Nested(SimulatedCharge), required=True)
    obstacles = fields.List(fields.Nested(Obstacle), required=True)


class SimulatedCustomerLines(SimulatedCustomer):
    """A customer with its subscriptions."""

    lines = fields.List(fields.Nested(SimulatedSubscription), required=True)


class SimulationResults(Schema):
    """What a simulation comes to, sent while it is worked out: customers in the order of their ids, then totals."""

    simulation = fields.TypeID("simulation", required=True)
    customers = fields.List(fields.Nested(SimulatedCustomerLines), required=True)
    totals = fields.List(fields.Nested(SimulatedTotal), required=True)


class SimulationChosen(Schema):
    """Who was asked for; null is no bound."""

    subscriptions = fields.List(fields.String(), required=True, allow_none=True)
    accounts = fields.List(fields.String(), required=True, allow_none=True)
    plans = fields.List(fields.String(), required=True, allow_none=True)
    plan_versions = fields.List(fields.String(), required=True, allow_none=True)


class SimulationProgress(Schema):
    """How far the sums have come."""

    subscriptions = fields.Integer(required=True)
    done = fields.Integer(required=True)


class Simulation(Resource):
    """Prices that are tried on past usage, with the totals of what is summed up so far."""

    id = fields.TypeID("simulation", required=True)
    status = fields.Enum(["running", "done"], required=True, description="`done`: every subscription is summed up.")
    progress = fields.Nested(SimulationProgress, required=True)
    plan = fields.TypeID("plan", attribute="plan_id", required=True, allow_none=True)
    plan_version = fields.TypeID("plan_version", attribute="plan_version_id", required=True, allow_none=True)
    version = fields.Integer(required=True, allow_none=True)
    prices = fields.Raw(required=True, allow_none=True, metadata=nullable(PLAN_PRICES))
    months = fields.Raw(required=True, metadata=MONTHS)
    chosen = fields.Nested(SimulationChosen, required=True)
    quantities = fields.Raw(required=True, metadata=QUANTITIES)
    charges_from = fields.Raw(required=True, metadata=CODES)
    finished_at = fields.Instant(required=True, allow_none=True)
    totals = fields.List(fields.Nested(SimulatedTotal), required=True)


class ResultsQuery(Schema):
    """How results are written."""

    format = fields.Enum(["json", "csv"], load_default="json")
    rows = fields.Enum(ROWS, load_default=CUSTOMERS, description="What a row of the CSV is.")
