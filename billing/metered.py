"""Usage as a price sees it: what an aggregation made of a span, in pieces that are priced alike.

A price says what it must be told (`Needs`); the caller cuts usage at those edges, groups it by those properties or
hands over single events. A price that needs none of it gets one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

from billing.proration import WHOLE, Share
from core.decimals import EXACT, exact_sum, format_decimal
from core.period import Period, rfc3339

ZERO = Decimal(0)


class Cuts(Protocol):
    """Where a price cuts time: the edges of bands."""

    def edges(self, span: Period, time_zone: str) -> tuple[datetime, ...]:
        """Rising instants strictly within a span. `time_zone` holds where the price names none of its own."""

    def key(self, instant: datetime, time_zone: str) -> Hashable:
        """Stretches with the same key are priced alike: a band's name."""


class Index(Protocol):
    """A time series of prices, slot by slot."""

    @property
    def known_until(self) -> datetime | None:
        """When the latest of its values arrived; None without any."""

    def edges(self, span: Period) -> tuple[datetime, ...]:
        """The starts of its slots strictly within a span."""

    def price_at(self, instant: datetime, time_zone: str) -> tuple[Decimal, bool]:
        """The value of the slot that holds an instant, and whether it is an estimate.

        Args:
            time_zone: whose hours of the day an estimate compares: `Metered.time_zone`.

        Raises:
            Refused: `index_unknown_slots`, when nothing is known that an estimate could come from.
        """


@dataclass(frozen=True)
class Needs:
    """What a price must be told of usage.

    Args:
        quantity: whether the amount depends on the quantity at all.
        cuts: usage is cut at these edges.
        dimensions: usage is grouped by these event properties.
        events: every event is a piece of its own, in order of time.
        index: usage is cut at the slots of the index with this code, whose values the price asks for.
        cells: values of the dimensions, in the order in which what is free is used up.
        prorated: in a part of a span it is another price (its tiers end earlier), as usage alone can tell.
        draws: charge codes of the usage whose amounts are drawn from what this price costs.
        placed: there is no price for a quantity without time and properties: for what was committed and not used.
    """

    quantity: bool = True
    cuts: tuple[Cuts, ...] = ()
    dimensions: tuple[str, ...] = ()
    events: bool = False
    index: str | None = None
    cells: tuple[tuple[str, ...], ...] = ()
    prorated: bool = False
    draws: tuple[str, ...] = ()
    placed: bool = False

    @property
    def plain(self) -> bool:
        """Whether a quantity alone will do."""
        return not (self.cuts or self.dimensions or self.events or self.index)


NOTHING = Needs(quantity=False)
QUANTITY = Needs()


@dataclass(frozen=True)
class Piece:
    """A share of the usage of a span.

    Args:
        quantity: in the unit of the meter's aggregation.
        period: when it was used, where the price asked for cuts; None for a quantity without time.
        properties: of its events, by dimension asked for; None where it has none (what was committed and not used).
        count: how many events are in it.
    """

    quantity: Decimal
    period: Period | None = None
    properties: Mapping[str, str | None] | None = None
    count: int = 0

    def as_json(self) -> dict[str, Any]:
        """The piece as a charge keeps it, members that say nothing left out."""
        period = self.period and {"start": rfc3339(self.period.start), "end": rfc3339(self.period.end)}
        told = {"period": period, "properties": self.properties, "count": self.count or None}
        return {"quantity": format_decimal(self.quantity), **{k: v for k, v in told.items() if v is not None}}


