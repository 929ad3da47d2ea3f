"""Half-open spans of time: [start, end)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache


def utc(value: datetime) -> datetime:
    """The same instant in UTC. A naive time has no place in Busbar."""
    if value.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def rfc3339(value: datetime) -> str:
    """`2026-02-01T00:00:00Z`, with a fraction only where there is one."""
    return _written(utc(value))


@lru_cache(maxsize=4096)
def _written(instant: datetime) -> str:
    """In UTC alone, since local times that happen twice are taken for equal. Thousands of charges share their spans."""
    return instant.isoformat().removesuffix("+00:00") + "Z"


def parse_instant(text: str) -> datetime:
    """An RFC 3339 instant, as UTC.

    Raises:
        ValueError: not an instant, or one without an offset.
    """
    return utc(datetime.fromisoformat(text))


@dataclass(frozen=True)
class Period:
    """A span of instants, start included, end excluded; never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a span is made of instants with a time zone")
        if self.end <= self.start:
            raise ValueError("a span ends after it starts")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def covers(self, other: Period) -> bool:
        return self.start <= other.start and other.end <= self.end

    def intersect(self, other: Period) -> Period | None:
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start, end) if start < end else None
