"""Totals of a document: rounded lines plus tax once per category and rate, in currencies with 0, 2 and 3 decimals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import totals
from billing.tax import Priced, Tax, TaxRate, flat, flat_rate, tax_on, tax_subtotals
from core.money import Money

CURRENCIES = st.sampled_from(["JPY", "EUR", "KWD"])
RATES = st.sampled_from(["0", "7", "7.7", "19", "21", "25.5", "100"]).map(lambda rate: flat(Decimal(rate)))
LINES = st.lists(st.tuples(st.integers(-(10**12), 10**12), RATES), max_size=40)


@given(LINES, CURRENCIES)
def test_the_total_is_the_lines_plus_the_taxes(lines: list[tuple[int, Tax]], currency: str) -> None:
    result = totals([Priced(Money(amount, currency), tax) for amount, tax in lines], currency)
    assert result.net.minor == sum(amount for amount, _ in lines)
    assert result.tax.minor == sum(subtotal.amount.minor for subtotal in result.taxes)
    assert result.total == result.net + result.tax
    assert result.rounding.minor == 0
    assert sum(subtotal.net.minor for subtotal in result.taxes) == result.net.minor


@given(LINES, CURRENCIES)
def test_each_tax_is_within_half_a_minor_unit_of_the_exact_one(lines: list[tuple[int, Tax]], currency: str) -> None:
    for subtotal in tax_subtotals([(Money(amount, currency), tax) for amount, tax in lines]):
        exact = Decimal(subtotal.net.minor) * subtotal.tax.rate / 100
        assert abs(subtotal.amount.minor - exact) <= Decimal("0.5")


@given(LINES, CURRENCIES)
def test_a_document_of_credits_is_the_mirror_of_the_one_it_credits(lines: list[tuple[int, Tax]], currency: str) -> None:
    there = totals([Priced(Money(amount, currency), tax) for amount, tax in lines], currency)
    back = totals([Priced(Money(-amount, currency), tax) for amount, tax in lines], currency)
    assert back.total == -there.total


def test_tax_is_taken_once_on_the_sum_and_not_line_by_line() -> None:
    three_lines = [Priced(Money(33, "EUR"), flat(Decimal(19)))] * 3
    # Line by line it would be 3 × round(6.27) = 18.
    assert totals(three_lines, "EUR").tax == Money(19, "EUR")


@pytest.mark.parametrize(
    ("net", "currency", "rate", "tax"),
    [
        (Money(1250, "EUR"), "EUR", "21", 263),  # 262.5, half away from zero
        (Money(-1250, "EUR"), "EUR", "21", -263),
        (Money(1005, "JPY"), "JPY", "10", 101),  # 100.5
        (Money(12345, "KWD"), "KWD", "5", 617),  # 617.25
        (Money(1, "EUR"), "EUR", "21", 0),
    ],
)
def test_tax_is_rounded_half_away_from_zero(net: Money, currency: str, rate: str, tax: int) -> None:
    assert tax_on(net, flat_rate(Decimal(rate))) == Money(tax, currency)


def test_each_rate_of_a_document_has_a_subtotal_of_its_own() -> None:
    standard, reduced, zero = (flat(Decimal(rate)) for rate in ("21", "9", "0"))
    lines = [(Money(100, "EUR"), reduced), (Money(200, "EUR"), zero), (Money(300, "EUR"), standard)]
    assert [
        (Tax((s.tax,)), s.net.minor, s.amount.minor) for s in tax_subtotals([*lines, (Money(50, "EUR"), reduced)])
    ] == [
        (standard, 300, 63),
        (reduced, 150, 14),
        (zero, 200, 0),
    ]
    assert zero.category == "Z"


@pytest.mark.parametrize("rate", ["-1", "100.1"])
def test_a_rate_beyond_a_hundred_per_cent_is_no_tax_rate(rate: str) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        TaxRate("S", Decimal(rate))


def test_a_document_without_lines_comes_to_nothing() -> None:
    assert totals([], "EUR").total == Money(0, "EUR")
