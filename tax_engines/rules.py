"""The built-in rules, with the rates that are shipped and those of the provider."""

from __future__ import annotations

from collections.abc import Sequence

from billing.tax.facts import Question
from billing.tax.rules import decide
from tax_engines.port import Answer, Setup


class Rules:
    """What `billing.tax.rules` says."""

    name = "rules"
    outside = False

    def decide(self, setup: Setup, questions: Sequence[Question]) -> Sequence[Answer]:
        """By place, category and rate."""
        return [decide(question, setup.rates) for question in questions]


PLUGIN = Rules()
