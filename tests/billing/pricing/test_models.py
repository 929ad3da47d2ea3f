"""Every pricing model's own examples are its contract tests; what holds for all of them is tested here too."""

from __future__ import annotations

import importlib
import pkgutil
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import billing.pricing
from billing.metered import plain
from billing.modifier_examples import EXAMPLES as MODIFIED
from billing.price import parse_price, schema
from billing.pricing_model import BadExample, BadUsage, Example, PricingModel, models
from core.decimals import EXACT, exact, format_decimal
from core.errors import Invalid, Refused

EXAMPLES = [pytest.param(e, id=f"{m.name}: {e.why}") for m in models().values() for e in m.examples]
AROUND = [pytest.param(e, id=f"around: {e.why}") for e in MODIFIED]
NO_PRICE = [pytest.param(e, id=f"{m.name}: {e.why}") for m in models().values() for e in m.no_price]
REFUSALS = [pytest.param(e, id=f"{m.name}: {e.why}") for m in models().values() for e in m.refusals]


def test_every_file_of_the_family_is_a_model_with_examples_of_both_kinds() -> None:
    files = {info.name for info in pkgutil.iter_modules(billing.pricing.__path__) if not info.name.startswith("_")}
    assert files == set(models()) >= {"flat", "per_unit", "graduated"}
    for name in files:
        plugin: PricingModel = importlib.import_module(f"billing.pricing.{name}").PLUGIN
        assert plugin.name == name
        assert plugin.examples
        assert plugin.refusals


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_rates_as_it_says(example: Example) -> None:
    rating = parse_price(example.price).rate(example.usage)
    assert [part.as_json() for part in rating.parts] == list(example.parts)
    assert format_decimal(rating.total) == example.exact


@pytest.mark.parametrize("example", REFUSALS)
def test_a_bad_price_is_refused_at_the_member_that_is_wrong(example: BadExample) -> None:
    with pytest.raises(Invalid) as refused:
        parse_price(example.price, "/lines/3/price")
    first = refused.value.errors[0]
    assert (first.code, first.pointer) == (example.code, f"/lines/3/price{example.pointer}")


@pytest.mark.parametrize("example", NO_PRICE)
def test_usage_without_a_price_is_refused_when_it_is_rated(example: BadUsage) -> None:
    with pytest.raises(Refused) as refused:
        parse_price(example.price).rate(example.metered)
    assert refused.value.code == example.code


@pytest.mark.parametrize("model", models().values(), ids=lambda m: m.name)
def test_a_negative_quantity_is_refused_by_every_model(model: PricingModel) -> None:
    with pytest.raises(Refused) as refused:
        parse_price(model.examples[0].price).rate(plain(Decimal("-0.000001")))
    assert refused.value.code == "quantity_negative"


@pytest.mark.parametrize("name", ["tiered", "stair_step", "Flat", ""])
def test_a_model_that_is_not_known_names_those_that_are(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_price({"model": name, "tiers": []})
    assert [(e.code, e.pointer) for e in refused.value.errors] == [("pricing_model_unknown", "/model")]
    assert "graduated" in refused.value.detail


@pytest.mark.parametrize("body", [None, [], "flat", 3, {"amount_price": "1"}, {"model": 7}, {"model": ["flat"]}])
def test_what_is_no_price_at_all_is_refused_and_never_an_error_of_ours(body: object) -> None:
    with pytest.raises(Invalid):
        parse_price(body)


def test_all_wrong_members_are_named_at_once() -> None:
    tiers = [{"up_to": "5", "unit_price": 1}, {"up_to": "2", "price": "1"}]
    with pytest.raises(Invalid) as refused:
        parse_price({"model": "graduated", "tiers": tiers, "charge_flat_at_zero": "yes"})
    assert [(e.pointer, e.code) for e in refused.value.errors] == [
        ("/tiers/0/unit_price", "decimal_string_expected"),
        ("/tiers/1/up_to", "tier_not_rising"),
        ("/tiers/1/up_to", "tier_end_missing"),
        ("/tiers/1/price", "member_unknown"),
        ("/charge_flat_at_zero", "boolean_expected"),
    ]


def test_the_schema_of_a_price_covers_every_model() -> None:
    assert [option["title"] for option in schema()["oneOf"]] == list(models())


@pytest.mark.parametrize("example", EXAMPLES + AROUND)
def test_the_schema_takes_every_example_as_one_model(example: Example) -> None:
    price = {name: value for name, value in example.price.items() if value is not None}
    fitting = [option["title"] for option in schema()["oneOf"] if Draft202012Validator(option).is_valid(price)]
    assert fitting == [price["model"]]


MONEY = st.decimals(min_value=0, max_value=10**6, places=6)
BOUNDS = st.lists(st.decimals(min_value="0.001", max_value=10**6, places=3), min_size=0, max_size=6, unique=True)


@given(bounds=BOUNDS, prices=st.lists(MONEY, min_size=7, max_size=7), quantity=MONEY)
def test_graduated_equals_the_sum_of_its_tiers(bounds: list[Decimal], prices: list[Decimal], quantity: Decimal) -> None:
    ends: list[Decimal | None] = [*sorted(bounds), None]
    tiers = [
        {"up_to": None if end is None else format_decimal(end), "unit_price": format_decimal(price)}
        for end, price in zip(ends, prices, strict=False)
    ]
    parts = parse_price({"model": "graduated", "tiers": tiers}).rate(plain(quantity)).parts
    with exact():
        expected, floor = Decimal(0), Decimal(0)
        for end, price in zip(ends, prices, strict=False):
            inside = max(Decimal(0), (quantity if end is None else min(quantity, end)) - floor)
            expected += inside * price
            floor = end if end is not None else floor
        assert sum((p.exact for p in parts), Decimal(0)) == expected
        assert sum((p.quantity or Decimal(0) for p in parts), Decimal(0)) == quantity


@given(quantity=st.decimals(min_value=0, max_value=10**20, places=12), price=st.decimals(0, 10**20, places=12))
def test_no_digit_is_lost_however_long_the_numbers(quantity: Decimal, price: Decimal) -> None:
    parsed = parse_price({"model": "per_unit", "unit_price": format_decimal(price)})
    assert parsed.rate(plain(quantity)).parts[0].exact == EXACT.multiply(quantity, price)
