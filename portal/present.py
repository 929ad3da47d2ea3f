"""How things read on a page: figures as the account's locale writes them, assets, icons, words for states."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from flask import url_for
from markupsafe import Markup

from core.period import Period
from exports.figures import Figures
from services.portal_sessions import Visitor

HERE = Path(__file__).parent
STATIC = HERE / "static"


@dataclass(frozen=True)
class Badge:
    """A state in a word, with the colour it is shown in (a Tabler colour)."""

    word: str
    colour: str


INVOICE_BADGES = {
    "draft": Badge("Draft", "secondary"),
    "open": Badge("Open", "blue"),
    "overdue": Badge("Overdue", "red"),
    "paid": Badge("Paid", "green"),
    "void": Badge("Void", "secondary"),
    "uncollectible": Badge("Not collected", "red"),
}
SUBSCRIPTION_BADGES = {
    "pending": Badge("Being set up", "azure"),
    "trialing": Badge("Trial", "azure"),
    "active": Badge("Active", "green"),
    "suspended": Badge("Suspended", "red"),
    "paused": Badge("Paused", "yellow"),
    "cancelled": Badge("Ended", "secondary"),
    "expired": Badge("Ended", "secondary"),
}


@dataclass(frozen=True)
class Reader:
    """How one visitor reads figures; dates and times are those of the account's zone."""

    figures: Figures

    @classmethod
    def of(cls, visitor: Visitor, currency: str | None = None) -> Reader:
        return cls(Figures.of(visitor.locale or "en-GB", visitor.time_zone, currency or visitor.currency))

    def in_zone(self, time_zone: str) -> Reader:
        """The same reader, in the zone that spans of a contract are counted in."""
        return Reader(replace(self.figures, zone=ZoneInfo(time_zone)))

    def money(self, minor: int) -> str:
        return self.figures.money(minor)

    def quantity(self, value: Decimal, unit: str | None) -> str:
        return self.figures.quantity(value, unit or "")

    def date(self, at: datetime) -> str:
        """The local day of an instant."""
        return self.figures.date(at.astimezone(self.figures.zone).date())

    def moment(self, at: datetime) -> str:
        """`14 Jan 2026, 09:00`, local."""
        return str(format_datetime(at, "d MMM y, HH:mm", tzinfo=self.figures.zone, locale=self.figures.locale))

    def month(self, day: dt.date) -> str:
        """`January 2026`."""
        return str(format_date(day, "LLLL y", locale=self.figures.locale))

    def hour(self, at: datetime) -> str:
        return str(format_time(at, "HH:mm", tzinfo=self.figures.zone, locale=self.figures.locale))

    def span(self, span: Period) -> str:
        return self.figures.span(span)

    def share(self, part: Decimal, whole: Decimal) -> str:
        """A share of a whole in per cent, to one place; a part that is there never reads as nothing."""
        if not whole or not part:
            return self.figures.rate(Decimal(0))
        per_cent = (part * 100 / whole).quantize(Decimal("0.1"))
        return f"<{self.figures.rate(Decimal('0.1'))}" if per_cent == 0 else self.figures.rate(per_cent)


def asset(path: str) -> str:
    """The address of a static file, with its content's hash: it may be kept forever."""
    return url_for("static", filename=path, v=_fingerprint(path))


@cache
def _fingerprint(path: str) -> str:
    return hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]


@cache
def icon(name: str) -> Markup:
    """An icon to put beside words; it says nothing by itself."""
    svg = (STATIC / "vendor/tabler/icons" / f"{name}.svg").read_text(encoding="utf-8")
    return Markup(svg.replace("<svg ", '<svg class="icon" aria-hidden="true" ', 1).strip())  # noqa: S704  (our own file)
