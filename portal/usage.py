"""Usage as a chart: which bars there are, how they are labelled, how sure each is. The browser only draws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from billing.counting import Stretch
from billing.metering.quality import Quality
from billing.periods import add_months, day_start, local_date
from core.period import Period
from portal.explaining import QUALITIES, Share, Teller
from portal.present import Reader

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Range:
    """What a chart spans: a month of days, or a day of hours; the days are local."""

    first: date
    last: date
    time_zone: str

    @property
    def hourly(self) -> bool:
        return self.first == self.last

    @property
    def edges(self) -> list[datetime]:
        """The instants between the bars. A day of 23 or 25 hours has as many bars."""
        if not self.hourly:
            days = (self.last - self.first).days + 2
            return [day_start(self.first + timedelta(days=n), self.time_zone) for n in range(days)]
        begin, end = day_start(self.first, self.time_zone), day_start(self.last + timedelta(days=1), self.time_zone)
        return [begin + n * HOUR for n in range(int((end - begin) / HOUR))] + [end]

    def before(self) -> Range:
        """The same length, just before."""
        if self.hourly:
            return of_day(self.first - timedelta(days=1), self.time_zone)
        return of_month(add_months(self.first, -1), self.time_zone)

    def after(self) -> Range:
        """The same length, just after."""
        if self.hourly:
            return of_day(self.first + timedelta(days=1), self.time_zone)
        return of_month(add_months(self.first, 1), self.time_zone)


def of_day(day: date, time_zone: str) -> Range:
    """The hours of a local day."""
    return Range(day, day, time_zone)


def of_month(day: date, time_zone: str) -> Range:
    """The days of the month that a day is in."""
    first = day.replace(day=1)
    return Range(first, add_months(first, 1) - timedelta(days=1), time_zone)


@dataclass(frozen=True)
class Bar:
    """One row of the figures behind the chart."""

    when: str
    quantity: str
    note: str


@dataclass(frozen=True)
class Chart:
    """A chart and the figures behind it. `data` is the JSON that the script draws."""

    data: str
    total: str
    shares: Sequence[Share]
    bars: Sequence[Bar]
    empty: bool


def chart(
    whole: Stretch, used: Sequence[Stretch], span: Range, unit: str, reader: Reader, now: datetime, links: Sequence[str]
) -> Chart:
    """Bars of a usage.

    Args:
        whole, used: over all of it, and between each pair of neighbouring edges of `span`.
        links: where each bar leads, or nothing.
    """
    teller = Teller(reader)
    bars = [_bar(slot, span, unit, reader, now) for slot in used]
    series = {quality.value: [float(getattr(slot.quality, quality.value)) for slot in used] for quality in QUALITIES}
    data = {
        "labels": [_label(slot.period.start, span, reader) for slot in used],
        "series": series,  # drawn only: what is written is in `tips`
        "tips": [{"when": bar.when, "quantity": bar.quantity, "note": bar.note} for bar in bars],
        "links": list(links),
        "space": 52 if span.hourly else 30,
    }
    return Chart(
        data=json.dumps(data, ensure_ascii=False),
        total=reader.quantity(whole.quality.total, unit),
        shares=teller.shares(whole.quality, unit),
        bars=bars,
        empty=not any(slot.quality.total for slot in used),
    )


def _bar(slot: Stretch, span: Range, unit: str, reader: Reader, now: datetime) -> Bar:
    shares = slot.quality
    unsure = [
        f"{reader.share(getattr(shares, quality.value), shares.total)} {word.lower()}"
        for quality, (word, _) in QUALITIES.items()
        if quality is not Quality.MEASURED and getattr(shares, quality.value) > 0
    ]
    if slot.period.start >= now:
        return Bar(_when(slot.period, span, reader), "", "still to come")
    return Bar(_when(slot.period, span, reader), reader.quantity(_plain(shares.total), unit), ", ".join(unsure))


def _plain(quantity: Decimal) -> Decimal:
    """To a thousandth, for looking at: an interval's cut has more places than anybody reads off a chart."""
    return quantity.quantize(Decimal("0.001"))


def _label(start: datetime, span: Range, reader: Reader) -> str:
    return reader.hour(start) if span.hourly else str(local_date(start, span.time_zone).day)


def _when(period: Period, span: Range, reader: Reader) -> str:
    if span.hourly:
        return f"{reader.hour(period.start)} – {reader.hour(period.end)}"
    return reader.figures.date(local_date(period.start, span.time_zone))
