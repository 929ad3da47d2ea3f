"""Running a set-based statement in the caller's transaction.

Parameters are bound in PostgreSQL's binary format (`%(name)b`), and the driver prepares the statements of small
requests once per connection. Lists whose type the statement names (`%(name)b::uuid[]`) are packed in bulk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import CursorResult
from sqlalchemy.orm import Session

from stores.arrays import arrays_of, pack, teach

T = TypeVar("T")
FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
EVER = datetime(1, 1, 1, tzinfo=UTC)
CHUNK = 20_000
TAUGHT = "busbar.arrays"
PLANNED_ANEW = 20


def run(session: Session, statement: str, parameters: dict[str, Any]) -> CursorResult[*tuple[Any, ...]]:
    """Execute in the session's transaction, after what the session has not yet written."""
    session.flush()
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    if not connection.info.get(TAUGHT):
        teach(driver)
        connection.info[TAUGHT] = True
    arrays = arrays_of(statement)
    packed = {name: pack(kind, parameters[name]) for name, kind in arrays.items()}
    rows = max((len(parameters[name]) for name in arrays), default=0)
    threshold = driver.prepare_threshold
    # A plan that is kept was made for a few rows, and perhaps for tables that were still empty: a set is planned anew.
    driver.prepare_threshold = None if rows > PLANNED_ANEW else threshold
    try:
        return connection.exec_driver_sql(statement, parameters | packed)
    finally:
        driver.prepare_threshold = threshold


def chunks(rows: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """A few rows at a time, so that no statement's parameters grow without bound."""
    rest = iter(rows)
    while chunk := list(islice(rest, size)):
        yield chunk


def weighed(rows: Iterable[T], weight: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """As many rows at a time as weigh no more than `most` together; one that is heavier goes alone."""
    some: list[T] = []
    held = 0
    for row in rows:
        heavy = weight(row)
        if some and held + heavy > most:
            yield some
            some, held = [], 0
        some.append(row)
        held += heavy
    if some:
        yield some


def texts(values: Sequence[Decimal | None]) -> list[str | None]:
    """Decimals as text: the fastest way into a numeric column, cast there."""
    return [None if value is None else f"{value:f}" for value in values]
