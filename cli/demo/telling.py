"""How the story is told: one line a step, with real figures; and the claims that are checked on the way."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal

from core.errors import Unavailable
from core.money import Money

SEEN_MAX = 400
DIM, BOLD, GREEN, RED, RESET = "\033[2m", "\033[1m", "\033[32m", "\033[31m", "\033[0m"


@dataclass
class Teller:
    """Prints the story. `failed` collects claims that did not hold."""

    colour: bool = field(default_factory=sys.stdout.isatty)
    started: float = field(default_factory=time.monotonic)
    failed: list[str] = field(default_factory=list)
    checked: int = 0

    def chapter(self, title: str) -> None:
        print(self._paint(BOLD, f"\n{title}"), flush=True)

    def step(self, text: str) -> None:
        print(f"{self._paint(DIM, f'{time.monotonic() - self.started:6.1f} s')}  {text}", flush=True)

    def claim(self, text: str, holds: bool, seen: object = "") -> None:
        """State something that must be true; the demo ends with 1 if any claim is not."""
        self.checked += 1
        if holds:
            self.step(f"{self._paint(GREEN, '✓')} {text}")
        else:
            self.failed.append(text)
            self.step(f"{self._paint(RED, '✗')} {text}   (seen: {str(seen)[:SEEN_MAX]})")

    def must(self, text: str, holds: bool, seen: object = "") -> None:
        """A claim without which the story cannot go on.

        Raises:
            Unavailable: it does not hold.
        """
        self.claim(text, holds, seen)
        if not holds:
            raise Unavailable("story_ended", "The story cannot go on without it.")

    def _paint(self, code: str, text: str) -> str:
        return f"{code}{text}{RESET}" if self.colour else text


def amount(minor: int, currency: str) -> str:
    """`1,234.56 EUR`."""
    return f"{Money(minor, currency).major:,f} {currency}"


def kwh(quantity: str | Decimal) -> str:
    """`1,234.567 kWh`, to the watt-hour."""
    return f"{Decimal(quantity):,.3f} kWh"
