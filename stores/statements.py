"""Running a set-based statement in the caller's transaction.

Parameters are bound in PostgreSQL's binary format (`%(name)b`), and the driver prepares the statements of small
requests once per connection. Lists whose type the statement names (`%(name)b::uuid[]`) are packed in bulk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Ready:
    """A statement with its parameters packed: all that can be done before the database is asked.

    `rows` is how long the longest of its arrays is.
    """

    text: str
    parameters: Mapping[str, Any]
    rows: int


def ready(statement: str, parameters: dict[str, Any]) -> Ready:
    """Pack the parameters of a statement. Needs no session, so another thread may be using it."""
    arrays = arrays_of(statement)
    packed = {name: pack(kind, parameters[name]) for name, kind in arrays.items()}
    return Ready(statement, parameters | packed, max((len(parameters[name]) for name in arrays), default=0))


def run(session: Session, statement: str, parameters: dict[str, Any]) -> CursorResult[*tuple[Any, ...]]:
    """Execute in the session's transaction, after what the session has not yet written."""
    return send(session, ready(statement, parameters))


def send(session: Session, statement: Ready) -> CursorResult[*tuple[Any, ...]]:
    """Execute what is packed, as `run` does."""
    session.flush()
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    if not connection.info.get(TAUGHT):
        teach(driver)
        connection.info[TAUGHT] = True
    threshold = driver.prepare_threshold
    # A plan that is kept was made for a few rows, and perhaps for tables that were still empty: a set is planned anew.
    driver.prepare_threshold = None if statement.rows > PLANNED_ANEW else threshold
    try:
        return connection.exec_driver_sql(statement.text, dict(statement.parameters))
    finally:
        driver.prepare_threshold = threshold


@contextmanager
def meanwhile(step: Callable[[], T]) -> Iterator[Future[T]]:
    """Take a step that waits for the database in a thread beside this one, while the block works something out.

    The session is the step's until the block ends: the block must not touch it, nor what is loaded from it and not
    read yet. The block's end waits for the step, and raises what it raised; when the block itself raises, that is
    raised, when the step is over.

    Yields:
        What the step returns, once the block has ended.
    """
    with ThreadPoolExecutor(1, "database") as helper:
        taken = helper.submit(step)
        yield taken
    taken.result()


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