@dataclass(frozen=True)
class Metered:
    """The usage of one span: pieces in order of time, within a slot in the order of bands or cells.

    Args:
        time_zone: for prices that name none.
        span: the whole of it; None for a bare quantity.
        share: the part of the full span that this is. Tiers that are prorated ask for it.
        indexes: by code.
    """

    pieces: tuple[Piece, ...] = ()
    time_zone: str = "UTC"
    span: Period | None = None
    share: Share = WHOLE
    indexes: Mapping[str, Index] = field(default_factory=dict)

    @cached_property
    def total(self) -> Decimal:
        """The quantity of all pieces, exact."""
        return exact_sum(piece.quantity for piece in self.pieces)

    @cached_property
    def count(self) -> int:
        """How many events there were."""
        return sum(piece.count for piece in self.pieces)

    def changed(self, change: Callable[[Piece], Piece]) -> Metered:
        """The same usage with each piece changed."""
        return replace(self, pieces=tuple(change(piece) for piece in self.pieces))

    def ordered(self, dimensions: tuple[str, ...], cells: tuple[tuple[str, ...], ...]) -> Metered:
        """The same usage in order of time, at one time in the order of cells; what is in none of them comes last."""
        ranks = {cell: rank for rank, cell in enumerate(cells)}

        def rank(piece: Piece) -> tuple[datetime, int]:
            told = piece.properties or {}
            start = piece.period.start if piece.period else datetime.min.replace(tzinfo=UTC)
            return start, ranks.get(tuple(told.get(name) or "" for name in dimensions), len(cells))

        return replace(self, pieces=tuple(sorted(self.pieces, key=rank)))

    def first(self, quantity: Decimal, *, passing: bool = True) -> Metered:
        """As much of it as comes first, up to a quantity; all of it when that is no more.

        Args:
            passing: the event that passes the quantity belongs to what comes first, not to what is left.
        """
        if quantity >= self.total:
            return self  # though a part of it may be more, where a later one is taken back
        return replace(self, pieces=tuple(_first(self.pieces, quantity, passing)))

    def after(self, quantity: Decimal, *, passing: bool = False) -> Metered:
        """What is left when a quantity is taken off the beginning; nothing when that is no more.

        Args:
            passing: the event that passes the quantity belongs to what is left, not to what comes first.
        """
        if quantity >= self.total:
            return replace(self, pieces=())
        return replace(self, pieces=tuple(_after(self.pieces, quantity, passing)))

    def grown(self, quantity: Decimal) -> Metered:
        """With a quantity added that has no time and no properties: nobody used it."""
        return replace(self, pieces=(*self.pieces, Piece(quantity)))


def plain(quantity: Decimal, count: int | None = None, share: Share = WHOLE) -> Metered:
    """A quantity of which no more is known; by default one event when it is above zero."""
    return Metered((Piece(quantity, count=int(quantity > 0) if count is None else count),), share=share)


def _first(pieces: Iterable[Piece], quantity: Decimal, passing: bool) -> Iterable[Piece]:
    """The pieces up to a quantity; the one that passes it is cut."""
    left = quantity
    for piece in pieces:
        if left <= 0:
            return
        if piece.quantity > left:
            yield replace(piece, quantity=left, count=_ended(piece, left) + (passing and _passed(piece, left)))
            return
        yield piece
        left = EXACT.subtract(left, piece.quantity)


def _after(pieces: Iterable[Piece], quantity: Decimal, passing: bool) -> Iterable[Piece]:
    """The pieces after a quantity."""
    left = quantity
    for piece in pieces:
        if left <= 0:
            yield piece
        elif piece.quantity > left:
            gone = _ended(piece, left) + (not passing and _passed(piece, left))
            yield replace(piece, quantity=EXACT.subtract(piece.quantity, left), count=piece.count - gone)
            left = ZERO
        else:
            left = EXACT.subtract(left, piece.quantity)


def _ended(piece: Piece, quantity: Decimal) -> int:
    """How many of a piece's events, which are taken to be equal, are over when a part of its quantity is."""
    return int(EXACT.divide_int(EXACT.multiply(quantity, Decimal(piece.count)), piece.quantity))


def _passed(piece: Piece, quantity: Decimal) -> bool:
    """Whether an event is cut in two there."""
    return bool(EXACT.remainder(EXACT.multiply(quantity, Decimal(piece.count)), piece.quantity))
