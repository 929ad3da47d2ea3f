"""Work in sets: conditions that bind one array, and rows that are written in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, any_, bindparam, insert
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from models.base import Base
from services.context import Context


def among(column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """The condition that a column's value is one of these; none of them is, when there are none.

    `IN` would bind each value, of which there may be too many.
    """
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type), unique=True))


def add_rows(ctx: Context, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same members, in one statement; nothing for none.

    Absent values are written as such: left out, rows with and without them would become statements of their own.
    """
    if rows:
        ctx.session.execute(insert(table), list(rows), execution_options={"render_nulls": True})
