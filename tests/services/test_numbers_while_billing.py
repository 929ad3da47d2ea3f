"""Documents become final while later payers are still being billed, and their numbers are in order all the same."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from models.billing import BillingRun
from services import runs
from tests.builders.billing import RACK, a_plan, an_account, subscribe
from tests.builders.runs import invoices, start, work
from tests.conftest import Open

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)


@pytest.fixture
def run(open_unit: Open, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A run of six payers, two of whom are billed at once."""
    monkeypatch.setattr(runs, "CHUNK", 2)
    with open_unit() as ctx:
        plan = a_plan(ctx, RACK)
        for i in range(6):
            subscribe(ctx, an_account(ctx, f"A{i}"), plan)
    (started,) = start(open_unit, FEBRUARY)
    return started


def claim(open_unit: Open, run: UUID) -> list[UUID]:
    with open_unit() as ctx:
        return runs.claim(ctx, run)


def bill(open_unit: Open, run: UUID, payers: list[UUID]) -> None:
    with open_unit() as ctx:
        runs.bill(ctx, run, payers)
    with open_unit() as ctx:
        runs.finish_early(ctx, run)


def numbered(open_unit: Open) -> list[tuple[str, UUID]]:
    with open_unit() as ctx:
        return [(invoice.number, invoice.account_id) for invoice in invoices(ctx) if invoice.number is not None]


def test_the_first_payers_have_their_numbers_before_the_last_are_billed(open_unit: Open, run: UUID) -> None:
    first = claim(open_unit, run)
    bill(open_unit, run, first)
    assert numbered(open_unit) == [("INV-2026-000001", first[0]), ("INV-2026-000002", first[1])]
    with open_unit() as ctx:
        assert ctx.session.get_one(BillingRun, (ctx.provider.id, run)).status == "running"


def test_nobody_is_numbered_before_one_who_comes_first_and_is_not_billed_yet(open_unit: Open, run: UUID) -> None:
    first, second = claim(open_unit, run), claim(open_unit, run)
    bill(open_unit, run, second)
    assert numbered(open_unit) == []
    bill(open_unit, run, first)
    assert [payer for _, payer in numbered(open_unit)] == [*first, *second]


def test_what_was_begun_and_left_holds_up_the_numbers_behind_it_until_it_is_billed(open_unit: Open, run: UUID) -> None:
    left = claim(open_unit, run)  # whoever took them is gone
    for _ in range(2):
        bill(open_unit, run, claim(open_unit, run))
    assert numbered(open_unit) == []
    work(open_unit, run)
    found = numbered(open_unit)
    assert [number for number, _ in found] == [f"INV-2026-00000{n}" for n in range(1, 7)]
    assert [payer for _, payer in found][:2] == left
    assert [payer for _, payer in found] == sorted(payer for _, payer in found)


def test_a_later_run_waits_with_its_numbers_for_an_earlier_one(open_unit: Open, run: UUID) -> None:
    with open_unit() as ctx:
        again = [(payer, FEBRUARY.date()) for payer in runs.claim(ctx, run)]
        later = runs.make(ctx, datetime(2026, 2, 1, 0, 31, tzinfo=UTC), runs.REQUEST, again, finalizes=True)
    bill(open_unit, later.id, claim(open_unit, later.id)[:1])
    assert numbered(open_unit) == []
