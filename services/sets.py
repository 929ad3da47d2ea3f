"""Work in sets: conditions that bind one array, and rows that are written in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Table,
    Uuid,
    any_,
    bindparam,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE, Range
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine

from models.base import Base
from services.context import Context
from stores.statements import chunks, run

# How many rows a statement writes: its arrays are held once more while they are packed.
ROWS_AT_ONCE = 5_000


def among(column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """The condition that a column's value is one of these; none of them is, when there are none.

    `IN` would bind each value, of which there may be too many.
    """
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type), unique=True))


def add_rows(
    ctx: Context, table: type[Base], rows: Sequence[Mapping[str, Any]], *, pass_over_known: bool = False
) -> int:
    """Insert rows that all have the same members, in one statement for thousands; nothing for none.

    Members are attributes of the table's class. COPY would be refused where row-level security holds; arrays that are
    unnested cost the database hardly more, and triggers look at the whole statement.

    Args:
        pass_over_known: rows that a unique constraint would refuse are left out, whoever wrote them.

    Returns:
        How many rows were written.
    """
    return _run(ctx, _insert(table, tuple(rows[0]), pass_over_known), rows) if rows else 0


def change_rows(ctx: Context, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Update rows by their keys, in one statement for thousands; nothing for none.

    Args:
        rows: all with the same members, the columns of the primary key among them.
    """
    if rows:
        _run(ctx, _update(table, tuple(rows[0])), rows)


def _run(ctx: Context, statement: _Statement, rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(
        run(ctx.session, statement.text, statement.parameters(some)).rowcount for some in chunks(rows, ROWS_AT_ONCE)
    )


@dataclass(frozen=True)
class _Packing:
    """How values of a type travel: as an array of `kind`, cast to `cast` where that is another type."""

    kind: str
    cast: str = ""
    to: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class _Member:
    attribute: str
    column: str
    packing: _Packing

    def values(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        found = [row[self.attribute] for row in rows]
        to = self.packing.to
        return found if to is None else [None if value is None else to(value) for value in found]


@dataclass(frozen=True)
class _Statement:
    text: str
    members: Sequence[_Member]

    def parameters(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {member.attribute: member.values(rows) for member in self.members}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _range(value: Range[Any]) -> str:
    bounds = [bound.isoformat() if bound is not None else "" for bound in (value.lower, value.upper)]
    return f"[{bounds[0]},{bounds[1]})"  # every span of ours is half-open


def _decimal(value: Decimal | int) -> str:
    return format(value, "f")


_PACKINGS: tuple[tuple[type[TypeEngine[Any]], _Packing], ...] = (
    (Uuid, _Packing("uuid")),
    (String, _Packing("text")),
    (BigInteger, _Packing("int8")),
    (Integer, _Packing("int4")),
    (DateTime, _Packing("timestamptz")),
    (LargeBinary, _Packing("bytea")),
    (Numeric, _Packing("text", "numeric", _decimal)),
    (Boolean, _Packing("text", "boolean", str)),
    (Date, _Packing("text", "date", date.isoformat)),
    (JSONB, _Packing("text", "jsonb", _json)),
    (TSTZRANGE, _Packing("text", "tstzrange", _range)),
)


def _members(table: type[Base], attributes: Sequence[str]) -> tuple[_Member, ...]:
    columns = table.__mapper__.columns
    return tuple(_Member(name, columns[name].name, _packing(columns[name].type)) for name in attributes)


def _packing(kind: TypeEngine[Any]) -> _Packing:
    for known, packing in _PACKINGS:
        if isinstance(kind, known):
            return packing
    raise TypeError(f"rows with {kind!r} are not written in sets")


def _source(members: Sequence[_Member]) -> str:
    arrays = ", ".join(f"%({m.attribute})b::{m.packing.kind}[]" for m in members)
    return f"unnest({arrays}) AS rows ({_columns(members)})"


def _columns(members: Sequence[_Member]) -> str:
    return ", ".join(f'"{m.column}"' for m in members)


def _value(member: _Member) -> str:
    cast = f"::{member.packing.cast}" if member.packing.cast else ""
    return f'rows."{member.column}"{cast}'


# ruff: noqa: S608 (names of our own tables and columns; values are parameters)
@cache
def _insert(table: type[Base], attributes: tuple[str, ...], pass_over_known: bool) -> _Statement:
    members = _members(table, attributes)
    values = ", ".join(_value(m) for m in members)
    known = " ON CONFLICT DO NOTHING" if pass_over_known else ""
    into = f"INSERT INTO {table.__tablename__} ({_columns(members)})"
    return _Statement(f"{into} SELECT {values} FROM {_source(members)}{known}", members)


@cache
def _update(table: type[Base], attributes: tuple[str, ...]) -> _Statement:
    members = _members(table, attributes)
    stored = table.__table__
    assert isinstance(stored, Table)
    keys = {column.name for column in stored.primary_key}
    found = " AND ".join(f'{stored.name}."{m.column}" = {_value(m)}' for m in members if m.column in keys)
    sets = ", ".join(f'"{m.column}" = {_value(m)}' for m in members if m.column not in keys)
    return _Statement(f"UPDATE {stored.name} SET {sets} FROM {_source(members)} WHERE {found}", members)
