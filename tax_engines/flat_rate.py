"""The seller's own one rate on everything: who sells in one place to one kind of customer needs no more."""

from __future__ import annotations

from collections.abc import Sequence

from billing.tax import flat
from billing.tax.facts import Question
from tax_engines.port import Answer, Setup


class FlatRate:
    """Standard above zero, zero-rated at zero, whoever pays and whatever for."""

    name = "flat_rate"
    outside = False

    def decide(self, setup: Setup, questions: Sequence[Question]) -> Sequence[Answer]:
        """The seller's rate, each time."""
        return [flat(setup.flat, setup.name)] * len(questions)


PLUGIN = FlatRate()
