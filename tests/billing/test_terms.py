"""Timelines: rows are only ever added, and what was known when can be asked."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from billing.terms import Term, TermRow, fold

GOLD, SILVER = UUID(int=1), UUID(int=2)


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def row(
    from_day: int, quantity: str = "1", price: UUID | None = GOLD, recorded: int = 1, ended: bool = False
) -> TermRow:
    return TermRow(day(from_day), price, Decimal(quantity), ended, day(recorded))


def test_a_row_holds_until_the_next_one() -> None:
    assert fold([row(1, "3"), row(10, "5", recorded=10)]) == (
        Term(day(1), day(10), GOLD, Decimal(3)),
        Term(day(10), None, GOLD, Decimal(5)),
    )


def test_of_two_rows_for_one_instant_the_last_one_written_holds() -> None:
    rows = [row(10, "7", recorded=9), row(10, "5", recorded=8), row(1)]
    assert fold(rows)[-1].quantity == Decimal(7)


def test_an_end_closes_the_last_term_and_a_later_row_opens_another() -> None:
    rows = [row(1), row(10, ended=True, recorded=10), row(20, recorded=20)]
    assert [(t.start, t.end) for t in fold(rows)] == [(day(1), day(10)), (day(20), None)]


def test_an_item_that_ends_at_its_start_has_no_terms() -> None:
    assert fold([row(1), row(1, ended=True, recorded=2)]) == ()


def test_a_row_that_changes_nothing_makes_no_new_term() -> None:
    assert fold([row(1), row(10, recorded=10)]) == (Term(day(1), None, GOLD, Decimal(1)),)


def test_another_price_is_another_term() -> None:
    assert [t.price_id for t in fold([row(1), row(10, price=SILVER, recorded=10)])] == [GOLD, SILVER]


def test_a_timeline_can_be_read_as_it_was_known() -> None:
    rows = [row(1, "3"), row(2, "9", recorded=15)]
    assert fold(rows, known_at=day(14)) == (Term(day(1), None, GOLD, Decimal(3)),)
