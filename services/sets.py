"""Work in sets: conditions that bind one array, and rows that are written in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, partial
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
from stores.statements import PLANNED_ANEW, Ready, chunks, meanwhile, ready, send

# How many rows a statement writes: its arrays are held once more while they are packed, and those of the next beside
# them.
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
    return _run(ctx, partial(_insert, table, pass_over_known), rows) if rows else 0


def change_rows(ctx: Context, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Update rows by their keys, in one statement for thousands; nothing for none.

    Args:
        rows: all with the same members, the columns of the primary key among them.
    """
    if rows:
        _run(ctx, partial(_update, table), rows)


def add_in_turn(ctx: Context, portions: Iterable[tuple[type[Base], Sequence[Mapping[str, Any]]]]) -> None:
    """Insert portions of rows, each into its table, in their order; of any number, since few are held at once.

    Args:
        portions: each with rows of the same members. They are made while the database writes what came before, so
            that making them must not need the session.
    """
    _send(ctx, (each for table, rows in portions for each in _ready(partial(_insert, table, False), rows)))


def _run(ctx: Context, stated: Callable[[_Shape], _Statement], rows: Sequence[Mapping[str, Any]]) -> int:
    if len(rows) <= ROWS_AT_ONCE:  # nothing to do meanwhile
        return sum(send(ctx.session, each).rowcount for each in _ready(stated, rows))
    return _send(ctx, _ready(stated, rows))


def _send(ctx: Context, statements: Iterator[Ready]) -> int:
    """Send statements one after another; the next is made while the database works on the one before.

    Returns:
        How many rows they wrote.
    """
    written = 0
    following = next(statements, None)
    while following is not None:
        with meanwhile(partial(send, ctx.session, following)) as sent:
            following = next(statements, None)
        written += sent.result().rowcount
    return written


def _ready(stated: Callable[[_Shape], _Statement], rows: Sequence[Mapping[str, Any]]) -> Iterator[Ready]:
    for some in chunks(rows, ROWS_AT_ONCE):
        columns = {name: [row[name] for row in some] for name in rows[0]}
        statement = stated(tuple((name, _is_shared(values)) for name, values in columns.items()))
        yield ready(statement.text, statement.parameters(columns))


# The members of rows, each with whether all rows share one value, which then travels once.
_Shape = tuple[tuple[str, bool], ...]


def _is_shared(values: Sequence[Any]) -> bool:
    first = values[0]
    return len(values) > PLANNED_ANEW and all(value is first for value in values)


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
    shared: bool

    def packed(self, values: Sequence[Any]) -> Any:
        """What travels: one value of all rows, or a list."""
        to = self.packing.to
        if self.shared:
            return values[0] if to is None or values[0] is None else to(values[0])
        return values if to is None else [None if value is None else to(value) for value in values]

    @property
    def source(self) -> str:
        """How a statement says it, before any cast: the parameter of all rows, or a column of the arrays."""
        return f"%({self.attribute})b::{self.packing.kind}" if self.shared else f'rows."{self.column}"'


@dataclass(frozen=True)
class _Statement:
    text: str
    members: Sequence[_Member]

    def parameters(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        return {member.attribute: member.packed(columns[member.attribute]) for member in self.members}


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


def _members(table: type[Base], shape: _Shape) -> tuple[_Member, ...]:
    columns = table.__mapper__.columns
    return tuple(_Member(name, columns[name].name, _packing(columns[name].type), shared) for name, shared in shape)


def _packing(kind: TypeEngine[Any]) -> _Packing:
    for known, packing in _PACKINGS:
        if isinstance(kind, known):
            return packing
    raise TypeError(f"rows with {kind!r} are not written in sets")


def _source(members: Sequence[_Member]) -> str:
    own = [m for m in members if not m.shared]
    arrays = ", ".join(f"%({m.attribute})b::{m.packing.kind}[]" for m in own)
    return f"unnest({arrays}) AS rows ({_columns(own)})"


def _columns(members: Sequence[_Member]) -> str:
    return ", ".join(f'"{m.column}"' for m in members)


def _value(member: _Member) -> str:
    cast = f"::{member.packing.cast}" if member.packing.cast else ""
    return f"{member.source}{cast}"


# ruff: noqa: S608 (names of our own tables and columns; values are parameters)
@cache
def _insert(table: type[Base], pass_over_known: bool, shape: _Shape) -> _Statement:
    members = _members(table, shape)
    values = ", ".join(_value(m) for m in members)
    known = " ON CONFLICT DO NOTHING" if pass_over_known else ""
    into = f"INSERT INTO {table.__tablename__} ({_columns(members)})"
    return _Statement(f"{into} SELECT {values} FROM {_source(members)}{known}", members)


@cache
def _update(table: type[Base], shape: _Shape) -> _Statement:
    members = _members(table, shape)
    stored = table.__table__
    assert isinstance(stored, Table)
    keys = {column.name for column in stored.primary_key}
    found = " AND ".join(f'{stored.name}."{m.column}" = {_value(m)}' for m in members if m.column in keys)
    sets = ", ".join(f'"{m.column}" = {_value(m)}' for m in members if m.column not in keys)
    return _Statement(f"UPDATE {stored.name} SET {sets} FROM {_source(members)} WHERE {found}", members)
