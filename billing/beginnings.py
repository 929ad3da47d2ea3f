"""How a contract begins: with a trial or at once, and with the terms that run from where billing begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from billing.breaks import TERM, TRIAL, Break, until, with_break
from billing.contract_terms import CONVERT, EXPIRE, FixedTerm, MinimumTerm, Trial


@dataclass(frozen=True)
class Agreed:
    """What is agreed beside prices; None for what is not."""

    trial: Trial | None = None
    term: FixedTerm | None = None
    minimum: MinimumTerm | None = None


@dataclass(frozen=True)
class Beginning:
    """What follows from a start.

    Args:
        anchored_at: from where spans are counted: where billing begins.
        breaks: a trial, and the time after a term that expires.
        trial_next_at, term_next_at: when something is to be done about them: a reminder, or their end.
        term_started_at, term_ends_at, minimum_ends_at: None as long as it is open whether billing begins at all.
    """

    anchored_at: datetime
    breaks: tuple[Break, ...] = ()
    trial_ends_at: datetime | None = None
    trial_next_at: datetime | None = None
    term_started_at: datetime | None = None
    term_ends_at: datetime | None = None
    term_next_at: datetime | None = None
    minimum_ends_at: datetime | None = None


def begin(start: datetime, time_zone: str, agreed: Agreed) -> Beginning:
    """The beginning of a contract that starts at an instant.

    A trial that converts is billed from its end on, whoever looks when; one that ends the contract stays open until
    somebody converts it.
    """
    trial = agreed.trial
    ends_at = trial.ends_at(start, time_zone) if trial is not None else start
    if trial is None or ends_at <= start:
        return bill_from(start, time_zone, agreed)
    converts = trial.at_end == CONVERT
    begun = bill_from(ends_at, time_zone, agreed) if converts else Beginning(anchored_at=ends_at)
    reminder = trial.reminder_at(start, ends_at, time_zone)
    return replace(
        begun,
        breaks=with_break(begun.breaks, Break(start, ends_at if converts else None, TRIAL)),
        trial_ends_at=ends_at,
        trial_next_at=reminder or ends_at,
    )


def bill_from(start: datetime, time_zone: str, agreed: Agreed) -> Beginning:
    """The beginning of billing: fixed and minimum terms run from here."""
    begun = Beginning(anchored_at=start)
    if agreed.minimum is not None:
        begun = replace(begun, minimum_ends_at=agreed.minimum.ends_at(start, time_zone))
    term = agreed.term
    if term is None:
        return begun
    ends_at = term.end_after(start, start, time_zone)
    return replace(
        begun,
        breaks=(Break(ends_at, None, TERM),) if term.renewal == EXPIRE else (),
        term_started_at=start,
        term_ends_at=ends_at,
        term_next_at=next_step(term, start, ends_at, time_zone),
    )


def next_step(term: FixedTerm, after: datetime, ends_at: datetime, time_zone: str) -> datetime:
    """What comes next of a term: the reminder of its last day of notice, at once where that is close, or its end."""
    reminder = term.reminder_at(ends_at, time_zone)
    return ends_at if reminder is None else min(max(after, reminder), ends_at)


def converted(breaks: tuple[Break, ...], at: datetime, begun: Beginning) -> tuple[Break, ...]:
    """The breaks once a trial was ended by hand: billing begins at an instant."""
    kept = until(breaks, at, TRIAL)
    for each in begun.breaks:
        kept = with_break(kept, each)
    return kept
