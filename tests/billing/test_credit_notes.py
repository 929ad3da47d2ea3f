"""Credit notes: whatever is given back of an invoice, in whatever steps, it comes to the invoice and never to more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.credit_notes import (
    Credit,
    Invoiced,
    InvoicedLine,
    Wanted,
    by_amount,
    by_lines,
    cap_on_giving_back,
    in_full,
    rest,
    share,
)
from billing.tax.amounts import Priced, tax_lines
from billing.tax.decision import Tax, TaxRate, flat
from core.errors import Invalid
from core.money import Money

VAT = [flat(Decimal(rate)) for rate in ("21", "9", "0", "7.7", "25.5")]
SALES_TAX = [
    Tax(tuple(TaxRate("S", Decimal(rate), place) for place, rate in places))
    for places in (
        (("NY", "4"), ("NYC", "4.5"), ("MCTD", "0.375")),
        (("NY", "4"), ("Albany", "4")),
        (("NY", "4"),),
    )
]
CURRENCIES = st.sampled_from(["JPY", "EUR", "KWD"])
AMOUNTS = st.integers(1, 300) | st.integers(1, 10**9)


def invoiced(lines: Sequence[Priced], currency: str, quantity: str = "4") -> Invoiced:
    """A final invoice of these lines that nothing was credited of."""
    taxed = tax_lines(lines, currency)
    return Invoiced(
        currency,
        tuple(
            InvoicedLine(UUID(int=i), net.minor, line.amount.minor, Decimal(quantity), line.tax)
            for i, (line, net) in enumerate(zip(lines, taxed.nets, strict=True))
        ),
        {tax.tax: tax.amount.minor for tax in taxed.taxes},
        taxed.rounding.minor,
    )


def after(document: Invoiced, credit: Credit) -> Invoiced:
    """The same invoice once a credit note has been issued."""
    gone = {line.line_id: line for line in credit.lines}
    taxes = dict(document.credited_taxes)
    for tax in credit.taxes:
        taxes[tax.tax] = taxes.get(tax.tax, 0) + tax.amount.minor
    return replace(
        document,
        lines=tuple(
            replace(
                line,
                credited_amount=line.credited_amount + gone[line.id].amount,
                credited_charged_amount=line.credited_charged_amount + gone[line.id].charged_amount,
                credited_quantity=line.credited_quantity + (gone[line.id].quantity or 0),
            )
            if line.id in gone
            else line
            for line in document.lines
        ),
        credited_taxes=taxes,
        credited_rounding_amount=document.credited_rounding_amount + credit.rounding.minor,
    )


@st.composite
def documents(draw: st.DrawFn, *, losses: bool = True) -> Invoiced:
    """Invoices of a total above zero: net and gross prices, rates alone and stacked, and a line that takes off."""
    currency = draw(CURRENCIES)
    taxes = draw(st.sampled_from([VAT, SALES_TAX, VAT[:1], SALES_TAX[:1]]))
    lines = draw(
        st.lists(
            st.builds(
                lambda amount, tax, inclusive: Priced(Money(amount, currency), tax, inclusive),
                AMOUNTS,
                st.sampled_from(taxes),
                st.booleans(),
            ),
            min_size=1,
            max_size=7,
        )
    )
    if losses and draw(st.booleans()):
        first = lines[0]
        lines.append(replace(first, amount=Money(-draw(st.integers(0, first.amount.minor - 1)), currency)))
    return invoiced(lines, currency)


@dataclass(frozen=True)
class Step:
    """One wish: a part of the rest in thousandths, by amount, by line, or by quantity."""

    way: str
    part: int
    line: int


STEPS = st.lists(
    st.builds(Step, st.sampled_from(["amount", "line", "quantity"]), st.integers(1, 1000), st.integers(0, 6)),
    max_size=8,
)


def give(document: Invoiced, step: Step) -> Credit:
    """The credit of a step; asks for what may be refused."""
    if step.way == "amount":
        return by_amount(document, max(1, rest(document) * step.part // 1000))
    line = document.lines[step.line % len(document.lines)]
    if step.way == "line":
        sign = 1 if line.rest >= 0 else -1
        return by_lines(document, [Wanted(line.id, amount=sign * max(1, abs(line.rest) * step.part // 1000))])
    return by_lines(document, [Wanted(line.id, quantity=line.rest_quantity * step.part / 1000)])


def adds_up(credit: Credit) -> bool:
    net = sum(line.amount for line in credit.lines)
    taxes = sum(tax.amount.minor for tax in credit.taxes)
    return (net, net + taxes + credit.rounding.minor) == (credit.net.minor, credit.total.minor)


@given(documents())
def test_a_credit_in_full_is_the_mirror_of_its_invoice(document: Invoiced) -> None:
    credit = in_full(document)
    assert {line.line_id: line.amount for line in credit.lines} == {
        line.id: line.amount for line in document.lines if line.amount
    }
    assert {tax.tax: tax.amount.minor for tax in credit.taxes if tax.amount.minor} == {
        rate: amount for rate, amount in document.taxes.items() if amount
    }
    assert (credit.rounding.minor, credit.total.minor) == (document.rounding_amount, document.total)


@settings(max_examples=400)
@given(documents(), STEPS)
def test_any_partial_credits_add_up_to_the_invoice_and_never_exceed_it(document: Invoiced, steps: list[Step]) -> None:
    for step in steps:
        try:
            credit = give(document, step)
        except Invalid:
            continue
        assert adds_up(credit)
        assert 0 < credit.total.minor <= document.total - document.credited
        assert abs(credit.rounding.minor) <= len(document.taxes)
        document = after(document, credit)
        check_within(document)
    if document.credited < document.total:
        document = after(document, in_full(document))
    assert document.credited == document.total
    assert document.credited_rounding_amount == document.rounding_amount
    assert all(line.credited_amount == line.amount for line in document.lines)
    assert all(document.credited_taxes.get(rate, 0) == amount for rate, amount in document.taxes.items())
    assert all(line.credited_charged_amount == line.charged_amount for line in document.lines if line.amount)


def check_within(document: Invoiced) -> None:
    """No line, no tax and no total is credited beyond what was invoiced."""
    assert document.credited <= document.total
    for line in document.lines:
        assert min(0, line.amount) <= line.credited_amount <= max(0, line.amount)
    for rate, amount in document.taxes.items():
        assert min(0, amount) <= document.credited_taxes.get(rate, 0) <= max(0, amount)


@given(documents(losses=False), st.integers(1, 10**6))
def test_a_credit_by_amount_comes_to_that_amount_to_the_cent(document: Invoiced, wanted: int) -> None:
    amount = 1 + wanted % document.total
    if document.total < 10:
        return  # of a few minor units some amounts have no lines
    credit = by_amount(document, amount)
    assert credit.total.minor == amount
    if amount < document.total:
        assert abs(credit.rounding.minor) <= len(document.taxes)


@given(documents(losses=False), st.lists(st.integers(1, 999), min_size=1, max_size=20))
def test_rounding_does_not_pile_up_over_many_credits_by_amount(document: Invoiced, parts: list[int]) -> None:
    for part in parts:
        left = rest(document)
        try:
            document = after(document, by_amount(document, max(1, left * part // 1000)))
        except Invalid:
            break
        assert abs(document.credited_rounding_amount) <= len(document.taxes)


@given(documents(losses=False))
def test_lines_that_were_given_back_by_later_documents_are_credited_for_the_rest_only(document: Invoiced) -> None:
    first, *others = document.lines
    corrected = replace(document, lines=(replace(first, given_back_amount=first.amount - first.amount // 2), *others))
    if all(line.rest == 0 for line in corrected.lines):
        return
    credit = in_full(corrected)
    assert sum(line.amount for line in credit.lines if line.line_id == first.id) == first.amount // 2
    assert credit.total.minor <= document.total
    with pytest.raises(Invalid, match="credit_exceeds_rest"):
        by_lines(corrected, [Wanted(first.id, amount=first.amount // 2 + 1)])


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=12), st.integers(0, 10**6))
def test_a_share_takes_from_each_no_more_than_it_has(rests: list[int], wanted: int) -> None:
    whole = sum(rests)
    if whole <= 0:
        return
    amount = wanted % (whole + 1)
    parts = share(amount, rests)
    assert sum(parts) == amount
    assert all(min(0, r) <= part <= max(0, r) for part, r in zip(parts, rests, strict=True))


def lines_of(*amounts: int, quantity: str = "4") -> Invoiced:
    return invoiced([Priced(Money(amount, "EUR"), VAT[0]) for amount in amounts], "EUR", quantity)


def test_the_tax_of_three_thirds_is_the_tax_of_the_whole() -> None:
    document, taxes = lines_of(33, 33, 33), []
    for line in document.lines:
        credit = by_lines(document, [Wanted(line.id)])
        taxes.append(credit.taxes[0].amount.minor)
        document = after(document, credit)
    assert (taxes, document.taxes[VAT[0].rates[0]]) == ([7, 7, 7], 21)  # 6.93, 13.86, 20.79


def test_three_of_seven_racks_by_quantity_and_then_the_rest_come_to_the_line() -> None:
    document = lines_of(10000, quantity="7")
    line = document.lines[0].id
    three = by_lines(document, [Wanted(line, quantity=Decimal(3))])
    assert (three.net.minor, three.lines[0].quantity) == (4286, Decimal(3))
    four = by_lines(after(document, three), [Wanted(line, quantity=Decimal(4))])
    assert four.net.minor == 5714
    with pytest.raises(Invalid, match="credit_exceeds_rest"):
        by_lines(after(document, three), [Wanted(line, quantity=Decimal("4.000001"))])


def test_an_amount_that_no_net_amount_comes_to_is_rounded_and_evens_out_later() -> None:
    document = lines_of(10000)
    three = by_amount(document, 3)  # 2 come to 2, and 3 to 4
    assert (three.net.minor, three.taxes[0].amount.minor, three.rounding.minor, three.total.minor) == (2, 0, 1, 3)
    one = by_amount(after(document, three), 1)
    assert (one.net.minor, one.taxes[0].amount.minor, one.rounding.minor) == (1, 1, -1)


@pytest.mark.parametrize(
    ("wanted", "code", "pointer"),
    [
        ([Wanted(UUID(int=9))], "line_unknown", "/lines/0/line"),
        ([Wanted(UUID(int=0)), Wanted(UUID(int=0))], "line_repeated", "/lines/1/line"),
        ([Wanted(UUID(int=0), amount=101)], "credit_exceeds_rest", "/lines/0/amount"),
        ([Wanted(UUID(int=0), amount=-1)], "credit_exceeds_rest", "/lines/0/amount"),
        ([Wanted(UUID(int=1), amount=1)], "credit_exceeds_rest", "/lines/0/amount"),
        ([Wanted(UUID(int=0), quantity=Decimal("4.1"))], "credit_exceeds_rest", "/lines/0/quantity"),
        ([Wanted(UUID(int=0))], "credit_exceeds_rest", "/lines"),  # 100 of 60, while 40 stay taken off
    ],
)
def test_more_than_is_left_is_refused_and_named(wanted: list[Wanted], code: str, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        by_lines(lines_of(100, -40), wanted)
    assert (refused.value.code, refused.value.errors[0].pointer) == (code, pointer)


def test_what_is_credited_in_full_cannot_be_credited_again() -> None:
    document = after(lines_of(100), in_full(lines_of(100)))
    for again in (lambda: in_full(document), lambda: by_amount(document, 1)):
        with pytest.raises(Invalid, match="nothing_to_credit"):
            again()


@pytest.mark.parametrize(
    ("back", "billed", "credited", "given"),
    [
        (-225, 450, 0, -225),
        (-225, 450, 100, -225),  # 350 are left, more than is given back
        (-225, 450, 300, -150),
        (-225, 450, 450, 0),
        (-10, 225, 450, 0),  # an earlier change gave back a part already
        (80, 450, 450, 80),
    ],
)
def test_a_later_change_gives_back_no_more_than_credit_notes_left(
    back: int, billed: int, credited: int, given: int
) -> None:
    assert cap_on_giving_back(back, billed, credited) == given
