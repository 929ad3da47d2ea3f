"""A billing run whose worker is killed, wherever that may be, comes to what an undisturbed one comes to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from uuid import UUID

import pytest

from billing.postings import Kind
from jobs import billing
from models.billing import BillingRun
from runtime.house import House
from runtime.unit import unit
from services import ledger, runs
from services.context import Context
from tests.builders.billing import RACK, PriceOf, a_plan, an_account, subscribe
from tests.builders.runs import picture, start
from tests.conftest import CHECKOUT, Open, make_provider
from tests.scenarios.run_until_killed import STEPS

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
SETUP = PriceOf("setup", {"model": "flat", "amount_price": "99"}, kind="one_off", unit=None)


def contracts(ctx: Context) -> None:
    """Seven payers, one of them for a child too."""
    plan = a_plan(ctx, RACK, SETUP)
    for i in range(7):
        payer = an_account(ctx, f"Payer {i}")
        subscribe(ctx, payer, plan)
    subscribe(ctx, an_account(ctx, "Child", parent=payer, payer="parent"), plan)


def outcome(ctx: Context) -> tuple[object, ...]:
    receivable = ledger.balance(ctx, Kind.RECEIVABLE, "EUR")
    return picture(ctx), receivable


@pytest.fixture(scope="module")
def undisturbed(house: House) -> tuple[object, ...]:
    """What the same contracts come to when nothing is killed."""
    provider = make_provider(house)

    def opener() -> object:
        return unit(provider, actor="test", within=house)

    with opener() as ctx:  # type: ignore[attr-defined]
        contracts(ctx)
    (run,) = start(opener, FEBRUARY)  # type: ignore[arg-type]
    billing.work_runs(provider, [run])
    with opener() as ctx:  # type: ignore[attr-defined]
        return outcome(ctx)


@pytest.mark.parametrize("step", STEPS)
def test_a_run_whose_worker_is_killed_comes_to_the_same_when_repeated(
    open_unit: Open, provider_id: UUID, environment: dict[str, str], undisturbed: tuple[object, ...], step: str
) -> None:
    with open_unit() as ctx:
        contracts(ctx)
    (run,) = start(open_unit, FEBRUARY)
    killed = subprocess.run(
        [sys.executable, "-m", "tests.scenarios.run_until_killed", str(provider_id), str(run), step],
        env={**os.environ, **environment},
        cwd=CHECKOUT,
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with open_unit() as ctx:
        assert ctx.session.get_one(BillingRun, (provider_id, run)).status == "running"
    billing.work_runs(provider_id, [run])
    billing.work_runs(provider_id, [run])
    with open_unit() as ctx:
        assert outcome(ctx) == undisturbed
        assert ctx.session.get_one(BillingRun, (provider_id, run)).status == "done"
        assert runs.counts(ctx, [run]) == {run: {"done": 7}}
