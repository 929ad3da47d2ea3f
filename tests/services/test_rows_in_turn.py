"""Rows by the thousand are written in turn, the next made while the database works: all of them or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from models.base import Base
from models.taxes import TaxAnswer
from services.context import Context
from services.savepoints import failure_of
from services.sets import ROWS_AT_ONCE, add_in_turn, add_rows
from stores.statements import meanwhile

MANY = 2 * ROWS_AT_ONCE + 1


def rows(ctx: Context, first: int, last: int) -> list[dict[str, Any]]:
    """Some small rows that need nothing else, told apart by a number."""
    shared = {"provider_id": ctx.provider.id, "question": {}, "answer": [], "created_at": ctx.now}
    return [{**shared, "sha256": n.to_bytes(32, "big")} for n in range(first, last)]


def stored(ctx: Context) -> int:
    return ctx.session.scalar(select(func.count()).select_from(TaxAnswer)) or 0


def test_more_rows_than_one_statement_takes_are_all_written(ctx: Context) -> None:
    assert add_rows(ctx, TaxAnswer, rows(ctx, 0, MANY)) == MANY
    assert stored(ctx) == MANY


def test_rows_that_are_known_are_passed_over_in_every_statement(ctx: Context) -> None:
    add_rows(ctx, TaxAnswer, rows(ctx, ROWS_AT_ONCE - 1, ROWS_AT_ONCE + 1))
    assert add_rows(ctx, TaxAnswer, rows(ctx, 0, MANY), pass_over_known=True) == MANY - 2


def test_a_row_that_is_refused_late_leaves_nothing_of_those_before(ctx: Context) -> None:
    known = rows(ctx, MANY - 1, MANY)
    add_rows(ctx, TaxAnswer, known)
    failure = failure_of(ctx, lambda: add_in_turn(ctx, [(TaxAnswer, rows(ctx, 0, MANY))]), "refused")
    assert isinstance(failure, IntegrityError)
    assert stored(ctx) == 1


def test_portions_are_made_one_by_one_and_written_in_their_order(ctx: Context) -> None:
    made: list[int] = []

    def portions() -> Iterator[tuple[type[Base], Sequence[dict[str, Any]]]]:
        for number in range(4):
            made.append(number)
            yield TaxAnswer, rows(ctx, number * 10, number * 10 + 10) if number != 2 else []

    add_in_turn(ctx, portions())
    assert (made, stored(ctx)) == ([0, 1, 2, 3], 30)


def test_a_portion_that_cannot_be_made_leaves_nothing_of_those_before(ctx: Context) -> None:
    def portions() -> Iterator[tuple[type[Base], Sequence[dict[str, Any]]]]:
        yield TaxAnswer, rows(ctx, 0, 10)
        raise LookupError("a line without a contract")

    failure = failure_of(ctx, lambda: add_in_turn(ctx, portions()), "not made")
    assert isinstance(failure, LookupError)
    assert stored(ctx) == 0


def test_what_is_done_meanwhile_waits_for_the_database_also_when_it_fails(ctx: Context) -> None:
    write = partial(add_rows, ctx, TaxAnswer, rows(ctx, 0, ROWS_AT_ONCE))
    with pytest.raises(LookupError), meanwhile(write):
        raise LookupError("while the database works")
    assert stored(ctx) == ROWS_AT_ONCE
    with meanwhile(partial(add_rows, ctx, TaxAnswer, rows(ctx, ROWS_AT_ONCE, ROWS_AT_ONCE + 3))) as written:
        reckoned = sum(range(1000))
    assert (written.result(), reckoned) == (3, 499_500)
