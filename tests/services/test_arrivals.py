"""A billing run adds usage up again only where something has come since, and adjusts what one that looks at everything
would adjust."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from billing.adjustments import ADJUSTMENT, Closed
from models.accounts import Account
from services import invoicing_charges, invoicing_release, places_assignments
from services.context import Context
from services.paging import Window
from tests.builders.metering import Metered, a_metered_point, a_point, an_event, assign, read, send, take
from tests.builders.runs import bill_at, invoices, set_clock
from tests.conftest import Open

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
BILLED = [datetime(2026, month, 1, 0, 30, tzinfo=UTC) for month in (2, 3, 4)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens in a test is seconds apart: nothing runs beside it."""
    monkeypatch.setattr(invoicing_charges, "BEFORE_RATING", timedelta(0))


@pytest.fixture
def metered(open_unit: Open) -> Metered:
    """A place with a reading a week and a few events in January; the month is billed."""
    with open_unit() as ctx:
        found = a_metered_point(ctx)
    set_clock(open_unit, BILLED[0] - timedelta(minutes=30))
    with open_unit() as ctx:
        take(ctx, *(read(found.point, JANUARY + timedelta(days=7 * n), f"{100 * n}") for n in range(5)))
        take(ctx, read(found.point, datetime(2026, 2, 1, tzinfo=UTC), "450"))
        send(ctx, [an_event(found, f"event {n}", JANUARY + timedelta(days=n), "3") for n in (2, 9, 30)])
    bill_at(open_unit, BILLED[0])
    set_clock(open_unit, BILLED[0] + timedelta(days=1))
    return found


def adjustments(ctx: Context, as_of: datetime) -> list[tuple[Any, ...]]:
    """What would be adjusted."""
    payers = ctx.session.scalars(select(Account.id).where(Account.provider_id == ctx.provider.id)).all()
    proposed = invoicing_charges.propose_for(ctx, payers, as_of, as_of)
    charges = [charge for charge in proposed.proposal.charges if charge.kind == ADJUSTMENT]
    return sorted((charge.claim_id, charge.span.start, charge.amount, charge.quantity) for charge in charges)


def looked_at(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many billed spans are rated again."""
    seen: list[Closed] = []
    choose = invoicing_charges.changed

    def watch(ctx: Context, billed: Sequence[Closed]) -> list[Closed]:
        seen.extend(chosen := choose(ctx, billed))
        return chosen

    with monkeypatch.context() as patched:
        patched.setattr(invoicing_charges, "changed", watch)
        adjustments(ctx, ctx.now)
    return len(seen)


def test_where_nothing_came_nothing_is_added_up_again(
    open_unit: Open, metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_unit() as ctx:
        send(ctx, [an_event(metered, "february", BILLED[0], "5")])
        take(ctx, read(metered.point, BILLED[0] + timedelta(days=1), "470"))
    with open_unit() as ctx:
        assert looked_at(ctx, monkeypatch) == 0


def a_late_event(ctx: Context, metered: Metered) -> None:
    send(ctx, [an_event(metered, "late", JANUARY + timedelta(days=30, hours=23, minutes=59), "7")])


def a_late_reading(ctx: Context, metered: Metered) -> None:
    take(ctx, read(metered.point, JANUARY + timedelta(days=10), "290"))


def an_assignment_that_ends(ctx: Context, metered: Metered) -> None:
    (assigned,) = places_assignments.list_assignments(ctx, Window()).rows
    places_assignments.close(ctx, assigned.id, JANUARY + timedelta(days=20))


def another_place(ctx: Context, metered: Metered) -> None:
    point = a_point(ctx, "rack-12/pdu-b")
    assign(ctx, point, metered.subscription, JANUARY)
    take(ctx, *(read(point, JANUARY + timedelta(days=30 * n), f"{60 * n}") for n in range(3)))


@pytest.mark.parametrize("arrival", [a_late_event, a_late_reading, an_assignment_that_ends, another_place])
def test_whatever_changes_a_billed_span_is_an_arrival(
    open_unit: Open,
    metered: Metered,
    monkeypatch: pytest.MonkeyPatch,
    arrival: Callable[[Context, Metered], None],
) -> None:
    with open_unit() as ctx:
        arrival(ctx, metered)
    with open_unit() as ctx:
        assert looked_at(ctx, monkeypatch) == 1
        assert len(adjustments(ctx, ctx.now)) == 1


def test_the_reading_that_closes_a_span_is_an_arrival(open_unit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_unit() as ctx:
        metered = a_metered_point(ctx)
    set_clock(open_unit, BILLED[0] - timedelta(minutes=30))
    with open_unit() as ctx:
        take(ctx, *(read(metered.point, JANUARY + timedelta(hours=n), f"{2 * n}") for n in range(48)))
    bill_at(open_unit, BILLED[0])  # what came after the second day is estimated
    set_clock(open_unit, BILLED[0] + timedelta(days=9))
    with open_unit() as ctx:
        assert looked_at(ctx, monkeypatch) == 1  # an estimate may always become another
        take(ctx, read(metered.point, BILLED[0] + timedelta(days=8), "100"))
    with open_unit() as ctx:
        assert len(adjustments(ctx, ctx.now)) == 1


def test_what_came_before_a_document_was_taken_back_is_seen_after_it(open_unit: Open, metered: Metered) -> None:
    with open_unit() as ctx:
        a_late_event(ctx, metered)
        send(ctx, [an_event(metered, "february", BILLED[0] + timedelta(days=1), "500")])
    bill_at(open_unit, BILLED[1])
    with open_unit() as ctx:
        send(ctx, [an_event(metered, "later", JANUARY + timedelta(days=5), "9")])
    with open_unit() as ctx:
        invoicing_release.void(ctx, invoices(ctx)[-1].id)  # its adjustment waits once more
    with open_unit() as ctx:
        assert [quantity for *_, quantity in adjustments(ctx, BILLED[1])] == [9]


def something(random: Random, ctx: Context, metered: Metered, name: str, month: datetime) -> None:
    """Anything that may come in a month: some of it for what is billed, some of it for later."""
    at = JANUARY + timedelta(minutes=random.randrange(int((month - JANUARY).total_seconds() // 60)))
    match random.randrange(4):
        case 0:
            send(ctx, [an_event(metered, name, at, str(random.randrange(1, 40)))])
        case 1:  # a register that counts on, read late or in order, now and then with a step back
            value = 100 * (at - JANUARY).days // 7 + random.randrange(-3, 20)
            take(ctx, read(metered.point, at, str(max(value, 0))))
        case 2:
            (*_, assigned) = places_assignments.list_assignments(ctx, Window()).rows
            if at > assigned.start:
                places_assignments.close(ctx, assigned.id, at)
        case _:
            take(
                ctx,
                read(metered.point, month - timedelta(hours=random.randrange(1, 600)), str(random.randrange(500, 900))),
            )


@pytest.mark.parametrize("seed", range(12))
def test_looking_where_something_came_adjusts_what_looking_everywhere_adjusts(
    open_unit: Open, metered: Metered, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random = Random(seed)
    for bill_at_ in BILLED[1:]:
        set_clock(open_unit, bill_at_)
        for n in range(random.randrange(4)):
            with open_unit() as ctx:
                something(random, ctx, metered, f"{bill_at_} {n}", bill_at_)
        with open_unit() as ctx:
            found = adjustments(ctx, bill_at_)
            with monkeypatch.context() as patched:
                patched.setattr(invoicing_charges, "changed", lambda _, billed: list(billed))
                assert found == adjustments(ctx, bill_at_)
        bill_at(open_unit, bill_at_)
