"""What is to be done about one unpaid invoice now, and when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing.dunning.policy import Action, Policy

# A service is not switched off within a day of the first letter that says so, however late the letter went out.
NOTICE = timedelta(days=1)
# While the result of a payment is not known nobody is blamed for it.
WAIT_FOR_RESULT = timedelta(hours=1)


@dataclass(frozen=True)
class Case:
    """What is known of one unpaid invoice.

    Args:
        due_at: when it should have been paid.
        owed: whether anything of it is still owed.
        done: the numbers of the steps taken, with the instant of each.
        chargeable: whether there is a payment method of which another try may be expected to succeed: one that was not
            refused for good since it was set.
        in_flight: whether an attempt is under way whose result is not known.
    """

    due_at: datetime
    owed: bool = True
    done: Mapping[int, datetime] = field(default_factory=dict)
    chargeable: bool = False
    in_flight: bool = False


@dataclass(frozen=True)
class Task:
    """One step to be taken or, where `skipped` says why, only to be written down."""

    step: int
    action: Action
    skipped: str | None = None


@dataclass(frozen=True)
class Decision:
    """What to do, in order.

    Args:
        next_at: when to look again; None when nothing is left to wait for.
        recovered: nothing is owed any more.
        exhausted: the last step was taken.
    """

    tasks: tuple[Task, ...] = ()
    next_at: datetime | None = None
    recovered: bool = False
    exhausted: bool = False


def decide(policy: Policy, case: Case, now: datetime) -> Decision:
    """Decide what falls due.

    Steps that fell due together, after an outage say, are not all taken: of several letters or tries the last one
    is, the others are written down as overtaken. What comes after a try waits for its result, and a suspension waits
    until a letter is a day old.
    """
    if not case.owed:
        return Decision(recovered=True)
    left = [n for n in range(len(policy.steps)) if n not in case.done]
    if not left:
        return Decision(exhausted=True)
    due = [n for n in left if _at(policy, case, n) <= now]
    if due and case.in_flight:
        return Decision(next_at=now + WAIT_FOR_RESULT)
    taken, waits_until = _take(policy, case, due, now)
    rest = [n for n in left if n not in {task.step for task in taken}]
    if not rest:
        return Decision(tuple(taken), exhausted=True)
    next_at = min(max(_at(policy, case, n), waits_until or now) if n in due else _at(policy, case, n) for n in rest)
    return Decision(tuple(taken), next_at=next_at)


def _at(policy: Policy, case: Case, step: int) -> datetime:
    return case.due_at + timedelta(days=policy.steps[step].after_days)


def _take(policy: Policy, case: Case, due: list[int], now: datetime) -> tuple[list[Task], datetime | None]:
    """The tasks of the due steps, and until when those that have to wait must wait."""
    tasks: list[Task] = []
    for n in due:
        action = policy.steps[n].action
        if action in (Action.SUSPEND, Action.DEPROVISION):
            waits_until = _notice_ends(policy, case, tasks, now) if action is Action.SUSPEND else None
            if waits_until is not None and waits_until > now:
                return tasks, waits_until
            tasks.append(Task(n, action))
            continue
        overtaken = any(m > n and policy.steps[m].action is action for m in due)
        tasks.append(Task(n, action, _reason_to_skip(case, action, overtaken)))
        if action is Action.RETRY and tasks[-1].skipped is None:
            return tasks, now + WAIT_FOR_RESULT
    return tasks, None


def _reason_to_skip(case: Case, action: Action, overtaken: bool) -> str | None:
    if overtaken:
        return "overtaken"
    if action is Action.RETRY and not case.chargeable:
        return "no_chargeable_method"
    return None


def _notice_ends(policy: Policy, case: Case, tasks: list[Task], now: datetime) -> datetime | None:
    """When the first letter is old enough for a suspension; None where the policy writes none."""
    if not policy.warns:
        return None
    written = [at for n, at in case.done.items() if policy.steps[n].action is Action.REMIND]
    if not written and any(task.action is Action.REMIND and task.skipped is None for task in tasks):
        written = [now]
    return min(written) + NOTICE if written else None
