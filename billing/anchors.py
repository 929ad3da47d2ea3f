"""Spans that are counted anew from some day on, so that several subscriptions are billed for the same spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from billing.periods import ANNIVERSARY, Cadence, Interval, cadence
from core.period import Period

CHAINS_KEPT = 2_000


@dataclass(frozen=True)
class AnchorRow:
    """Spans are counted anew from `from_at`, the first instant of a local day; it was agreed upon at `agreed_at`."""

    from_at: datetime
    agreed_at: datetime
    recorded_at: datetime
    order: str = ""


def fold_anchors(rows: Iterable[AnchorRow]) -> tuple[datetime, ...]:
    """From which instants spans are counted anew, in order: a later agreement replaces what was still to come."""
    found: tuple[datetime, ...] = ()
    for row in sorted(rows, key=lambda r: (r.recorded_at, r.order)):
        found = with_anchor(found, row.from_at, row.agreed_at)
    return found


def with_anchor(anchors: Iterable[datetime], from_at: datetime, agreed_at: datetime) -> tuple[datetime, ...]:
    """The anchors with a further one, in the place of those that were to come when it was agreed upon."""
    return (*(a for a in anchors if a <= agreed_at and a < from_at), from_at)


@dataclass(frozen=True)
class Chain:
    """Spans of one cadence up to an instant, of the next one from there on. The first part has no beginning."""

    parts: tuple[tuple[datetime | None, Cadence], ...]

    def span_at(self, instant: datetime) -> Period:
        """The whole span that contains an instant, as if nothing were counted anew after it."""
        holding = next(c for start, c in reversed(self.parts) if start is None or start <= instant)
        return holding.span_at(instant)

    def spans_from(self, instant: datetime) -> Iterator[Period]:
        """The spans in order, from the one that contains an instant, without end; cut where they are counted anew."""
        ends = [start for start, _ in self.parts[1:]]
        for (start, counted), end in zip(self.parts, [*ends, None], strict=True):
            if end is not None and end <= instant:
                continue
            for span in counted.spans_from(instant if start is None else max(instant, start)):
                if end is not None and span.end >= end:
                    if span.start < end:
                        yield Period(span.start, end)
                    break
                yield span


@lru_cache(maxsize=CHAINS_KEPT)
def chain(interval: Interval, anchor: str, start: datetime, time_zone: str, anchors: tuple[datetime, ...]) -> Chain:
    """The spans of something that starts at an instant and is counted anew from others.

    Args:
        anchors: first instants of local days, in order.
    """
    anew = ((at, cadence(interval, ANNIVERSARY, at, time_zone)) for at in anchors)
    return Chain(((None, cadence(interval, anchor, start, time_zone)), *anew))
