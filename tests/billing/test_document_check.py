"""Documents are sound, whatever is on them; and what is not sound is named by the rule that it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.document_check import Document, LineSum, check
from billing.invoices import Totals, totals
from billing.tax import Priced, Tax, TaxRate, TaxSubtotal, flat
from core.money import Money, split_minor

CURRENCIES = st.sampled_from(["JPY", "EUR", "KWD"])
NOTED = [
    Tax((TaxRate(category, Decimal(0), reason=f"VATEX-EU-{code}"),))
    for category, code in (("E", "132"), ("AE", "AE"), ("G", "G"), ("K", "IC"))
]
PLAIN = [flat(Decimal(rate)) for rate in ("0", "2.1", "5.5", "7", "9.5", "13.5", "19", "21", "25.5", "27")]
STATE, COUNTY, CITY = (
    TaxRate("S", Decimal(rate), place) for rate, place in (("4", "NY"), ("0.375", "MCTD"), ("4.5", "New York"))
)
STACKED = [Tax((STATE,)), Tax((STATE, COUNTY)), Tax((STATE, COUNTY, CITY)), Tax((STATE, CITY))]


def lines_of(taxes: Sequence[Tax], inclusive: st.SearchStrategy[bool]) -> st.SearchStrategy[list[Priced]]:
    """Lines of one currency-less kind; amounts are given their currency where they are used."""
    amounts = st.one_of(st.integers(-500, 2_000), st.integers(-(10**9), 10**11))
    line = st.tuples(amounts, st.sampled_from(taxes), inclusive)
    return st.lists(line.map(lambda told: Priced(Money(told[0], "EUR"), told[1], told[2])), min_size=1, max_size=30)


def in_currency(lines: list[Priced], currency: str) -> list[Priced]:
    return [replace(line, amount=Money(line.amount.minor, currency)) for line in lines]


def document(lines: list[Priced], result: Totals, currency: str) -> Document:
    sums: dict[tuple[Tax, bool], LineSum] = {}
    for line, net in zip(lines, result.nets, strict=True):
        before = sums.get((line.tax, line.inclusive), LineSum(line.tax, line.inclusive, 0, 0))
        sums[line.tax, line.inclusive] = replace(
            before, net=before.net + net.minor, charged=before.charged + line.amount.minor
        )
    return Document(
        currency,
        list(sums.values()),
        result.taxes,
        *(result.net.minor, result.tax.minor, result.rounding.minor, result.total.minor, result.total.minor),
        seller_tax_id="NL004495445B01",
        buyer_tax_id="DE136695976",
    )


@given(lines_of(PLAIN + NOTED, st.booleans()), CURRENCIES)
def test_every_document_is_sound(lines: list[Priced], currency: str) -> None:
    lines = in_currency(lines, currency)
    assert check(document(lines, totals(lines, currency), currency)) == ()


@given(lines_of(STACKED, st.booleans()), CURRENCIES)
def test_every_document_of_stacked_rates_is_sound(lines: list[Priced], currency: str) -> None:
    lines = in_currency(lines, currency)
    result = totals(lines, currency)
    assert check(document(lines, result, currency)) == ()
    state = sum(net.minor for line, net in zip(lines, result.nets, strict=True) if STATE in line.tax.rates)
    assert [tax.net.minor for tax in result.taxes if tax.tax == STATE] == [state]


@given(lines_of(PLAIN + STACKED, st.just(False)), CURRENCIES)
def test_prices_without_tax_leave_nothing_to_round(lines: list[Priced], currency: str) -> None:
    result = totals(in_currency(lines, currency), currency)
    assert result.rounding.minor == 0
    assert [net.minor for net in result.nets] == [line.amount.minor for line in lines]


@given(lines_of(PLAIN, st.just(True)), CURRENCIES)
def test_prices_with_tax_come_to_what_they_say(lines: list[Priced], currency: str) -> None:
    result = totals(in_currency(lines, currency), currency)
    assert result.total.minor == sum(line.amount.minor for line in lines)
    assert abs(result.rounding.minor) <= len(result.taxes)
    for line, net in zip(lines, result.nets, strict=True):
        exact = line.amount.minor * 100 / (100 + line.tax.rate)
        assert abs(net.minor - exact) <= 1  # a line is within a minor unit of its own share


@given(lines_of(PLAIN + STACKED, st.booleans()), CURRENCIES)
def test_the_mirror_of_a_document_gives_all_of_it_back(lines: list[Priced], currency: str) -> None:
    there = totals(in_currency(lines, currency), currency)
    back = totals([replace(line, amount=-line.amount) for line in in_currency(lines, currency)], currency)
    assert (back.net, back.tax, back.total, back.rounding) == (-there.net, -there.tax, -there.total, -there.rounding)


@given(lines_of(PLAIN, st.booleans()), CURRENCIES, st.integers(1, 10**6))
def test_a_reduction_that_is_shared_over_lines_leaves_the_document_sound(
    lines: list[Priced], currency: str, off: int
) -> None:
    lines = in_currency(lines, currency)
    weights = [max(0, line.amount.minor) for line in lines]
    if not any(weights):
        return
    shares = split_minor(min(off, sum(weights)), weights)
    reduced = [
        replace(line, amount=line.amount - Money(share, currency)) for line, share in zip(lines, shares, strict=True)
    ]
    assert check(document(reduced, totals(reduced, currency), currency)) == ()


def test_three_prices_of_one_cent_with_tax_are_three_cents() -> None:
    lines = [Priced(Money(1, "EUR"), flat(Decimal(21)), inclusive=True)] * 3
    result = totals(lines, "EUR")
    assert (result.net.minor, result.tax.minor, result.rounding.minor, result.total.minor) == (2, 0, 1, 3)
    assert [net.minor for net in result.nets] == [1, 1, 0]


STANDARD = flat(Decimal(21))
SOUND = Document(
    currency="EUR",
    lines=[LineSum(STANDARD, False, 1000, 1000)],
    taxes=[TaxSubtotal(STANDARD.rates[0], Money(1000, "EUR"), Money(210, "EUR"))],
    net=1000,
    tax=210,
    rounding=0,
    total=1210,
    due=1210,
    seller_tax_id="NL004495445B01",
)


def breakdown(category: str, net: int, amount: int, rate: str = "0", note: str = "") -> TaxSubtotal:
    tax = TaxRate(category, Decimal(rate), note=note)
    return TaxSubtotal(tax, Money(net, "EUR"), Money(amount, "EUR"))


def untaxed(category: str, note: str = "why") -> Document:
    taxes = [breakdown(category, 1000, 0, note=note)]
    lines = [LineSum(Tax((taxes[0].tax,)), False, 1000, 1000)]
    return replace(SOUND, lines=lines, taxes=taxes, tax=0, total=1000, due=1000, buyer_tax_id="DE136695976")


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, set()),
        ({"net": 999, "total": 1209, "due": 1209}, {"BR-CO-10", "BR-CO-13", "rounding"}),
        ({"tax": 211, "total": 1211, "due": 1211}, {"BR-CO-14", "rounding"}),
        ({"total": 1211, "due": 1211}, {"BR-CO-15", "rounding"}),
        ({"due": 1209}, {"BR-CO-16"}),
        ({"paid": 10, "due": 1200}, set()),
        (
            {"taxes": [breakdown("S", 1000, 211, "21")], "tax": 211, "total": 1211, "due": 1211},
            {"BR-CO-17", "rounding"},
        ),
        ({"taxes": [], "tax": 0, "total": 1000, "due": 1000}, {"BR-CO-18", "BR-S-01", "rounding"}),
        (
            {"taxes": [breakdown("S", 900, 189, "21")], "tax": 189, "total": 1189, "due": 1189},
            {"BR-S-08", "rounding"},
        ),
        ({"taxes": [*SOUND.taxes, breakdown("S", 0, 0, "21")]}, {"BR-S-01"}),
        ({"taxes": [breakdown("S", 1000, 210, "21", "why")]}, {"BR-S-10"}),
        ({"rounding": 1, "total": 1211, "due": 1211}, {"rounding"}),
        ({"lines": [LineSum(STANDARD, False, 1000, 1001)]}, {"net", "rounding"}),
        ({"lines": [LineSum(STANDARD, True, 1000, 1190)]}, {"net", "rounding"}),
    ],
)
def test_a_document_that_is_not_sound_is_told_by_its_rule(changes: dict[str, object], rules: set[str]) -> None:
    assert {broken.rule for broken in check(replace(SOUND, **changes))} == rules  # type: ignore[arg-type]


@pytest.mark.parametrize("category", ["E", "AE", "G", "O", "K"])
def test_no_tax_is_due_only_for_a_reason(category: str) -> None:
    name = "IC" if category == "K" else category
    assert check(untaxed(category)) == ()
    assert {broken.rule for broken in check(untaxed(category, note=""))} == {f"BR-{name}-10"}


def test_zero_rated_needs_no_reason_and_has_none() -> None:
    assert check(untaxed("Z", note="")) == ()
    assert [broken.rule for broken in check(untaxed("Z"))] == ["BR-Z-10"]


@pytest.mark.parametrize("category", ["AE", "K"])
def test_both_numbers_stand_on_a_document_whose_tax_the_buyer_owes(category: str) -> None:
    name = "IC" if category == "K" else category
    for missing in ("seller_tax_id", "buyer_tax_id"):
        assert [b.rule for b in check(replace(untaxed(category), **{missing: ""}))] == [f"BR-{name}-02"]  # type: ignore[arg-type]


def test_tax_of_a_category_that_takes_none_is_found() -> None:
    odd = replace(untaxed("AE"), taxes=[breakdown("AE", 1000, 5, note="why")], tax=5, total=1005, due=1005)
    assert {"BR-AE-09", "BR-CO-17"} <= {broken.rule for broken in check(odd)}


def test_what_is_outside_the_scope_stands_alone() -> None:
    outside = untaxed("O")
    mixed = replace(
        outside,
        lines=[*outside.lines, *SOUND.lines],
        taxes=[*outside.taxes, *SOUND.taxes],
        net=2000,
        tax=210,
        total=2210,
        due=2210,
    )
    assert {broken.rule for broken in check(mixed)} == {"BR-O-11", "BR-O-12"}


def test_parts_of_an_invoice_may_be_a_minor_unit_off_their_own_lines() -> None:
    part = replace(SOUND, taxes=[breakdown("S", 1000, 211, "21")], tax=211, total=1211, due=1211, whole=False)
    assert check(part) == ()
    assert [
        b.rule for b in check(replace(part, taxes=[breakdown("S", 1000, 212, "21")], tax=212, total=1212, due=1212))
    ]
