"""An engine of the operator's own, asked over HTTP.

One POST with many questions: `{"questions": [{"seller": …, "payer": …, "supply": …, "on": "2026-02-01"}]}`, each as
`billing.tax.facts.question_json` writes it, signed like our webhooks. The answer is `{"answers": [...]}`, one for each
question in their order: `{"rates": [{"category": "S", "rate": "21", "name"?, "jurisdiction"?, "reason"?, "note"?}]}`,
or `{"error": {"code": …, "detail": …}}` where it cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from billing.tax import Tax, TaxRate
from billing.tax.decision import CATEGORIES, STANDARD, ZERO_RATED
from billing.tax.facts import Question, Undecided, question_json
from core.decimals import parse_decimal
from core.errors import Refused
from tax_engines.port import Answer, NoAnswer, Setup

UNAVAILABLE, MALFORMED, REFUSED = "tax_engine_unavailable", "tax_engine_malformed", "tax_engine_refused"
RATES_MOST, WORDS_MOST = 20, 500


class Endpoint:
    """Asks the seller's endpoint."""

    name = "endpoint"
    outside = True

    def decide(self, setup: Setup, questions: Sequence[Question]) -> Sequence[Answer]:
        """What the endpoint answers; one reason for all where it does not."""
        if not questions:
            return []
        try:
            body = setup.post(orjson.dumps({"questions": [question_json(question) for question in questions]}))
            answers = orjson.loads(body)["answers"]
        except NoAnswer as failed:
            return [Undecided(UNAVAILABLE, str(failed))] * len(questions)
        except (ValueError, KeyError, TypeError):
            return [Undecided(MALFORMED, "The tax engine does not answer with a list of answers.")] * len(questions)
        if not isinstance(answers, list) or len(answers) != len(questions):
            return [Undecided(MALFORMED, "The tax engine does not answer each question.")] * len(questions)
        return [_read(answer, setup.name) for answer in answers]


def _read(answer: Any, name: str) -> Answer:
    try:
        if "error" in answer:
            return Undecided(REFUSED, f"{answer['error']['code']}: {answer['error']['detail']}"[:WORDS_MOST])
        if len(answer["rates"]) > RATES_MOST:
            raise ValueError(f"more than {RATES_MOST} rates")
        return Tax(tuple(_rate(rate, name) for rate in answer["rates"]))
    except (ValueError, KeyError, TypeError, Refused) as wrong:
        return Undecided(MALFORMED, f"The tax engine's answer cannot be read: {wrong}"[:WORDS_MOST])


def _rate(rate: Any, name: str) -> TaxRate:
    if rate["category"] not in CATEGORIES:
        raise ValueError("no category of taxes")
    words = {member: rate.get(member) or default for member, default in _WORDS.items()} | {
        "name": rate.get("name") or name
    }
    if not all(isinstance(word, str) and len(word) <= WORDS_MOST for word in words.values()):
        raise ValueError("words are strings")
    found = TaxRate(rate["category"], parse_decimal(rate["rate"]), **words)
    if (found.category == STANDARD) != (found.rate > 0):
        raise ValueError("the standard category, and no other, has a rate above zero")
    if found.category not in (STANDARD, ZERO_RATED) and not (found.reason or found.note):
        raise ValueError(f"the category {found.category} needs a reason or a note")
    return found


_WORDS = {"jurisdiction": "", "reason": "", "note": ""}

PLUGIN = Endpoint()
