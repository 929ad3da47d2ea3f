"""What is done about an unpaid invoice, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.dunning.decide import Case, Decision, Task, decide
from billing.dunning.policy import DEFAULT, Action, Policy, Step, parse
from core.errors import Invalid

DUE = datetime(2026, 2, 15, tzinfo=UTC)
OWED = Case(DUE, chargeable=True)


def day(n: float) -> datetime:
    return DUE + timedelta(days=n)


def live(policy: Policy, case: Case, looks: list[datetime]) -> list[tuple[datetime, Task]]:
    """Look at the given instants, taking each task that is decided."""
    taken: list[tuple[datetime, Task]] = []
    for now in looks:
        for task in decide(policy, case, now).tasks:
            taken.append((now, task))
            case = replace(case, done={**case.done, task.step: now})
    return taken


def test_nothing_happens_before_the_first_step_is_due() -> None:
    assert decide(DEFAULT, OWED, DUE) == Decision(next_at=day(1))


def test_the_default_policy_goes_from_a_reminder_to_the_end_in_44_days() -> None:
    taken = live(DEFAULT, OWED, [DUE + timedelta(hours=h) for h in range(60 * 24)])
    assert [((at - DUE).days, task.action.value) for at, task in taken] == [
        (1, "retry"),
        (1, "remind"),
        (3, "retry"),
        (7, "retry"),
        (7, "remind"),
        (14, "retry"),
        (14, "suspend"),
        (44, "deprovision"),
    ]


def test_following_next_at_takes_every_step_at_its_instant() -> None:
    case, now, days = OWED, DUE, []
    while True:
        decision = decide(DEFAULT, case, now)
        case = replace(case, done={**case.done, **{t.step: now for t in decision.tasks}})
        days += [(now - DUE).days for _ in decision.tasks]
        if decision.next_at is None:
            assert decision.exhausted
            break
        now = decision.next_at
    assert days == [step.after_days for step in DEFAULT.steps]


def test_a_paid_invoice_recovers_whatever_was_due() -> None:
    assert decide(DEFAULT, replace(OWED, owed=False), day(100)) == Decision(recovered=True)


def test_a_card_that_was_refused_for_good_is_not_tried_again() -> None:
    tasks = decide(DEFAULT, replace(OWED, chargeable=False), day(1)).tasks
    assert tasks == (Task(0, Action.RETRY, "no_chargeable_method"), Task(1, Action.REMIND))


def test_nobody_is_blamed_while_the_result_of_a_payment_is_not_known() -> None:
    assert decide(DEFAULT, replace(OWED, in_flight=True), day(14)) == Decision(next_at=day(14) + timedelta(hours=1))


def test_after_an_outage_one_letter_goes_out_and_the_suspension_waits_a_day() -> None:
    late = decide(DEFAULT, OWED, day(20))
    assert [(t.step, t.skipped) for t in late.tasks] == [
        (0, "overtaken"),
        (1, "overtaken"),
        (2, "overtaken"),
        (3, "overtaken"),
        (4, None),
        (5, None),
    ]
    assert late.next_at == day(20) + timedelta(hours=1)
    done = {task.step: day(20) for task in late.tasks}
    assert decide(DEFAULT, replace(OWED, done=done), day(21)).tasks == (Task(6, Action.SUSPEND),)


def test_what_comes_after_a_try_waits_for_its_result() -> None:
    tried = decide(DEFAULT, OWED, day(1))
    assert tried == Decision((Task(0, Action.RETRY),), next_at=day(1) + timedelta(hours=1))
    declined = replace(OWED, done={0: day(1)})
    assert decide(DEFAULT, declined, day(1)).tasks == (Task(1, Action.REMIND),)


def test_a_policy_without_letters_suspends_without_notice() -> None:
    assert decide(Policy((Step(2, Action.SUSPEND),)), OWED, day(2)) == Decision(
        (Task(0, Action.SUSPEND),), exhausted=True
    )


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from([Action.REMIND, Action.RETRY])), max_size=8),
    st.lists(st.integers(0, 24 * 90), min_size=1, max_size=30),
)
def test_however_late_one_looks_no_step_is_taken_twice_or_early(
    given_steps: list[tuple[int, Action]], hours: list[int]
) -> None:
    days = sorted(given_steps, key=lambda s: s[0])
    policy = Policy((*(Step(*s) for s in days), Step(61, Action.SUSPEND), Step(70, Action.DEPROVISION)))
    looks = [DUE + timedelta(hours=h) for h in sorted(hours)]
    taken = live(policy, OWED, looks)
    steps = [task.step for _, task in taken]
    assert len(steps) == len(set(steps))
    assert all(at >= day(policy.steps[task.step].after_days) for at, task in taken)
    for now in looks:
        assert len([t for at, t in taken if at == now and t.action is Action.REMIND and not t.skipped]) <= 1


@given(st.integers(0, 24 * 60))
def test_the_next_look_is_later_than_now(hours: int) -> None:
    now = DUE + timedelta(hours=hours)
    decision = decide(DEFAULT, OWED, now)
    assert decision.next_at is None or decision.next_at > now


def test_a_policy_reads_back_from_its_json() -> None:
    assert parse(DEFAULT.as_json()) == DEFAULT


@pytest.mark.parametrize(
    ("given", "code", "pointer"),
    [
        (None, "dunning_policy_malformed", "/dunning_policy/steps"),
        ({"steps": []}, "dunning_policy_malformed", "/dunning_policy/steps"),
        ({"steps": [{"after_days": "1", "action": "remind"}]}, "days_malformed", "/dunning_policy/steps/0/after_days"),
        ({"steps": [{"after_days": -1, "action": "remind"}]}, "days_malformed", "/dunning_policy/steps/0/after_days"),
        ({"steps": [{"after_days": 1, "action": "shout"}]}, "action_unknown", "/dunning_policy/steps/0/action"),
        ({"steps": [7]}, "days_malformed", "/dunning_policy/steps/0/after_days"),
        (
            {"steps": [{"after_days": 3, "action": "remind"}, {"after_days": 1, "action": "remind"}]},
            "dunning_steps_out_of_order",
            "/dunning_policy/steps",
        ),
        (
            {"steps": [{"after_days": 3, "action": "deprovision"}]},
            "dunning_steps_out_of_order",
            "/dunning_policy/steps",
        ),
        ({"steps": [{"after_days": 3, "action": "suspend"}] * 2}, "dunning_step_repeated", "/dunning_policy/steps"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_member(given: Any, code: str, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(given)
    assert (refused.value.code, refused.value.errors[0].pointer) == (code, pointer)
