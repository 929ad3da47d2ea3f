"""Refusals, as values with a stable code, a sentence for people, and a JSON pointer per wrong member.

Doors turn them into problem+json (RFC 9457) or one line on a terminal; nothing else knows HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One wrong member: `pointer` is an RFC 6901 JSON pointer into the body (`/prices/0/charge_code`)."""

    pointer: str
    code: str
    detail: str


class Refused(Exception):
    """What a caller asked for cannot be done.

    Args:
        code: stable, snake_case; callers branch on it.
        detail: one sentence that says what to do next.
        pointer: the wrong member, where one is to blame.
        errors: every wrong member, where several are.
    """

    status = 422
    title = "Refused"

    def __init__(
        self, code: str, detail: str, pointer: str | None = None, *, errors: Sequence[FieldError] = ()
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.errors: tuple[FieldError, ...] = tuple(errors)
        if pointer is not None and not self.errors:
            self.errors = (FieldError(pointer, code, detail),)


class Invalid(Refused):
    """The body breaks its schema or a rule."""

    status, title = 422, "Invalid"

    @classmethod
    def collect(cls, errors: Sequence[FieldError]) -> Invalid:
        """One refusal for several wrong members; its code is that of the first."""
        first = errors[0]
        return cls(first.code, first.detail, errors=errors)


class NotFound(Refused):
    """It does not exist, or not for this caller."""

    status, title = 404, "Not found"

    def __init__(self, what: str, reference: object = None, pointer: str | None = None) -> None:
        named = "" if reference is None else f" {reference}"
        super().__init__(f"{what.replace(' ', '_')}_not_found", f"There is no {what}{named}.", pointer)


class UnknownReference(Invalid):
    """A member of the body names something that does not exist for this caller."""

    def __init__(self, what: str, reference: object, pointer: str) -> None:
        super().__init__(f"{what.replace(' ', '_')}_unknown", f"There is no {what} {reference!s}.", pointer)


class Conflict(Refused):
    """It exists already, or its state does not allow this."""

    status, title = 409, "Conflict"


class IllegalTransition(Conflict):
    """A state machine has no such step."""

    def __init__(self, machine: str, state: str, action: str) -> None:
        super().__init__("illegal_transition", f"This {machine} is {state} and cannot {action}.".replace("_", " "))
        self.machine, self.state, self.action = machine, state, action


class Unauthenticated(Refused):
    """No credential, or one that is unknown, expired or revoked."""

    status, title = 401, "Unauthenticated"


class Forbidden(Refused):
    """The credential is good but lacks the scope."""

    status, title = 403, "Forbidden"


class StaleVersion(Refused):
    """`If-Match` names an older state of the resource."""

    status, title = 412, "Stale version"


class Unavailable(Refused):
    """Something outside does not answer; trying again later may help."""

    status, title = 503, "Unavailable"


class Misconfigured(Exception):
    """The program cannot start as configured. Doors print the one line and exit 2."""
