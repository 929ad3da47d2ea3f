"""What a line shows of the charge it stands for."""

from decimal import Decimal

import pytest

from billing.lines import quality, quality_note, unit_price, words


def test_a_line_shows_its_unit_price_where_one_price_made_the_amount() -> None:
    assert unit_price({"parts": [{"quantity": "3", "unit_price": "0.25", "exact": "0.75"}]}) == Decimal("0.25")


def test_a_line_of_a_bundle_shows_what_it_takes_off() -> None:
    parts = [{"quantity": "3", "unit_price": "310", "exact": "930"}]
    assert unit_price({"parts": parts, "discount": "12.5"}) == Decimal("271.25")
    assert words("Rack", Decimal("12.5")) == "Rack, less 12.5 %"
    assert (words("Rack", Decimal(100)), words("Rack", Decimal(0))) == ("Rack, included", "Rack")


@pytest.mark.parametrize(
    "inputs",
    [
        {"parts": [{"unit_price": "1", "exact": "10"}, {"unit_price": "0.5", "exact": "2.5"}]},
        {"parts": [{"amount_price": "450", "exact": "450"}]},
        {"parts": []},
        {"used": None},
    ],
)
def test_a_line_of_several_prices_or_none_shows_no_unit_price(inputs: dict[str, object]) -> None:
    assert unit_price(inputs) is None


def shares(**parts: str) -> dict[str, str]:
    return {"measured": "0", "interpolated": "0", "estimated": "0", "substituted": "0", "invalid": "0", **parts}


@pytest.mark.parametrize(
    ("stored", "note"),
    [
        (None, ""),
        (shares(measured="100"), ""),
        (shares(), ""),
        (shares(measured="88", estimated="12"), "12 % estimated"),
        (shares(measured="999", interpolated="1"), "under 1 % interpolated"),
        (shares(estimated="50", substituted="50"), "50 % estimated, 50 % substituted"),
        (shares(measured="2", estimated="1", invalid="-400"), "33 % estimated"),
    ],
)
def test_a_line_says_what_share_of_its_quantity_was_not_simply_measured(
    stored: dict[str, str] | None, note: str
) -> None:
    assert quality_note(stored) == note


def test_what_is_not_metered_has_no_quality() -> None:
    assert quality({"parts": []}) is None
    assert quality({"usage": {"quality": shares(measured="1")}}) == shares(measured="1")


def test_what_was_priced_by_an_estimated_index_is_told_on_the_line() -> None:
    parts = [{"quantity": "6", "exact": "1"}, {"quantity": "2", "exact": "1", "estimated": True}]
    stored = quality({"parts": parts, "usage": {"quality": shares(measured="8")}})
    assert stored == {**shares(measured="8"), "price_estimated": "2"}
    assert quality_note(stored) == "25 % at an estimated price"
