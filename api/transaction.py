"""One request, one transaction: opened when a view first asks for its context, ended by the app.

Small work of many requests may share one instead (`together`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeVar
from uuid import UUID

from flask import current_app, g

from runtime.house import House
from runtime.together import Together, Who
from runtime.unit import unit
from services.context import Context
from services.credentials import Credential

Piece = TypeVar("Piece")
Outcome = TypeVar("Outcome")
Place = TypeVar("Place")


class _TakenBack(Exception):
    """Makes the transaction helper roll back; never leaves this module."""


def home() -> House:
    """The house that this app was made for."""
    found: House = current_app.extensions["busbar"]
    return found


def caller() -> Credential:
    """The credential of this request; only on routes that require one."""
    found: Credential | None = g.get("caller")
    if found is None:
        raise RuntimeError("a public route has no caller: use context_for")
    return found


def context() -> Context:
    """The services' context of this request, in its one transaction."""
    who = caller()
    return _open(who.provider_id, who.actor, who.scope)


def context_for(provider_id: UUID, actor: str) -> Context:
    """The same for a public route that found out by itself which provider it is about."""
    return _open(provider_id, actor, None)


def _open(provider_id: UUID, actor: str, scope: frozenset[UUID] | None) -> Context:
    opened: Context | None = g.get("ctx")
    if opened is not None:
        if opened.provider.id != provider_id:
            raise RuntimeError("a request is about one provider")
        return opened
    stack = ExitStack()
    made = stack.enter_context(unit(provider_id, actor=actor, scope=scope, request_id=g.request_id, within=home()))
    g.ctx, g.transaction = made, stack
    return made


def together(work: Callable[[Context, Sequence[Piece]], Sequence[Outcome]], piece: Piece) -> Outcome:
    """Do a small piece of work in a transaction that requests of the same caller share; it is committed on return.

    A request that has a transaction already, for its idempotency key, does the work there.
    """
    if "ctx" in g:
        return work(context(), [piece])[0]
    who = caller()
    kinds: dict[object, Together[Piece, Outcome]] = current_app.extensions.setdefault("busbar.together", {})
    shared = kinds.get(work) or kinds.setdefault(work, Together(home(), work))
    return shared.do(Who(who.provider_id, who.actor, who.scope), piece, request_id=g.request_id)


def piece_by_piece(read: Callable[[Context, Place], tuple[bytes, Place | None]], start: Place) -> Iterator[bytes]:
    """An answer that is read while it is sent, each piece in a transaction of its own.

    Args:
        read: reads a piece at a place, and tells where the next one is; None after the last.
    """
    who, house, request_id = caller(), home(), g.request_id

    def pieces() -> Iterator[bytes]:
        place: Place | None = start
        while place is not None:
            with unit(who.provider_id, actor=who.actor, scope=who.scope, request_id=request_id, within=house) as ctx:
                data, place = read(ctx, place)
            yield data

    return pieces()


def keep() -> None:
    """End the transaction, if one was opened, and keep what it did."""
    stack: ExitStack | None = g.pop("transaction", None)
    g.pop("ctx", None)
    if stack is not None:
        stack.close()


def undo() -> None:
    """End the transaction, if one was opened, and undo what it did."""
    stack: ExitStack | None = g.pop("transaction", None)
    g.pop("ctx", None)
    if stack is not None:
        try:
            raise _TakenBack
        except _TakenBack as error:
            stack.__exit__(_TakenBack, error, error.__traceback__)
