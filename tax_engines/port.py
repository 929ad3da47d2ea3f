"""The port to tax engines: the values that go in and come out, and what an engine must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Protocol

from billing.tax import Tax
from billing.tax.facts import Question, Undecided
from billing.tax.rates import RateTable
from core.errors import Invalid
from core.registry import plugins

Answer = Tax | Undecided


class NoAnswer(Exception):
    """What is outside does not answer, or not with success; the message says how."""


@dataclass(frozen=True)
class Setup:
    """What a seller's engine has to go by.

    Args:
        flat: the seller's own rate in per cent.
        name: of the seller's tax.
        rates: by place, class and day.
        post: sends a JSON body to the seller's endpoint, signed, and gives the body of the answer; raises `NoAnswer`.
    """

    flat: Decimal
    name: str
    rates: RateTable
    post: Callable[[bytes], bytes]


class Engine(Protocol):
    """A way to decide what supplies are taxed with.

    `outside` engines are asked before anything is locked, many questions at once, and their answers are kept; the
    others decide on the spot.
    """

    name: str
    outside: bool

    def decide(self, setup: Setup, questions: Sequence[Question]) -> Sequence[Answer]:
        """An answer to each question, in their order. Never raises for what one question or the outside does."""
        ...


@cache
def engines() -> dict[str, Engine]:
    """All engines by name."""
    return plugins("tax_engines")


def engine(name: str) -> Engine:
    """The engine of that name.

    Raises:
        Invalid: `tax_engine_unknown`, naming those that are known.
    """
    if name not in engines():
        raise Invalid("tax_engine_unknown", f"Use one of: {', '.join(engines())}.", "/tax_engine")
    return engines()[name]
