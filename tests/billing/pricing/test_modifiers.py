"""The members that any usage price may carry: worked examples, and what holds for any usage and any share of a span."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.metered import Metered, Piece, plain
from billing.modifier_examples import EXAMPLES, REFUSALS
from billing.price import parse_price
from billing.pricing_model import BadExample, Example, models
from billing.proration import WHOLE, Share
from core.decimals import EXACT, exact, format_decimal
from core.errors import Invalid, Refused
from core.money import round_line

ZERO = Decimal(0)


@pytest.mark.parametrize("example", [pytest.param(e, id=e.why) for e in EXAMPLES])
def test_an_example_rates_as_it_says(example: Example) -> None:
    rating = parse_price(example.price).rate(example.usage)
    assert [part.as_json() for part in rating.parts] == list(example.parts)
    assert format_decimal(rating.total) == example.exact


@pytest.mark.parametrize("example", [pytest.param(e, id=e.why) for e in REFUSALS])
def test_a_bad_member_is_refused_where_it_is_wrong(example: BadExample) -> None:
    with pytest.raises(Invalid) as refused:
        parse_price(example.price, "/p")
    first = refused.value.errors[0]
    assert (first.code, first.pointer) == (example.code, f"/p{example.pointer}")


def test_a_committed_ten_kilowatts_over_the_hours_of_an_october_in_amsterdam() -> None:
    """metering.md case 45: the month has 745 hours, so that 7450 kWh are committed."""
    over = {"model": "per_unit", "unit_price": "0.4"}
    price = {"model": "per_unit", "unit_price": "0.25", "commitment": {"quantity": "7450", "overage": over}}
    assert parse_price(price).rate(plain(Decimal(8100))).total == Decimal("2122.5")


QUANTITIES = st.lists(st.decimals(-100, 1000, places=3), max_size=8)
AMOUNT = st.decimals(0, 2000, places=3)
PRICE = st.decimals(0, 10, places=4)
SHARES = st.integers(1, 31).flatmap(lambda whole: st.builds(Share, st.integers(1, whole), st.just(whole)))


def used(quantities: list[Decimal], share: Share = WHOLE) -> Metered:
    return Metered(tuple(Piece(quantity, count=1) for quantity in quantities), share=share)


@given(quantities=QUANTITIES, cut=AMOUNT)
def test_what_comes_first_and_what_comes_after_make_the_whole(quantities: list[Decimal], cut: Decimal) -> None:
    metered = used(quantities)
    first, after = metered.first(cut).total, metered.after(cut).total
    if metered.total >= 0:
        assert first == min(cut, metered.total)
        assert after == max(ZERO, EXACT.subtract(metered.total, cut))
        assert metered.first(cut).count + metered.after(cut).count == metered.count


@given(quantities=QUANTITIES, multiplier=PRICE, included=AMOUNT, unit_price=PRICE, share=SHARES)
def test_multiplied_rounded_and_freed_in_this_order(
    quantities: list[Decimal], multiplier: Decimal, included: Decimal, unit_price: Decimal, share: Share
) -> None:
    metered = used(quantities, share)
    if metered.total < 0:
        return
    texts = [format_decimal(each) for each in (multiplier, included, unit_price)]
    price: dict[str, Any] = {"model": "per_unit", "multiplier": texts[0], "included": texts[1], "unit_price": texts[2]}
    price |= {"round_quantity": {"mode": "up", "to": "0.5"}}
    with exact():
        twice = (metered.total * multiplier * 2).to_integral_value(ROUND_CEILING)  # half units
        scaled = Decimal(round_half_up(int(included.scaleb(12)) * share.numerator, share.denominator)).scaleb(-12)
        expected = max(ZERO, twice / 2 - scaled) * unit_price
    assert parse_price(price).rate(metered).total == expected


def round_half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


@given(quantities=QUANTITIES, committed=AMOUNT, unit_price=PRICE, overage=PRICE, take_or_pay=st.booleans())
def test_a_commitment_prices_every_unit_once(
    quantities: list[Decimal], committed: Decimal, unit_price: Decimal, overage: Decimal, take_or_pay: bool
) -> None:
    metered = used(quantities)
    if metered.total < 0 or committed == 0:
        return
    commitment: dict[str, Any] = {"quantity": format_decimal(committed), "take_or_pay": take_or_pay}
    commitment["overage"] = {"model": "per_unit", "unit_price": format_decimal(overage)}
    price = {"model": "per_unit", "unit_price": format_decimal(unit_price), "commitment": commitment}
    with exact():
        within = committed if take_or_pay else min(committed, metered.total)
        expected = within * unit_price + max(ZERO, metered.total - committed) * overage
    assert parse_price(price).rate(metered).total == expected


@given(quantity=AMOUNT, least=PRICE, more=PRICE, share=SHARES)
def test_an_amount_lies_between_its_minimum_and_maximum(
    quantity: Decimal, least: Decimal, more: Decimal, share: Share
) -> None:
    bounds = {"minimum_amount_price": format_decimal(least)}
    bounds["maximum_amount_price"] = format_decimal(EXACT.add(least, more))
    total = parse_price({"model": "per_unit", "unit_price": "0.01", **bounds}).rate(plain(quantity, share=share)).total
    lower, upper = (round_line(share.of(bound), "KWD") for bound in (least, EXACT.add(least, more)))
    assert lower.minor <= round_line(total, "KWD").minor <= upper.minor


def every_example() -> list[Any]:
    return [
        pytest.param(example, id=f"{name}: {example.why}")
        for name, model in models().items()
        for example in model.examples
        if "commitment" not in example.price and "included" not in example.price
    ]


@pytest.mark.parametrize("example", every_example())
def test_any_model_may_carry_them_and_the_parts_still_add_up(example: Example) -> None:
    around = {"multiplier": "3", "included": "1", "maximum_amount_price": "4"}
    over = {"model": "flat", "amount_price": "1"}
    price = {**example.price, **around, "commitment": {"quantity": "2", "overage": over}}
    rating = parse_price(price).rate(example.usage)
    assert rating.total <= 4
    with exact():
        assert rating.total == sum((part.exact for part in rating.parts), ZERO)
    assert [step["step"] for step in rating.steps] == ["multiplier", "included", "commitment"]


@pytest.mark.parametrize("example", every_example())
def test_numbers_beyond_all_measure_are_refused_and_nothing_else_happens(example: Example) -> None:
    huge = "9" * 26 + ".999999999999"
    over = {"model": "percentage", "rate": huge, "fixed_price": huge, "free_amount": "0.000000000001"}
    price = {**example.price, "multiplier": huge, "commitment": {"quantity": huge, "overage": over}}
    try:
        parse_price(price).rate(
            example.usage.changed(lambda piece: Piece(Decimal(huge), piece.period, piece.properties))
        )
    except Refused as refused:
        assert refused.code in ("amount_out_of_range", "quantity_beyond_last_step", "no_cell")  # noqa: PT017
