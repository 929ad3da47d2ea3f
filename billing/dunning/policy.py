"""A dunning policy: steps, each so many days after the invoice was due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.errors import FieldError, Invalid

MAX_STEPS = 30
MAX_DAYS = 730


class Action(StrEnum):
    """What a step does."""

    REMIND = "remind"  # write to the payer
    RETRY = "retry"  # try the payment method once more
    SUSPEND = "suspend"  # have the services switched off
    DEPROVISION = "deprovision"  # have them taken down for good


@dataclass(frozen=True)
class Step:
    """`after_days` days after the invoice was due, do `action`."""

    after_days: int
    action: Action


@dataclass(frozen=True)
class Policy:
    """Steps in the order in which they are taken. A step's number is its place, and is what is written down as done."""

    steps: tuple[Step, ...]

    @property
    def warns(self) -> bool:
        """Whether anybody is written to before a service is switched off."""
        return any(step.action is Action.REMIND for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        return {"steps": [{"after_days": step.after_days, "action": step.action.value} for step in self.steps]}


# A card is tried again on days that differ from pay day and month end alike, since most declines are an empty account;
# two letters go out before anything is switched off, and a month passes before anything is taken down.
DEFAULT = Policy(
    (
        Step(1, Action.RETRY),
        Step(1, Action.REMIND),
        Step(3, Action.RETRY),
        Step(7, Action.RETRY),
        Step(7, Action.REMIND),
        Step(14, Action.RETRY),
        Step(14, Action.SUSPEND),
        Step(44, Action.DEPROVISION),
    )
)


def parse(value: object, pointer: str = "/dunning_policy") -> Policy:
    """A policy from its JSON: `{"steps": [{"after_days": 3, "action": "remind"}, …]}`, days not falling.

    Raises:
        Invalid: with every wrong member; `dunning_steps_out_of_order` where a step comes before its predecessor, or
            a service would be taken down without having been suspended.
    """
    steps = value.get("steps") if isinstance(value, Mapping) else None
    if not isinstance(steps, list) or not 1 <= len(steps) <= MAX_STEPS:
        raise Invalid("dunning_policy_malformed", f"A policy has 1 to {MAX_STEPS} steps.", f"{pointer}/steps")
    errors: list[FieldError] = []
    read = [_step(step, f"{pointer}/steps/{n}", errors) for n, step in enumerate(steps)]
    if errors:
        raise Invalid.collect(errors)
    policy = Policy(tuple(step for step in read if step is not None))
    _check_order(policy, f"{pointer}/steps")
    return policy


def _step(value: object, pointer: str, errors: list[FieldError]) -> Step | None:
    given: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    days, action = given.get("after_days"), given.get("action")
    if type(days) is not int or not 0 <= days <= MAX_DAYS:
        errors.append(FieldError(f"{pointer}/after_days", "days_malformed", f"A whole number, 0 to {MAX_DAYS}."))
        return None
    if action not in tuple(Action):
        known = ", ".join(Action)
        errors.append(FieldError(f"{pointer}/action", "action_unknown", f"One of {known}."))
        return None
    return Step(days, Action(action))


def _check_order(policy: Policy, pointer: str) -> None:
    days = [step.after_days for step in policy.steps]
    if days != sorted(days):
        raise Invalid("dunning_steps_out_of_order", "A step comes no earlier than the one before it.", pointer)
    actions = [step.action for step in policy.steps]
    for once in (Action.SUSPEND, Action.DEPROVISION):
        if actions.count(once) > 1:
            raise Invalid("dunning_step_repeated", f"A policy has one step {once} at most.", pointer)
    if Action.DEPROVISION in actions and Action.SUSPEND not in actions[: actions.index(Action.DEPROVISION)]:
        raise Invalid("dunning_steps_out_of_order", "What is taken down was suspended before.", pointer)
