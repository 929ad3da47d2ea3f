"""Worked examples of the members that any usage price may carry: contract tests and documentation, as a model's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.metered import Metered, Piece, plain
from billing.pricing_model import BadExample, Example
from billing.proration import Share
from core.period import Period


def _hours(*quantities: str) -> Metered:
    """Hours that follow each other from ten in the evening, UTC."""
    start, hour = datetime(2026, 3, 2, 22, tzinfo=UTC), timedelta(hours=1)
    pieces = (Piece(Decimal(q), Period(start + i * hour, start + (i + 1) * hour)) for i, q in enumerate(quantities))
    return Metered(tuple(pieces))


def _events(*quantities: str) -> Metered:
    """Events of an hour each."""
    return _hours(*quantities).changed(lambda piece: replace(piece, count=1))


def _priced(**members: Any) -> dict[str, Any]:
    return {"model": "per_unit", "unit_price": "0.25", **members}


_TWO = {"model": "per_unit", "unit_price": "2"}
_OVER = {"model": "per_unit", "unit_price": "0.4"}
_NIGHT = {
    "model": "time_of_use",
    "bands": [{"name": "night", "from": "23:00", "to": "07:00", "unit_price": "1"}],
    "otherwise": {"name": "day", "unit_price": "3"},
}
_SHARE = {"model": "percentage", "rate": "10", "fixed_price": "1"}
_CELLS = {
    "model": "matrix",
    "dimensions": ["size"],
    "cells": [{"size": "s", "unit_price": "2"}, {"size": "l", "unit_price": "1"}],
    "otherwise": {"unit_price": "1"},
}
_UP = {"mode": "up", "to": "1"}

EXAMPLES = [
    Example(
        why="a PUE of 1.4 makes 84 of 60 kWh",
        price=_priced(multiplier="1.4"),
        quantity="60",
        exact="21",
        parts=[{"quantity": "84", "unit_price": "0.25", "exact": "21"}],
    ),
    Example(
        why="an uplift of 8 % makes 64.8 of 60",
        price=_priced(multiplier="1.08"),
        quantity="60",
        exact="16.2",
        parts=[{"quantity": "64.8", "unit_price": "0.25", "exact": "16.2"}],
    ),
    Example(
        why="a started unit is a whole one",
        price=_priced(round_quantity=_UP),
        quantity="10.000001",
        exact="2.75",
        parts=[{"quantity": "11", "unit_price": "0.25", "exact": "2.75"}],
    ),
    Example(
        why="to the nearest ten, a half goes up",
        price=_priced(round_quantity={"mode": "nearest", "to": "10"}),
        quantity="25",
        exact="7.5",
        parts=[{"quantity": "30", "unit_price": "0.25", "exact": "7.5"}],
    ),
    Example(
        why="down to full hundreds",
        price=_priced(round_quantity={"mode": "down", "to": "100"}),
        quantity="199.999",
        exact="25",
        parts=[{"quantity": "100", "unit_price": "0.25", "exact": "25"}],
    ),
    Example(
        why="the multiplier comes before rounding, and what is included after it: 10 × 1.25 = 12.5, 13, 3",
        price=_priced(multiplier="1.25", round_quantity=_UP, included="10"),
        quantity="10",
        exact="0.75",
        parts=[{"quantity": "3", "unit_price": "0.25", "exact": "0.75"}],
    ),
    Example(
        why="less than what is included is free",
        price=_priced(included="100"),
        quantity="99.5",
        exact="0",
        parts=[{"quantity": "0", "unit_price": "0.25", "exact": "0"}],
    ),
    Example(
        why="what is included is used up in order of time: the day's hour first, so that one hour of night is left",
        price={**_NIGHT, "included": "3"},
        quantity=None,
        metered=_hours("2", "2"),
        exact="1",
        parts=[{"quantity": "1", "unit_price": "1", "band": "night", "exact": "1"}],
    ),
    Example(
        why="10 of 31 days have 10/31 of what is included",
        price=_priced(included="310"),
        quantity=None,
        metered=plain(Decimal(120), share=Share(10, 31)),
        exact="5",
        parts=[{"quantity": "20", "unit_price": "0.25", "exact": "5"}],
    ),
    Example(
        why="660 kWh above a commitment of 7440 pay the overage",
        price=_priced(commitment={"quantity": "7440", "overage": _OVER}),
        quantity="8100",
        exact="2124",
        parts=[
            {"quantity": "7440", "unit_price": "0.25", "exact": "1860"},
            {"quantity": "660", "unit_price": "0.4", "overage": True, "exact": "264"},
        ],
    ),
    Example(
        why="less than the commitment is paid as it was used",
        price=_priced(commitment={"quantity": "7440", "overage": _OVER}),
        quantity="6000",
        exact="1500",
        parts=[{"quantity": "6000", "unit_price": "0.25", "exact": "1500"}],
    ),
    Example(
        why="with take-or-pay all of it is paid",
        price=_priced(commitment={"quantity": "7440", "overage": _OVER, "take_or_pay": True}),
        quantity="6000",
        exact="1860",
        parts=[{"quantity": "7440", "unit_price": "0.25", "exact": "1860"}],
    ),
    Example(
        why="a 95th percentile of 130 Mbit/s over a commit of 100, of which nothing more is paid here: 30 × 2",
        price={**_TWO, "included": "100"},
        quantity="130",
        exact="60",
        parts=[{"quantity": "30", "unit_price": "2", "exact": "60"}],
    ),
    Example(
        why="the overage may be of another model",
        price=_priced(commitment={"quantity": "100", "overage": _NIGHT}),
        quantity=None,
        metered=_hours("90", "30"),
        exact="45",
        parts=[
            {"quantity": "100", "unit_price": "0.25", "exact": "25"},
            {"quantity": "20", "unit_price": "1", "band": "night", "overage": True, "exact": "20"},
        ],
    ),
    Example(
        why="within a slot, cells of the overage are used up in their order too: what is in none of them lies above",
        price=_priced(commitment={"quantity": "100", "overage": _CELLS}),
        quantity=None,
        metered=Metered(tuple(Piece(Decimal(60), properties={"size": size}) for size in ("l", "m", "s"))),
        exact="105",
        parts=[
            {"quantity": "100", "unit_price": "0.25", "exact": "25"},
            {"quantity": "20", "unit_price": "1", "cell": {"size": "l"}, "overage": True, "exact": "20"},
            {"quantity": "60", "unit_price": "1", "otherwise": True, "overage": True, "exact": "60"},
        ],
    ),
    Example(
        why="an amount below the minimum is lifted to it",
        price=_priced(minimum_amount_price="50"),
        quantity="100",
        exact="50",
        parts=[
            {"quantity": "100", "unit_price": "0.25", "exact": "25"},
            {"minimum_amount_price": "50", "exact": "25"},
        ],
    ),
    Example(
        why="half of a span has half of the minimum",
        price=_priced(minimum_amount_price="50"),
        quantity=None,
        metered=plain(Decimal(0), share=Share(1, 2)),
        exact="25",
        parts=[
            {"quantity": "0", "unit_price": "0.25", "exact": "0"},
            {"minimum_amount_price": "50", "exact": "25"},
        ],
    ),
    Example(
        why="an amount above the maximum is brought down to it, and minimum and maximum may be the same",
        price=_priced(minimum_amount_price="50", maximum_amount_price="50"),
        quantity="1000",
        exact="50",
        parts=[
            {"quantity": "1000", "unit_price": "0.25", "exact": "250"},
            {"maximum_amount_price": "50", "exact": "-200"},
        ],
    ),
    Example(
        why="an event that is partly included pays its fixed price",
        price={**_SHARE, "included": "50"},
        quantity="80",
        exact="4",
        parts=[
            {"quantity": "30", "rate": "10", "exact": "3"},
            {"events": "1", "fixed_price": "1", "exact": "1"},
        ],
    ),
    Example(
        why="an event that passes the commitment pays the fixed price of the overage: 20 of 60 lie above it",
        price=_priced(commitment={"quantity": "100", "overage": _SHARE}),
        quantity=None,
        metered=_events("60", "60"),
        exact="28",
        parts=[
            {"quantity": "100", "unit_price": "0.25", "exact": "25"},
            {"quantity": "20", "rate": "10", "overage": True, "exact": "2"},
            {"events": "1", "fixed_price": "1", "overage": True, "exact": "1"},
        ],
    ),
    Example(
        why="that of the price itself where the overage has none for events: an event pays one fixed price",
        price={**_SHARE, "commitment": {"quantity": "100", "overage": _OVER}},
        quantity=None,
        metered=_events("60", "60"),
        exact="20",
        parts=[
            {"quantity": "100", "rate": "10", "exact": "10"},
            {"events": "2", "fixed_price": "1", "exact": "2"},
            {"quantity": "20", "unit_price": "0.4", "overage": True, "exact": "8"},
        ],
    ),
    Example(
        why="what was committed and not used is no event: free events leave it to be paid",
        price={**_SHARE, "free_events": 1, "commitment": {"quantity": "100", "overage": _OVER, "take_or_pay": True}},
        quantity=None,
        metered=_events("40"),
        exact="6",
        parts=[
            {"free": True, "quantity": "40", "events": "1", "exact": "0"},
            {"quantity": "60", "rate": "10", "exact": "6"},
        ],
    ),
    Example(
        why="nor when there was no event at all",
        price={**_SHARE, "free_events": 1, "commitment": {"quantity": "100", "overage": _OVER, "take_or_pay": True}},
        quantity=None,
        metered=_events(),
        exact="10",
        parts=[{"quantity": "100", "rate": "10", "exact": "10"}],
    ),
    Example(
        why="of three equal events of which half is included, two pay",
        price={**_SHARE, "included": "150"},
        quantity=None,
        metered=plain(Decimal(300), count=3),
        exact="17",
        parts=[
            {"quantity": "150", "rate": "10", "exact": "15"},
            {"events": "2", "fixed_price": "1", "exact": "2"},
        ],
    ),
]

REFUSALS = [
    BadExample("a number", _priced(multiplier=2), "decimal_string_expected", "/multiplier"),
    BadExample("a negative quantity", _priced(included="-1"), "decimal_negative", "/included"),
    BadExample(
        "no such mode", _priced(round_quantity={"mode": "sideways", "to": "1"}), "not_one_of", "/round_quantity/mode"
    ),
    BadExample(
        "rounding to nothing",
        _priced(round_quantity={"mode": "up", "to": "0"}),
        "decimal_not_positive",
        "/round_quantity/to",
    ),
    BadExample(
        "a maximum below the minimum",
        _priced(minimum_amount_price="50", maximum_amount_price="49.99"),
        "maximum_below_minimum",
        "/maximum_amount_price",
    ),
    BadExample("nothing committed", _priced(commitment={"overage": _OVER}), "member_required", "/commitment/quantity"),
    BadExample("no overage", _priced(commitment={"quantity": "1"}), "member_required", "/commitment/overage"),
    BadExample(
        "an overage that is no price",
        _priced(commitment={"quantity": "1", "overage": {"model": "per_unit"}}),
        "member_required",
        "/commitment/overage/unit_price",
    ),
    BadExample(
        "an overage that is no price of usage",
        _priced(
            commitment={
                "quantity": "1",
                "overage": {"model": "committed_amount", "amount_price": "1", "draws": ["energy"]},
            }
        ),
        "model_needs_recurring",
        "/commitment/overage/model",
    ),
    BadExample(
        "an overage with such members of its own",
        _priced(commitment={"quantity": "1", "overage": {**_OVER, "included": "1"}}),
        "member_unknown",
        "/commitment/overage/included",
    ),
]
