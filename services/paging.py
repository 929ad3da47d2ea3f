"""Lists in pages by key, never by offset: a page costs the same however far one has read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from services.context import Context

T = TypeVar("T")
U = TypeVar("U")
Key = tuple[str, ...]


@dataclass(frozen=True)
class Window:
    """Which page: at most `limit` rows that come after the row with the key `after` (as text, from a cursor)."""

    limit: int = 50
    after: Key | None = None


@dataclass(frozen=True)
class Slice(Generic[T]):
    """A page of rows, and the key to go on from; None on the last page."""

    rows: Sequence[T]
    last: Key | None

    def map(self, function: Callable[[T], U]) -> Slice[U]:
        """The same page of other values."""
        return Slice([function(row) for row in self.rows], self.last)


def newest_first(
    ctx: Context, statement: Select[T], id_column: InstrumentedAttribute[UUID], window: Window
) -> Slice[T]:
    """A page of entities by their UUIDv7, the newest first."""
    return in_order(ctx, statement, (id_column,), window, descending=True)


def in_order(
    ctx: Context,
    statement: Select[T],
    columns: Sequence[InstrumentedAttribute[Any]],
    window: Window,
    *,
    descending: bool = False,
) -> Slice[T]:
    """A page of entities in the order of columns that together are unique and not null.

    Args:
        statement: selects one entity; has no order and no limit yet.
        columns: of that entity, all sorted the same way.
    """
    if window.after is not None:
        here = tuple_(*columns)
        bound = tuple_(*(_bound(column, text) for column, text in zip(columns, window.after, strict=True)))
        statement = statement.where(here < bound if descending else here > bound)
    statement = statement.order_by(*(column.desc() if descending else column for column in columns))
    rows = ctx.session.scalars(statement.limit(window.limit + 1)).all()
    if len(rows) <= window.limit:
        return Slice(rows, None)
    rows = rows[: window.limit]
    return Slice(rows, tuple(_text(getattr(rows[-1], column.key)) for column in columns))


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def _bound(column: InstrumentedAttribute[Any], text: str) -> Any:
    return literal(_read(column.type.python_type, text), column.type)


def _read(kind: type[Any], text: str) -> Any:
    if kind in (datetime, date):
        return kind.fromisoformat(text)
    return {UUID: UUID, int: int, Decimal: Decimal}.get(kind, str)(text)
