"""The books, on the real database: posted once per cause, balanced, and closed to those who would change them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from billing.postings import Book, Kind, Leg
from core.ids import new_id
from core.money import Money
from models.ledger import LedgerAccount, Transfer
from models.providers import Seller
from services import ledger
from services.context import Context
from tests.conftest import Open


def a_leg(ctx: Context, amount: int = 100, currency: str = "EUR") -> Leg:
    seller = ctx.session.scalars(select(Seller.id).where(Seller.provider_id == ctx.provider.id)).one()
    return Leg(Book(seller, Kind.CLEARING, currency), Book(seller, Kind.REVENUE, currency), Money(amount, currency))


def count(ctx: Context, table: Any) -> int:
    return ctx.session.scalar(select(func.count()).select_from(table).where(table.provider_id == ctx.provider.id)) or 0


def test_one_cause_posts_once_however_often_it_is_told(ctx: Context) -> None:
    cause = new_id()
    assert ledger.post(ctx, "payment.received", cause, [a_leg(ctx)])
    assert not ledger.post(ctx, "payment.received", cause, [a_leg(ctx)])
    assert ledger.balance(ctx, Kind.CLEARING, "EUR") == Money(100, "EUR")
    assert ledger.balance(ctx, Kind.REVENUE, "EUR") == Money(-100, "EUR")


def test_a_cause_without_legs_is_posted_by_writing_nothing(ctx: Context) -> None:
    assert ledger.post(ctx, "payment.received", new_id(), [])
    assert count(ctx, Transfer) == 0


def test_reversing_leaves_every_balance_as_it_was(ctx: Context) -> None:
    cause = new_id()
    ledger.post(ctx, "invoice.finalized", cause, [a_leg(ctx, 100), a_leg(ctx, 21)])
    ledger.reverse(ctx, "invoice.finalized", cause, by="invoice.voided")
    assert ledger.balance(ctx, Kind.CLEARING, "EUR") == Money(0, "EUR")
    assert count(ctx, Transfer) == 4


def test_a_reversal_posts_once_too(open_unit: Open) -> None:
    cause = new_id()
    with open_unit() as ctx:
        ledger.post(ctx, "invoice.finalized", cause, [a_leg(ctx)])
        ledger.reverse(ctx, "invoice.finalized", cause, by="invoice.voided")
    with pytest.raises(DBAPIError, match="uq_transfer"), open_unit() as ctx:
        ledger.reverse(ctx, "invoice.finalized", cause, by="invoice.voided")


def test_currencies_have_books_of_their_own(ctx: Context) -> None:
    ledger.post(ctx, "payment.received", new_id(), [a_leg(ctx, 5, "EUR"), a_leg(ctx, 7, "USD")])
    assert ledger.balance(ctx, Kind.CLEARING, "USD") == Money(7, "USD")
    assert count(ctx, LedgerAccount) == 4


def test_two_that_need_the_same_new_book_at_once_share_it(open_unit: Open) -> None:
    def post(_: int) -> None:
        with open_unit() as ctx:
            ledger.post(ctx, "payment.received", new_id(), [a_leg(ctx)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(post, range(4)))
    with open_unit() as ctx:
        assert count(ctx, LedgerAccount) == 2
        assert ledger.balance(ctx, Kind.CLEARING, "EUR") == Money(400, "EUR")


@pytest.fixture
def posted(open_unit: Open) -> UUID:
    """A provider's one transfer."""
    with open_unit() as ctx:
        ledger.post(ctx, "payment.received", new_id(), [a_leg(ctx)])
        return ctx.session.scalars(select(Transfer.id).where(Transfer.provider_id == ctx.provider.id)).one()


INSERT = (
    "INSERT INTO transfer (provider_id, id, debit_id, credit_id, amount, currency, cause_kind, cause_id, leg, at) "
    "SELECT provider_id, gen_random_uuid(), {}, at FROM transfer WHERE id = :id"
)


@pytest.mark.parametrize(
    ("attack", "refusal"),
    [
        ("UPDATE transfer SET amount = 1 WHERE id = :id", "permission denied"),
        ("DELETE FROM transfer WHERE id = :id", "permission denied"),
        ("TRUNCATE transfer", "permission denied"),
        ("UPDATE ledger_account SET currency = 'USD'", "permission denied"),
        ("DELETE FROM ledger_account", "permission denied"),
        (INSERT.format("debit_id, debit_id, 5, currency, 'x', id, '0'"), "ck_transfer_sides"),
        (INSERT.format("debit_id, credit_id, 0, currency, 'x', id, '0'"), "ck_transfer_amount"),
        (INSERT.format("debit_id, credit_id, -5, currency, 'x', id, '0'"), "ck_transfer_amount"),
        (INSERT.format("debit_id, credit_id, 5, 'USD', 'x', id, '0'"), "fk_transfer"),
        (INSERT.format("debit_id, credit_id, 5, currency, cause_kind, cause_id, leg"), "uq_transfer"),
    ],
)
def test_plain_sql_cannot_unbalance_or_rewrite_the_books(
    open_unit: Open, posted: UUID, attack: str, refusal: str
) -> None:
    with pytest.raises(DBAPIError, match=refusal), open_unit() as ctx:
        ctx.session.execute(text(attack), {"id": posted})
