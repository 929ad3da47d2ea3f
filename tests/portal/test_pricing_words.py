"""Every pricing model can be told to a customer: each of its examples, as a price list and as steps."""

from __future__ import annotations

from typing import Any

import pytest

from billing.modifier_examples import EXAMPLES
from billing.pricing_model import Example, models
from exports.figures import Figures
from portal.pricing_words import MODELS, PriceWords

WORDS = PriceWords(Figures.of("en-GB", "UTC", "EUR"))
ALL = [
    *(pytest.param(e, id=f"{m.name}: {e.why}") for m in models().values() for e in m.examples),
    *(pytest.param(e, id=e.why) for e in EXAMPLES),
]


@pytest.mark.parametrize("example", ALL)
def test_every_example_can_be_told(example: Example) -> None:
    spec = {name: value for name, value in example.price.items() if value is not None}
    assert WORDS.tiers(spec, "kWh")
    for number, part in enumerate(example.parts):
        step = WORDS.step(part, "kWh", number)
        assert step.words
        assert step.amount


def test_every_model_has_a_name_for_people() -> None:
    assert set(models()) <= set(MODELS)


def told(model: str, number: int) -> list[tuple[str, str, str]]:
    example = models()[model].examples[number]
    return [
        (step.words.replace("\N{NO-BREAK SPACE}", " "), step.price, step.amount)
        for step in (WORDS.step(part, "kWh", i) for i, part in enumerate(example.parts))
    ]


@pytest.mark.parametrize(
    ("model", "number", "steps"),
    [
        ("time_of_use", 0, [("5 kWh, peak", "€0.32", "€1.60"), ("then 1 kWh, off peak", "€0.21", "€0.21")]),
        ("percentage", 1, [("200 kWh", "2.5%", "€5.00"), ("3 events at €0.10", "", "€0.30")]),
        ("package", 0, [("201 kWh", "€5.00 for 3 packages", "€15.00")]),
        ("stairstep", 0, [("10 kWh", "€99.00", "€99.00")]),
        ("indexed", 1, [("10 kWh, index day_ahead_nl", "", "−€0.50")]),
    ],
)
def test_steps_in_words(model: str, number: int, steps: list[tuple[str, str, str]]) -> None:
    assert told(model, number) == steps


def test_a_price_list_of_bands() -> None:
    spec: Any = models()["time_of_use"].examples[0].price
    assert [(row.reach, row.unit_price) for row in WORDS.tiers(spec, "kWh")][:2] == [
        ("Peak: 07:00 to 23:00, Mon to Fri", "€0.32"),
        ("Off peak", "€0.21"),
    ]
