"""A document that does not add up cannot be made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exports.document import CostCentre
from tests.exports.documents import group, invoice, line


def test_a_document_adds_up() -> None:
    document = invoice(group(line(10000), line(-2500)), settled_amount=75)
    assert (document.subtotal_amount, document.total_amount, document.due_amount) == (7500, 9075, 9000)


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("subtotal_amount", "the lines do not add up"),
        ("rounding_amount", "do not add up to the total"),
        ("settled_amount", "not the total less what is settled"),
    ],
)
def test_a_document_that_is_a_cent_off_is_refused(member: str, said: str) -> None:
    document = invoice(group(line(10000)))
    with pytest.raises(ValueError, match=said):
        replace(document, **{member: getattr(document, member) + 1})


def test_only_a_draft_has_no_number() -> None:
    document = invoice(group(line(10000)))
    with pytest.raises(ValueError, match="without a number"):
        replace(document, number=None)
    assert replace(document, number=None, watermark="draft").number is None


def test_what_is_no_invoice_has_no_number() -> None:
    document = invoice(group(line(10000)))
    assert replace(document, number=None, kind="pro_forma").number is None


def test_cost_centres_add_up_to_the_lines() -> None:
    document = invoice(group(line(10000)), cost_centres=(CostCentre("CC-7", 4000), CostCentre("", 6000)))
    with pytest.raises(ValueError, match="cost centres do not add up"):
        replace(document, cost_centres=document.cost_centres[:1])
