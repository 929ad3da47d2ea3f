"""What may be agreed beside prices: a trial, a fixed term with renewal and notice, a minimum term.

Dates are local days in the zone of the subscription: a day of 23 or 25 hours is one day, and the same clock time some
days on is that many days later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.members import Members
from billing.periods import ANNIVERSARY, COUNT_MOST, UNITS, Interval, cadence, day_start, local_date, zone
from core.decimals import format_decimal
from core.errors import FieldError
from core.period import rfc3339, utc

CONVERT, CANCEL = "convert", "cancel"
RENEW, EXPIRE, OPEN_ENDED = "renew", "expire", "open_ended"
RENEWALS = (RENEW, EXPIRE, OPEN_ENDED)
TRIAL_DAYS_MOST = 730
NOTICE_DAYS_MOST = 730
REMIND_DAYS_MOST = 90
TRIAL_REMIND_DAYS, TERM_REMIND_DAYS = 3, 14
RATE_MOST = Decimal(100)
_TICK = timedelta(microseconds=1)


def days_later(instant: datetime, days: int, time_zone: str) -> datetime:
    """The same clock time in a zone some days later, or earlier for a negative number."""
    wall = instant.astimezone(zone(time_zone)).replace(tzinfo=None) + timedelta(days=days)
    return utc(wall.replace(tzinfo=zone(time_zone)))


@dataclass(frozen=True)
class Trial:
    """A stretch at the beginning for which nothing is billed.

    Args:
        days, until: how long it is; one of the two.
        requires_payment_method: whether the payer needs a payment method, at the order and when it converts.
        at_end: `convert` bills from then on, `cancel` ends the subscription.
        remind_days: how long before the end a reminder is due; 0 for none.
    """

    days: int | None
    until: datetime | None
    requires_payment_method: bool = False
    at_end: str = CONVERT
    remind_days: int = TRIAL_REMIND_DAYS

    def ends_at(self, start: datetime, time_zone: str) -> datetime:
        """When a trial ends that began at an instant; not after its start where there is none left."""
        if self.days is not None:
            return days_later(start, self.days, time_zone)
        assert self.until is not None  # one of the two is given
        return self.until

    def reminder_at(self, start: datetime, ends_at: datetime, time_zone: str) -> datetime | None:
        """When to remind of the end; at once where the trial is shorter than that."""
        return max(start, days_later(ends_at, -self.remind_days, time_zone)) if self.remind_days else None

    def as_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        length = {"days": self.days} if self.days is not None else {"until": rfc3339(_given(self.until))}
        return {
            **length,
            "requires_payment_method": self.requires_payment_method,
            "at_end": self.at_end,
            "remind_days": self.remind_days,
        }

    @classmethod
    def stored(cls, value: Mapping[str, Any]) -> Trial:
        """From `as_json`."""
        found = read_trial(value, "", [])
        assert found is not None  # it was read before
        return found


def _given(value: datetime | None) -> datetime:
    assert value is not None
    return value


@dataclass(frozen=True)
class FixedTerm:
    """A contract for a length of time.

    Args:
        renewal: at its end it begins anew (`renew`), the contract is over (`expire`), or it goes on without a term.
        notice_days: how long before the end of a term one must cancel, and without a term how long a cancellation
            takes at least.
        remind_days: how long before the last day of notice its coming is told; 0 for never.
    """

    interval: Interval
    renewal: str = RENEW
    notice_days: int = 0
    remind_days: int = TERM_REMIND_DAYS

    def end_after(self, started_at: datetime, instant: datetime, time_zone: str) -> datetime:
        """The first end of a term after an instant. Terms are counted from the first one's start."""
        return cadence(self.interval, ANNIVERSARY, started_at, time_zone).span_at(max(started_at, instant)).end

    def notice_by(self, end: datetime, time_zone: str) -> datetime:
        """Until when a cancellation for an end of a term must be in."""
        return day_start(local_date(end, time_zone) - timedelta(days=self.notice_days), time_zone)

    def reminder_at(self, end: datetime, time_zone: str) -> datetime | None:
        """When to tell that the last day of notice is coming."""
        if not self.remind_days:
            return None
        return days_later(self.notice_by(end, time_zone), -self.remind_days, time_zone)

    def as_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return {
            "interval": self.interval.as_json(),
            "renewal": self.renewal,
            "notice_days": self.notice_days,
            "remind_days": self.remind_days,
        }

    @classmethod
    def stored(cls, value: Mapping[str, Any]) -> FixedTerm:
        """From `as_json`."""
        found = read_term(value, "", [])
        assert found is not None  # it was read before
        return found


