"""What is proposed without the claims that nothing written since reaches, is what is proposed with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from billing.changes import Contract
from billing.items import Item
from billing.proposal import Proposal, due_spans, propose
from billing.untouched import BESIDE, Untouched, Written, untouched
from core.period import Period
from tests.billing.test_contract_properties import SLOW, USED, Book, as_rows, contracts, end_of, events, merged

EVER, FOREVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
A_MINUTE = timedelta(minutes=1)


def at(day: int) -> datetime:
    return datetime(2026, 1, day, tzinfo=UTC)


def test_claims_made_after_the_only_row_are_untouched() -> None:
    assert list(untouched([Written(at(1), at(1))], at(20))) == [Untouched(at(1), at(20), at(1) + BESIDE)]


def test_a_row_from_a_later_instant_touches_only_claims_that_end_after_it() -> None:
    rows = [Written(at(1), at(1)), Written(at(10), at(8))]
    assert list(untouched(rows, at(20))) == [
        Untouched(at(1), at(10), at(1) + BESIDE),
        Untouched(at(10), at(20), at(8) + BESIDE),
    ]


def test_a_row_that_goes_back_touches_all_that_end_after_it_until_they_are_made_anew() -> None:
    rows = [Written(at(1), at(1)), Written(at(10), at(2)), Written(at(5), at(12)), Written(at(1), at(3))]
    assert list(untouched(rows, at(20))) == [
        Untouched(at(1), at(5), at(3) + BESIDE),
        Untouched(at(5), at(20), at(12) + BESIDE),
    ]


def test_what_ends_after_usage_is_looked_at_again_is_not_untouched() -> None:
    assert list(untouched([Written(at(5), at(1))], at(5))) == []


def written(rows: dict[Any, list[Any]], item: Item) -> Iterable[Written]:
    for row in (*rows[item.item_id], *rows["breaks"]):
        yield Written(row.from_at, row.recorded_at)
    for row in rows.get("anchors", []):
        yield Written(EVER, row.recorded_at)


def shortened(rows: dict[Any, list[Any]], made: dict[UUID, datetime], item: Item) -> Item:
    """The item as a billing run loads it."""
    known = list(untouched(written(rows, item), FOREVER))
    left_out = [
        claim
        for claim in item.claims
        if any(k.after < claim.span.end <= k.until and made[claim.claim_id] > k.made_after for k in known)
    ]
    held: list[Period] = merged([claim.span for claim in left_out])
    return replace(item, claims=tuple(c for c in item.claims if c not in left_out), held=tuple(held))


def proposed(items: list[Item], as_of: datetime) -> Proposal:
    return propose(items, {request: USED(request) for request in due_spans(items, as_of)}, as_of)


@SLOW
@given(data=st.data(), contract=contracts())
def test_untouched_claims_make_no_difference_in_any_life(data: st.DataObject, contract: Contract) -> None:
    """Bills are made just before and some time after each change, whose rows are written before anybody sees them."""
    changes = data.draw(events(contract, backwards=True))
    written_before, billed_before = data.draw(st.integers(0, 59)) * A_MINUTE, data.draw(st.integers(0, 59)) * A_MINUTE
    start = contract.items[0].terms[0].start
    later = data.draw(st.lists(st.integers(2, 24 * 30), min_size=len(changes), max_size=len(changes)))
    bills = {end_of(contract), *(event.made_at - billed_before for event in changes)}
    bills |= {event.made_at + timedelta(hours=hours) for event, hours in zip(changes, later, strict=True)}
    book, rows, made = Book(contract), dict[Any, list[Any]](), dict[UUID, datetime]()
    as_rows(contract, contract, start, rows, start - timedelta(days=1))
    for now in sorted(bills):
        while changes and changes[0].made_at <= now:
            event, before = changes.pop(0), book.contract
            book.change(event)
            as_rows(before, book.contract, event.at, rows, event.made_at - written_before)
        short = [shortened(rows, made, item) for item in book.items()]
        assert proposed(short, now) == proposed(book.items(), now)
        book.bill(now)
        made |= {key: now for its in book.claims.values() for key in its if key not in made}
