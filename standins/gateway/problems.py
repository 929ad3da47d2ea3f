"""Refusals in the shape Stripe gives them: `{"error": {"type", "code", "message", "param", …}}`."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class Problem(Exception):
    """An answer that is not 2xx.

    Args:
        kept: whether the answer belongs to its idempotency key. Stripe keeps what an endpoint answered once it ran,
            and does not keep a refusal of the parameters.
    """

    def __init__(self, status: int, kind: str, message: str, *, kept: bool = True, **members: Any) -> None:
        super().__init__(message)
        self.status = status
        self.kept = kept
        self.body: Json = {"error": {"type": kind, "message": message, **members}}


def invalid(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> Problem:
    """The parameters are wrong; nothing was done."""
    members = {name: value for name, value in (("param", param), ("code", code)) if value is not None}
    return Problem(status, "invalid_request_error", message, kept=False, **members)


def missing(kind: str, ident: str, param: str, status: int = 400) -> Problem:
    """No such object for this key: 404 where the path names it, 400 where a parameter does."""
    return invalid(f"No such {kind.replace('_', '')}: '{ident}'", param, "resource_missing", status)


def unauthorized(message: str) -> Problem:
    return Problem(401, "invalid_request_error", message, kept=False)
