"""Figures as a locale writes them, never rounded on the way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import CURRENCIES, exponent
from core.period import Period, parse_instant
from exports.figures import Figures


@pytest.mark.parametrize(
    ("locale", "currency", "minor", "shown"),
    [
        ("en-GB", "EUR", 123450, "€1,234.50"),
        ("en", "EUR", -50, "−€0.50"),
        ("en-US", "JPY", 1235, "¥1,235"),
        ("en-GB", "KWD", 1500, "KWD 1.500"),
        ("de-DE", "EUR", 123450, "1.234,50 €"),
        ("nl-NL", "EUR", -123450, "€ −1.234,50"),
        ("xx-nonsense", "EUR", 100, "€1.00"),
    ],
)
def test_money_has_the_decimals_of_its_currency(locale: str, currency: str, minor: int, shown: str) -> None:
    assert Figures.of(locale, "UTC", currency).money(minor).replace("\N{NO-BREAK SPACE}", " ") == shown


@given(minor=st.integers(-(2**63), 2**63 - 1), currency=st.sampled_from(sorted(CURRENCIES)))
def test_an_amount_shown_reads_back_as_the_amount(minor: int, currency: str) -> None:
    shown = Figures.of("en-GB", "UTC", currency).amount(minor).replace(",", "").replace("−", "-")
    assert int(Decimal(shown).scaleb(exponent(currency))) == minor


@given(st.decimals(min_value=0, max_value=Decimal(10) ** 25, places=12))
def test_a_quantity_is_shown_whole_however_long_it_is(quantity: Decimal) -> None:
    number, unit = Figures.of("en-GB", "UTC", "EUR").quantity(quantity, "kWh").split("\N{NO-BREAK SPACE}")
    assert Decimal(number.replace(",", "")) == quantity
    assert unit == "kWh"


def test_a_unit_price_keeps_its_small_digits_and_its_cents() -> None:
    figures = Figures.of("en-GB", "UTC", "EUR")
    assert [figures.price(Decimal(p)) for p in ("450", "0.25", "0.123456789012")] == [
        "450.00",
        "0.25",
        "0.123456789012",
    ]


def test_a_span_is_shown_by_its_local_days_with_the_last_one_included() -> None:
    figures = Figures.of("en-GB", "Europe/Amsterdam", "EUR")
    january = Period(parse_instant("2025-12-31T23:00:00Z"), parse_instant("2026-01-31T23:00:00Z"))
    one_day = Period(parse_instant("2026-03-28T23:00:00Z"), parse_instant("2026-03-29T22:00:00Z"))  # of 23 hours
    assert figures.span(january) == "1–31 Jan 2026"
    assert figures.span(one_day) == "29 Mar 2026"
