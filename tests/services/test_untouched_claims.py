"""A billing run leaves out the claims that nothing can touch any more, and bills what it would bill with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from billing import untouched
from billing.changes import Cancel, Pause
from core.ids import encode
from models.providers import Provider
from services import contract_changes, contract_items, invoicing_charges, invoicing_release, price_corrections
from services.change_wishes import Wanted
from services.context import Context
from services.price_corrections import Corrected
from services.provisioning import order
from services.subscriptions import Order
from tests.builders.billing import FLAT, PlanOf, PriceOf, a_plan, an_account
from tests.builders.runs import bill_at, invoices, set_clock
from tests.conftest import Open

RACK = PriceOf("rack", {"model": "per_unit", "unit_price": "99.97"})
PORT = PriceOf("port", FLAT, timing="arrears", proration="none")
POWER = PriceOf("power", {"model": "per_unit", "unit_price": "0.25"}, kind="usage", timing="arrears")
SETUP = PriceOf("setup", FLAT, kind="one_off", unit=None)
COMMITMENT = PriceOf("year", {"model": "committed_amount", "amount_price": "1000", "draws": ["power"]}, unit="year")
BILLED = [datetime(2026, month, 1, 1, tzinfo=UTC) for month in range(2, 7)]
NOW = BILLED[-1] + timedelta(days=10)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens in a test is seconds apart: nothing runs beside it."""
    monkeypatch.setattr(untouched, "BESIDE", timedelta(0))


@dataclass(frozen=True)
class Contract:
    """A subscription that was billed for five months."""

    id: UUID
    payer: UUID
    plan: PlanOf


def billed(open_unit: Open, *prices: PriceOf) -> Contract:
    with open_unit() as ctx:
        settings = ctx.session.get_one(Provider, ctx.provider.id)
        settings.settings = {**settings.settings, "usage_cutoff_days": 40}
        account, plan = an_account(ctx), a_plan(ctx, *prices)
        placed = Order(str(account.external_id), encode("plan", plan.id), ctx.now, quantities={"rack": Decimal(2)})
        contract = Contract(order(ctx, placed).id, account.id, plan)
    for now in BILLED:
        bill_at(open_unit, now)
    set_clock(open_unit, NOW)
    return contract


def picture(proposed: invoicing_charges.Proposed) -> list[Any]:
    found = proposed.proposal
    return [sorted(map(repr, some)) for some in (found.shrunk, found.charges, found.parked)]


def proposed(ctx: Context, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many corrections and charges are proposed, which are the same when every claim is there."""
    as_of = ctx.now + timedelta(days=40)
    found = invoicing_charges.propose_for(ctx, [contract.payer], as_of, as_of)
    with monkeypatch.context() as patched:
        whole = contract_items.load(ctx, [contract.payer])
        patched.setattr(contract_items, "load", lambda *_: whole)
        assert picture(found) == picture(invoicing_charges.propose_for(ctx, [contract.payer], as_of, as_of))
    return len(found.proposal.charges)


def claims(ctx: Context, contract: Contract) -> list[str]:
    """The charge codes of the claims that a run looks at."""
    items = contract_items.load(ctx, [contract.payer], ctx.now - timedelta(days=40)).items
    return sorted(item.charge_code for item in items for _ in item.claims)


def test_of_a_contract_that_nobody_changed_only_late_usage_is_looked_for(
    open_unit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = billed(open_unit, RACK, PORT, POWER, SETUP)
    with open_unit() as ctx:
        whole = contract_items.load(ctx, [contract.payer]).items
        assert sum(len(item.claims) for item in whole) == 6 + 5 + 5 + 1
        assert claims(ctx, contract) == ["power"]
        assert proposed(ctx, contract, monkeypatch) == 3  # July in advance; of June what is in arrears


def change(ctx: Context, contract: Contract, effective: Any, **what: Any) -> None:
    contract_changes.make(ctx, contract.id, Wanted(**what), effective)


def more_racks_last_week(ctx: Context, contract: Contract) -> None:
    change(ctx, contract, NOW - timedelta(days=7), quantities={"rack": Decimal(5)})


def a_rack_less_for_an_hour(ctx: Context, contract: Contract) -> None:
    change(ctx, contract, NOW - timedelta(hours=2), quantities={"rack": Decimal(1)})
    change(ctx, contract, NOW - timedelta(hours=1), quantities={"rack": Decimal(2)})


def a_pause(ctx: Context, contract: Contract) -> None:
    change(ctx, contract, "now", pause=Pause(until=NOW + timedelta(days=3)))


def other_spans(ctx: Context, contract: Contract) -> None:
    change(ctx, contract, "now", align_on=date(2026, 6, 20))


def an_end(ctx: Context, contract: Contract) -> None:
    change(ctx, contract, NOW - timedelta(days=1), cancel=Cancel())


def a_corrected_price(ctx: Context, contract: Contract) -> None:
    right = Corrected("rack", {"EUR": {"model": "per_unit", "unit_price": "80"}})
    price_corrections.correct(ctx, contract.plan.version_id, [right], "a typing error")


def a_document_taken_back(ctx: Context, contract: Contract) -> None:
    invoicing_release.void(ctx, invoices(ctx)[-1].id)


CHANGES = [
    more_racks_last_week,
    a_rack_less_for_an_hour,
    a_pause,
    other_spans,
    an_end,
    a_corrected_price,
    a_document_taken_back,
]


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_becomes_of_a_contract_is_billed_as_if_every_claim_were_looked_at(
    open_unit: Open, monkeypatch: pytest.MonkeyPatch, what: Callable[[Context, Contract], None]
) -> None:
    contract = billed(open_unit, RACK, PORT, POWER, SETUP)
    with open_unit() as ctx:
        what(ctx, contract)
    with open_unit() as ctx:
        assert proposed(ctx, contract, monkeypatch)
    bill_at(open_unit, datetime(2026, 7, 1, 1, tzinfo=UTC))
    with open_unit() as ctx:
        proposed(ctx, contract, monkeypatch)


def test_where_an_amount_is_drawn_by_sums_every_claim_is_looked_at(
    open_unit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = billed(open_unit, RACK, POWER, COMMITMENT)
    with open_unit() as ctx:
        assert len(claims(ctx, contract)) == 6 + 5 + 1
        assert proposed(ctx, contract, monkeypatch)


def test_a_claim_that_was_made_beside_what_is_agreed_is_looked_at(
    open_unit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = billed(open_unit, RACK)
    monkeypatch.setattr(untouched, "BESIDE", timedelta(hours=1))
    with open_unit() as ctx:
        assert claims(ctx, contract) == ["rack"] * 6
