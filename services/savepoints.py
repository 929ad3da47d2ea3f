"""Steps that may fail without taking with them what else their transaction does, and steps that are only tried."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import OperationalError

from core.errors import Refused
from services.context import Context

log = logging.getLogger(__name__)


def failure_of(
    ctx: Context, step: Callable[[], None], message: str, *, expected: tuple[type[Exception], ...] = (), **about: Any
) -> Exception | None:
    """Take a step, all of it or nothing; what went wrong, if something did.

    Args:
        message, about: what the log says of a failure.
        expected: failures that the log need not have.

    Raises:
        OperationalError: the database is in trouble, not what the step is about: another try will do.
    """
    try:
        with ctx.session.begin_nested():  # a savepoint
            step()
    except OperationalError:
        raise
    except Exception as error:  # whatever is wrong with one must not stop the others
        if not isinstance(error, expected):
            log.warning(message, extra=about, exc_info=error)
        return error
    return None


def reason_of(failure: Exception) -> tuple[str, str]:
    """Why a step failed, as a code and a sentence that may be shown."""
    if isinstance(failure, Refused):
        return failure.code, failure.detail
    return "unexpected", f"{type(failure).__name__}: the log has more."


@contextmanager
def taken_back(ctx: Context) -> Iterator[None]:
    """Whatever is done within is undone at the end; what was read stays readable."""
    hints = list(ctx.hints)
    with ctx.session.begin_nested() as attempt:  # a savepoint
        yield
        ctx.session.expunge_all()
        attempt.rollback()  # to the savepoint
    ctx.hints[:] = hints
