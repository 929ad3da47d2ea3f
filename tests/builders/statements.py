"""What is sent to the database while something is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from runtime.house import House


@contextmanager
def statements(house: House) -> Iterator[list[str]]:
    """Every statement that goes to the database meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(house.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(house.engine, "before_cursor_execute", note)
