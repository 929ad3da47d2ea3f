"""Which charges share a document, in which order its lines stand, and what waits."""

from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from uuid import UUID

from billing.invoices import Billable, DocumentKey, collect
from billing.tax import flat
from core.ids import new_id
from core.money import Money

SELLER, OTHER_SELLER, PAYER = UUID(int=1), UUID(int=2), UUID(int=9)
KEY = DocumentKey(SELLER, "EUR")
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def charge(amount: int, key: DocumentKey = KEY, **changes: object) -> Billable:
    plain = Billable(
        id=new_id(),
        key=key,
        amount=Money(amount, key.currency),
        tax=flat(Decimal(21)),
        beneficiary_id=PAYER,
        beneficiary_name="Acme",
        beneficiary_is_payer=True,
        subscription_id=UUID(int=7),
        subscription_order=JANUARY,
        charge_order=(1, "Colo", 0),
        start=JANUARY,
    )
    return plain._replace(**changes)  # type: ignore[arg-type]


def test_there_is_one_document_per_seller_currency_and_grouping() -> None:
    keys = [
        KEY,
        DocumentKey(SELLER, "USD"),
        DocumentKey(OTHER_SELLER, "EUR"),
        DocumentKey(SELLER, "EUR", "cost centre 12"),
    ]
    documents = collect([charge(100, key) for key in keys] + [charge(50)]).documents
    assert {document.key: document.totals.net.minor for document in documents} == {
        KEY: 150,
        keys[1]: 100,
        keys[2]: 100,
        keys[3]: 100,
    }


def test_the_payers_own_lines_stand_first_then_those_of_each_beneficiary() -> None:
    zed = {"beneficiary_id": UUID(int=3), "beneficiary_name": "Zed", "beneficiary_is_payer": False}
    bob = {"beneficiary_id": UUID(int=4), "beneficiary_name": "bob", "beneficiary_is_payer": False}
    older = {"subscription_id": UUID(int=8), "subscription_order": datetime(2025, 6, 1, tzinfo=UTC)}
    expected = [
        charge(1, **older),
        charge(2),
        charge(3, charge_order=(1, "Colo", 1)),
        charge(4, charge_order=(1, "Colo", 1), start=datetime(2026, 2, 1, tzinfo=UTC)),
        charge(5, **bob),
        charge(6, **zed),
    ]
    shuffled = Random(4).sample(expected, len(expected))
    assert list(collect(shuffled).documents[0].charges) == expected


def test_a_document_that_comes_to_less_than_nothing_is_no_invoice() -> None:
    collected = collect([charge(100), charge(-101), charge(5, DocumentKey(SELLER, "USD"))])
    assert [document.key.currency for document in collected.documents] == ["USD"]
    assert [document.totals.total.minor for document in collected.negative] == [-1]


def test_a_credit_reduces_the_document_it_is_on() -> None:
    (document,) = collect([charge(1000), charge(-400)]).documents
    assert (document.totals.net.minor, document.totals.tax.minor, document.totals.total.minor) == (600, 126, 726)


def test_a_document_that_comes_to_nothing_is_made_all_the_same() -> None:
    (document,) = collect([charge(0)]).documents
    assert document.totals.total.minor == 0


def test_nothing_to_bill_makes_no_document() -> None:
    assert collect([]).documents == ()
