"""What each happening debits and credits, and that the books balance whatever happens."""

from collections import Counter
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.postings import (
    Book,
    Kind,
    Leg,
    credit_note_issued,
    credit_used,
    invoice_finalized,
    payment_received,
    recovered,
    written_off,
)
from billing.tax import flat, tax_subtotals
from core.money import Money

SELLER, PAYER, GATEWAY = UUID(int=1), UUID(int=2), UUID(int=3)
AMOUNTS = st.integers(0, 10**12)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def balances(legs: tuple[Leg, ...]) -> Counter[Kind]:
    """Debits less credits, per kind of account."""
    sums: Counter[Kind] = Counter()
    for leg in legs:
        sums[leg.debit.kind] += leg.amount.minor
        sums[leg.credit.kind] -= leg.amount.minor
    return sums


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.sampled_from([0, 7, 21])), max_size=10))
def test_a_final_invoice_puts_its_total_on_the_receivable(lines: list[tuple[int, int]]) -> None:
    nets = [(eur(net), flat(Decimal(rate))) for net, rate in lines]
    taxes, net = tax_subtotals(nets), sum(net for net, _ in lines)
    sums = balances(invoice_finalized(SELLER, PAYER, eur(net), taxes, eur(0)))
    tax = sum(subtotal.amount.minor for subtotal in taxes)
    assert (sums[Kind.RECEIVABLE], sums[Kind.REVENUE], sums[Kind.TAX]) == (net + tax, -net, -tax)


@given(AMOUNTS, AMOUNTS)
def test_a_payment_pays_what_it_is_allocated_to_and_the_rest_is_credit(allocated: int, rest: int) -> None:
    sums = balances(payment_received(SELLER, PAYER, GATEWAY, eur(allocated), eur(rest)))
    assert sums[Kind.CLEARING] == allocated + rest
    assert (sums[Kind.RECEIVABLE], sums[Kind.CUSTOMER_CREDIT]) == (-allocated, -rest)


def test_an_invoice_that_is_paid_leaves_nothing_to_receive() -> None:
    taxes = tax_subtotals([(eur(1000), flat(Decimal(21)))])
    legs = invoice_finalized(SELLER, PAYER, eur(1000), taxes, eur(0)) + payment_received(
        SELLER, PAYER, GATEWAY, eur(1210), eur(0)
    )
    assert balances(legs)[Kind.RECEIVABLE] == 0


def test_credit_of_before_pays_an_invoice_of_now() -> None:
    assert balances(credit_used(SELLER, PAYER, eur(70))) == {Kind.CUSTOMER_CREDIT: 70, Kind.RECEIVABLE: -70}


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.sampled_from([0, 7, 21])), max_size=10))
def test_a_credit_note_of_a_whole_invoice_leaves_nothing_but_credit(lines: list[tuple[int, int]]) -> None:
    taxes = tax_subtotals([(eur(net), flat(Decimal(rate))) for net, rate in lines])
    amounts = eur(sum(net for net, _ in lines)), taxes, eur(1)
    there = balances(invoice_finalized(SELLER, PAYER, *amounts))
    both = balances(invoice_finalized(SELLER, PAYER, *amounts) + credit_note_issued(SELLER, PAYER, *amounts))
    assert both[Kind.REVENUE] == both[Kind.TAX] == 0
    assert both[Kind.CUSTOMER_CREDIT] == -there[Kind.RECEIVABLE]


@given(AMOUNTS, AMOUNTS)
def test_what_is_written_off_and_recovered_is_owed_again(owed: int, back: int) -> None:
    sums = balances(written_off(SELLER, PAYER, eur(owed)) + recovered(SELLER, PAYER, eur(back)))
    assert (sums[Kind.BAD_DEBT], sums[Kind.RECEIVABLE]) == (owed - back, back - owed)


@pytest.mark.parametrize("amount", [0, -1])
def test_a_transfer_of_nothing_or_less_cannot_be_made(amount: int) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Leg(Book(SELLER, Kind.REVENUE, "EUR"), Book(SELLER, Kind.TAX, "EUR"), eur(amount))


def test_a_transfer_never_mixes_currencies_nor_moves_to_itself() -> None:
    revenue, tax = Book(SELLER, Kind.REVENUE, "EUR"), Book(SELLER, Kind.TAX, "USD")
    with pytest.raises(ValueError, match="one currency"):
        Leg(revenue, tax, eur(1))
    with pytest.raises(ValueError, match="between two"):
        Leg(revenue, revenue, eur(1))
