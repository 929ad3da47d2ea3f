"""The slots of one request: some filled, most of them a number in a strip.

A month of five-minute samples is 8,928 slots of each direction of each port. They are kept as columns, and a slot is
made when it is looked at, so that many items can be billed at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import overload

from billing.metering.quality import NONE, ZERO, Shares, summed
from billing.metering.slots import Cell, Slot, SlotRequest
from core.decimals import EXACT, exact_sum
from stores.usage._register_runs import Strip
from stores.usage._slots import Feed

DIRECTION = "direction"
ONE = Decimal(1)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_WAYS = {"in": "in", "out": "out", "rx": "in", "tx": "out", "ingress": "in", "egress": "out"}


def direction_of(register: str) -> str | None:
    """The way that a register counts, by the words in its name: `in_octets`, `ifHCOutOctets`, `eth0_rx`."""
    ways = (_WAYS.get(word.lower()) for word in _WORDS.findall(register))
    return next((way for way in ways if way is not None), None)


class Slots(Sequence[Slot]):
    """In order of time, one per period of the request. Each look at a slot that lies under a strip makes it anew."""

    def __init__(self, request: SlotRequest) -> None:
        self.request = request
        self.periods = request.periods
        self.event_count = 0
        self.event_quantity = ZERO
        self._filled: dict[int, Slot] = {}
        self._strips: list[tuple[Strip, Cell]] = []

    def at(self, number: int) -> Slot:
        """A slot to fill in place."""
        slot = self._filled.get(number)
        if slot is None:
            slot = self._filled[number] = Slot(self.periods[number])
        return slot

    def cell(self, slot: Slot, cell: Cell) -> Slot:
        """A cell of a slot, to fill in place."""
        cells: dict[Cell, Slot] = dict(slot.cells)
        slot.cells = cells
        return cells.setdefault(cell, Slot(slot.period))

    def count_events(self) -> None:
        """Note what is filled as what events came to; registers are added after."""
        self.event_count = sum(slot.count for slot in self._filled.values())
        self.event_quantity = exact_sum(slot.sum for slot in self._filled.values())

    def add(self, feed: Feed, number: int, shares: Shares) -> None:
        """What a register counted in one slot, in its own unit."""
        slot, shares = self.at(number), _scaled(shares, feed)
        _put(slot, shares)
        if self.request.dimensions:
            _put(self.cell(slot, self._cell_of(feed)), shares)

    def lay(self, strip: Strip) -> None:
        """What a register counted in a run of slots."""
        self._strips.append((strip, self._cell_of(strip.feed)))

    def told(self) -> Sequence[Slot]:
        """The slots as an answer: made at once where there are few."""
        return self if self._strips else tuple([self.at(number) for number in range(len(self))])

    @property
    def quality(self) -> Shares:
        """All slots together."""
        strips = (_scaled(strip.whole.shares, strip.feed) for strip, _ in self._strips)
        return summed(chain((slot.quality for slot in self._filled.values()), strips))

    def __len__(self) -> int:
        return len(self.periods)

    def __iter__(self) -> Iterator[Slot]:
        return (self._made(number) for number in range(len(self)))

    @overload
    def __getitem__(self, number: int) -> Slot: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Slot]: ...
    def __getitem__(self, number: int | slice) -> Slot | Sequence[Slot]:
        if isinstance(number, slice):
            return [self._made(n) for n in range(*number.indices(len(self)))]
        return self._made(range(len(self))[number])

    def _cell_of(self, feed: Feed) -> Cell:
        return tuple(direction_of(feed.register) if name == DIRECTION else None for name in self.request.dimensions)

    def _made(self, number: int) -> Slot:
        if not self._strips:
            return self.at(number)
        slot = _copy(self._filled.get(number)) or Slot(self.periods[number])
        for strip, cell in self._strips:
            if number in strip.slots:
                shares = _scaled(strip.at(number) or NONE, strip.feed)
                _put(slot, shares, strip.covered, number in strip.unknown)
                if cell:
                    _put(self.cell(slot, cell), shares, strip.covered, number in strip.unknown)
        return slot


def _copy(slot: Slot | None) -> Slot | None:
    return slot and replace(slot, cells={cell: replace(inner) for cell, inner in slot.cells.items()})


def _scaled(shares: Shares, feed: Feed) -> Shares:
    return shares if feed.scale == ONE or shares is NONE else shares.scaled(feed.scale)


def _put(slot: Slot, shares: Shares, covered: bool = False, unknown: bool = False) -> None:
    if shares is not NONE:
        slot.sum = EXACT.add(slot.sum, shares.total)
        slot.quality = shares if slot.quality is NONE else slot.quality + shares
    slot.registers += covered
    slot.unknown += unknown
