"""When a payer is billed and has to pay: in its own zone, whatever its clocks do."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.bill_dates import bill_at, due_at, due_on, next_bill_at
from billing.periods import day_start, local_date

AMSTERDAM = "Europe/Amsterdam"
ZONES = [
    "UTC",
    "Europe/Amsterdam",
    "America/New_York",
    "America/Havana",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "America/Sao_Paulo",
]
INSTANTS = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        ("UTC", "2026-01-15T00:00:00Z", "2026-02-01T00:30:00Z"),
        ("Europe/Amsterdam", "2026-01-15T00:00:00Z", "2026-01-31T23:30:00Z"),
        ("Europe/Amsterdam", "2026-06-15T00:00:00Z", "2026-06-30T22:30:00Z"),
        ("America/New_York", "2026-01-31T23:30:00Z", "2026-02-01T05:30:00Z"),
        ("Pacific/Kiritimati", "2026-01-15T00:00:00Z", "2026-01-31T10:30:00Z"),
        ("Asia/Kathmandu", "2026-12-31T18:45:00Z", "2027-01-31T18:45:00Z"),
    ],
)
def test_a_payer_is_billed_half_an_hour_into_the_first_of_the_month_of_its_zone(
    zone: str, after: str, expected: str
) -> None:
    assert next_bill_at(at(after), zone) == at(expected)


def test_a_payer_that_starts_between_midnight_and_the_close_is_billed_the_same_night() -> None:
    assert next_bill_at(at("2026-02-01T00:10:00Z"), "UTC") == at("2026-02-01T00:30:00Z")
    assert next_bill_at(at("2026-02-01T00:30:00Z"), "UTC") == at("2026-03-01T00:30:00Z")


def test_minutes_after_midnight_are_minutes_that_pass_and_not_the_hands_of_the_clock() -> None:
    # Havana's clocks go back from 01:00 to 00:00 on 1 November 2026, so local 00:30 comes twice.
    havana = "America/Havana"
    assert day_start(date(2026, 11, 1), havana) == at("2026-11-01T04:00:00Z")
    assert bill_at(date(2026, 11, 1), havana, 90) == at("2026-11-01T05:30:00Z")


def test_a_day_whose_midnight_is_skipped_starts_at_the_change() -> None:
    # Cairo's clocks go from 00:00 to 01:00 on 24 April 2026.
    assert day_start(date(2026, 4, 24), "Africa/Cairo") == at("2026-04-23T22:00:00Z")


@given(INSTANTS, st.sampled_from(ZONES), st.integers(0, 1440))
def test_bill_dates_follow_each_other_month_by_month_without_a_gap(after: datetime, zone: str, minutes: int) -> None:
    first = next_bill_at(after, zone, minutes)
    second = next_bill_at(first, zone, minutes)
    assert after < first <= after + timedelta(days=33)
    day = local_date(first - timedelta(minutes=minutes), zone)
    following = local_date(second - timedelta(minutes=minutes), zone)
    assert day.day == following.day == 1
    assert (following.year * 12 + following.month) - (day.year * 12 + day.month) == 1


@given(INSTANTS, st.sampled_from(ZONES))
def test_asking_again_before_the_bill_date_gives_the_same_one(after: datetime, zone: str) -> None:
    first = next_bill_at(after, zone)
    assert next_bill_at(first - timedelta(seconds=1), zone) == first


def test_a_document_is_overdue_when_its_due_date_has_ended_where_the_payer_is() -> None:
    due = due_at(date(2026, 3, 15), 14, AMSTERDAM)  # over the change of 29 March
    assert due == at("2026-03-29T22:00:00Z")
    assert due_on(due, AMSTERDAM) == date(2026, 3, 29)


@given(st.dates(date(2015, 1, 1), date(2040, 1, 1)), st.integers(0, 120), st.sampled_from(ZONES))
def test_the_due_date_is_the_date_of_issue_plus_the_days_of_the_terms(issued: date, days: int, zone: str) -> None:
    assert due_on(due_at(issued, days, zone), zone) == issued + timedelta(days=days)
