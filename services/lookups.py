"""Finding one row by what a caller wrote: a TypeID, an external id, or a code."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from core.errors import NotFound, UnknownReference
from core.ids import decode, looks_like
from services.context import Context, visible

Row = TypeVar("Row")


def by_id(
    ctx: Context,
    model: type[Row],
    kind: str,
    row_id: UUID,
    *,
    account: InstrumentedAttribute[Any] | None = None,
    lock: bool = False,
) -> Row:
    """The row of that id, where the caller may see it.

    Args:
        account: the column that says whose it is; None for what belongs to the whole provider.
        lock: take the row for update.

    Raises:
        NotFound: there is none, or not for this caller.
    """
    table: Any = model
    return _one(ctx, model, kind, table.id == row_id, row_id, account, lock)


def by_reference(
    ctx: Context,
    model: type[Row],
    kind: str,
    reference: str,
    *,
    pointer: str,
    account: InstrumentedAttribute[Any] | None = None,
    lock: bool = False,
) -> Row:
    """The row that a body refers to by TypeID, external id or, where the kind has one, code.

    Raises:
        UnknownReference: there is none, or not for this caller; names the member.
    """
    table: Any = model
    condition: ColumnElement[bool]
    if looks_like(kind, reference):
        condition = table.id == decode(kind, reference)
    else:
        condition = table.external_id == reference
        if hasattr(table, "code"):
            condition = condition | (table.code == reference)
    try:
        return _one(ctx, model, kind, condition, reference, account, lock)
    except NotFound:
        raise UnknownReference(kind, reference, pointer) from None


def _one(
    ctx: Context,
    model: type[Row],
    kind: str,
    condition: ColumnElement[bool],
    named: object,
    account: InstrumentedAttribute[Any] | None,
    lock: bool,
) -> Row:
    table: Any = model
    statement = select(model).where(table.provider_id == ctx.provider.id, condition).limit(1)
    if account is not None:
        statement = statement.where(visible(ctx, account))
    if lock:
        # A row that was loaded before it was locked may be stale: read it anew.
        statement = statement.with_for_update().execution_options(populate_existing=True)
    row = ctx.session.execute(statement).scalars().first()
    if row is None:
        raise NotFound(kind, named)
    return row