@dataclass(frozen=True)
class RunningTerm:
    """A fixed term as it stands on a subscription. `ends_at` is the end of the term that runs now, or ran last."""

    term: FixedTerm
    started_at: datetime
    ends_at: datetime
    time_zone: str

    def cancelled_at(self, asked: datetime, now: datetime) -> datetime:
        """When a cancellation takes effect that is asked for an instant, without leaving a term early.

        In a term that is its end, if notice is given in time, else the end of the next one; with `expire` always the
        end, since no notice is needed. Where the term has run out and the contract goes on, the notice is kept.
        """
        if self.term.renewal == EXPIRE:
            return self.ends_at
        if self.term.renewal == OPEN_ENDED:
            return max(asked, self.ends_at, self._noticed(now))
        end = self.term.end_after(self.started_at, max(asked, now) - _TICK, self.time_zone)
        while self.term.notice_by(end, self.time_zone) < now:
            end = self.term.end_after(self.started_at, end, self.time_zone)
        return end

    def _noticed(self, now: datetime) -> datetime:
        return days_later(now, self.term.notice_days, self.time_zone) if self.term.notice_days else now


@dataclass(frozen=True)
class MinimumTerm:
    """How long a contract is meant to last at least, and what ending it earlier costs: per cent of the recurring
    charges of the rest (`rate`), or a fixed amount in major units (`amount_price`).
    """

    interval: Interval
    rate: Decimal | None
    amount_price: Decimal | None = None

    def ends_at(self, started_at: datetime, time_zone: str) -> datetime:
        """When it is over."""
        return cadence(self.interval, ANNIVERSARY, started_at, time_zone).span_at(started_at).end

    def as_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        costs = {"rate": self.rate, "amount_price": self.amount_price}
        early = {name: format_decimal(value) for name, value in costs.items() if value is not None}
        return {"interval": self.interval.as_json(), "early_termination": early}

    @classmethod
    def stored(cls, value: Mapping[str, Any]) -> MinimumTerm:
        """From `as_json`."""
        found = read_minimum_term(value, "", [])
        assert found is not None  # it was read before
        return found


def read_trial(value: object, pointer: str, errors: list[FieldError]) -> Trial | None:
    """Read a trial; what is wrong is added to `errors`.

    Codes: `object_expected`, `trial_length_expected`, `instant_malformed`, and those of words and numbers.
    """
    members = Members(value, pointer, errors)
    if not isinstance(value, Mapping):
        return None
    days = members.whole("days", 1, 1, TRIAL_DAYS_MOST) if members.has("days") else None
    until = members.instant("until") if members.has("until") else None
    members.raw("days"), members.raw("until")  # null is as good as absent
    if members.has("days") == members.has("until"):
        errors.append(FieldError(pointer, "trial_length_expected", "Give either `days` or `until`."))
    trial = Trial(
        days,
        until,
        members.boolean("requires_payment_method", default=False),
        members.choice("at_end", (CONVERT, CANCEL), default=CONVERT),
        members.whole("remind_days", TRIAL_REMIND_DAYS, 0, REMIND_DAYS_MOST),
    )
    members.close()
    return trial


def read_term(value: object, pointer: str, errors: list[FieldError]) -> FixedTerm | None:
    """Read a fixed term; what is wrong is added to `errors`.

    Codes: `object_expected`, and those of words and numbers.
    """
    members = Members(value, pointer, errors)
    if not isinstance(value, Mapping):
        return None
    term = FixedTerm(
        _interval(members),
        members.choice("renewal", RENEWALS, default=RENEW),
        members.whole("notice_days", 0, 0, NOTICE_DAYS_MOST),
        members.whole("remind_days", TERM_REMIND_DAYS, 0, REMIND_DAYS_MOST),
    )
    members.close()
    return term


def read_minimum_term(value: object, pointer: str, errors: list[FieldError]) -> MinimumTerm | None:
    """Read a minimum term; what is wrong is added to `errors`.

    Codes: `object_expected`, `early_termination_expected`, `rate_out_of_range`, and those of decimals and numbers.
    """
    members = Members(value, pointer, errors)
    if not isinstance(value, Mapping):
        return None
    interval = _interval(members)
    early = members.child("early_termination")
    rate = early.decimal("rate") if early.has("rate") else None
    amount = early.decimal("amount_price") if early.has("amount_price") else None
    early.raw("rate"), early.raw("amount_price")  # null is as good as absent
    if early.has("rate") == early.has("amount_price") and members.has("early_termination"):
        detail = "Give either `rate` (per cent of the rest) or `amount_price`."
        early.errors.append(FieldError(early.pointer, "early_termination_expected", detail))
    if rate is not None and rate > RATE_MOST:
        early.refuse("rate", "rate_out_of_range", "This is per cent of the rest: 100 at most.")
    early.close()
    members.close()
    return MinimumTerm(interval, rate, amount)


def _interval(members: Members) -> Interval:
    inner = members.child("interval")
    unit = inner.choice("unit", UNITS)
    interval = Interval(unit, inner.whole("count", default=1, least=1, most=COUNT_MOST))
    inner.close()
    return interval
