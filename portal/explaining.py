"""Why a line costs what it costs, in words a customer understands.

It tells what `services.explanations` gives, the very data that programs get; nothing is computed here but shares of a
whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.lines import HUNDRED
from billing.metering.quality import Quality, Shares
from billing.metering.tail import Basis
from core.decimals import EXACT
from core.money import round_line
from core.period import Period, parse_instant
from exports.figures import Figures
from portal.present import Reader
from portal.pricing_words import MODELS, PriceWords, Step, Tier

# Quality -> (word, what it means).
QUALITIES = {
    Quality.MEASURED: ("Measured", "Two readings of one meter, one subtracted from the other."),
    Quality.INTERPOLATED: ("Interpolated", "The total is measured; how it spreads over a gap is assumed to be even."),
    Quality.ESTIMATED: ("Estimated", "No meter counted here; the stretch is filled from the usual load around it."),
    Quality.SUBSTITUTED: ("Entered by hand", "A person put in the value, with a reason."),
}
REPORTED = "It was told to us as it was used."
CAUSES = {
    "swap": "The meter was exchanged",
    "reset": "The meter's counter was set back",
    "reboot": "The meter restarted and its counter began anew",
    "negative_step": "The meter's counter went backwards",
}
BASES = {
    Basis.SAME_HOURS: "the same hours of the four weeks before",
    Basis.KNOWN_HOURS: "the mean of the weeks before",
    Basis.LAST_RATE: "the last known load",
}


@dataclass(frozen=True)
class Share:
    """How much of a quantity has one quality. `start` and `width` place it in a bar of 100."""

    quality: str
    word: str
    why: str
    quantity: str
    share: str
    start: str
    width: str


@dataclass(frozen=True)
class Seen:
    """A meter's reading, as the device showed it."""

    when: str
    value: str
    serial: str


@dataclass(frozen=True)
class Exchange:
    """A place where one meter's counting ended and the next began."""

    cause: str
    is_swap: bool
    before: Seen
    after: Seen
    naive: str
    naive_is_absurd: bool
    estimated: str


@dataclass(frozen=True)
class Missing:
    """A stretch whose readings had not come, and what was put in their place."""

    span: str
    estimated: str
    by: str


@dataclass(frozen=True)
class Place:
    """One metered place and what it contributed."""

    path: str
    quantity: str
    span: str
    intervals: int
    first: Seen | None
    last: Seen | None
    exchanges: Sequence[Exchange]
    missing: Missing | None


@dataclass(frozen=True)
class Terms:
    """The price that was applied, whole; one that was agreed for a subscription alone has no version."""

    version: int | None
    model: str
    tiers: Sequence[Tier]


@dataclass(frozen=True)
class Reduction:
    """What a coupon takes off, in words and as an amount."""

    words: str
    amount: str


@dataclass(frozen=True)
class Told:
    """One charge, explained. `discount` is what a bundle takes off, in words, and `taken_off` the amount; `reductions`
    are what coupons take off after that.
    """

    span: str
    quantity: str
    steps: Sequence[Step]
    discount: str
    taken_off: str
    reductions: Sequence[Reduction]
    exact: str
    part_of_span: str
    shares: Sequence[Share]
    places: Sequence[Place]
    events: str
    known_until: str


def _named(code: str) -> str:
    return code.replace("_", " ").capitalize()


def reduction_words(figures: Figures, reduction: Mapping[str, Any]) -> str:
    """`Welcome, 10%`: a coupon, and the per cent that it takes off, where it is not an amount."""
    percent = reduction["percent"]
    return f"{reduction['name']}, {figures.rate(EXACT.create_decimal(percent))}" if percent else str(reduction["name"])


class Teller:
    """Explains charges of one currency to one reader."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.figures = reader.figures
        self.words = PriceWords(reader.figures)

    def tell(self, explained: Mapping[str, Any]) -> Told:
        """Explain one charge, or how it would look today.

        Args:
            explained: members of an explanation: `quantity`, `unit`, `parts`, `exact`, `span`, `full_span`, `share`,
                `usage`. Of a credit they tell of the part that stays billed; with nothing left they are None.
        """
        usage, unit = explained.get("usage") or {}, explained.get("unit") or ""
        counted = usage["meter"]["unit"] if usage else ""  # a level has another unit than what it is taken from
        quantity, exact, span = explained.get("quantity"), explained.get("exact"), explained.get("span")
        return Told(
            span=self.reader.span(_span(span)) if span else "",
            quantity=self._quantity(quantity, unit) if quantity else "",
            steps=[self.words.step(part, unit, number) for number, part in enumerate(explained["parts"])],
            discount=self._discount(explained),
            taken_off=self._taken_off(explained),
            reductions=self.reductions(explained.get("reductions") or ()),
            exact=self._money(exact) if exact else "",
            part_of_span=self._part_of_span(explained),
            shares=self._shares(usage) if usage else [],
            places=[self._place(point, counted) for point in usage.get("points", ())],
            events=self._events(usage["events"], counted) if usage else "",
            known_until=self.reader.moment(parse_instant(usage["known_until"])) if usage.get("known_until") else "",
        )

    def _discount(self, explained: Mapping[str, Any]) -> str:
        discount = EXACT.create_decimal(explained.get("discount") or "0")
        if not discount:
            return ""
        if discount == HUNDRED:
            return "Included in your bundle"
        return f"In your bundle, less {self.figures.rate(discount)}"

    def _taken_off(self, explained: Mapping[str, Any]) -> str:
        """The part of the rated amount that a bundle takes off."""
        discount = EXACT.create_decimal(explained.get("discount") or "0")
        if not discount or not explained.get("rated"):
            return ""
        rated = EXACT.create_decimal(explained["rated"])
        return self.figures.exact_money(EXACT.minus(EXACT.divide(EXACT.multiply(rated, discount), HUNDRED)))

    def reductions(self, stored: Sequence[Mapping[str, Any]]) -> list[Reduction]:
        """What coupons take off, those that take off something."""
        return [
            Reduction(reduction_words(self.figures, each), self.reader.money(-each["amount"]))
            for each in stored
            if each["amount"]
        ]

    def terms(self, price: Mapping[str, Any], unit: str | None) -> Terms:
        """The price that was applied, as a price list."""
        spec = price["spec"]
        words = MODELS.get(spec["model"], str(spec["model"]).replace("_", " ").capitalize())
        origin = price.get("origin") or {}
        tiers = self._early_end(origin) if "rest" in origin else self.words.tiers(spec, unit or "")
        return Terms(version=price["version"], model=words, tiers=tiers)

    def _early_end(self, origin: Mapping[str, Any]) -> list[Tier]:
        """What an early end costs: the rest of each recurring charge, and the part of it that is due."""
        rest = [
            Tier(
                f"{_named(each['charge_code'])}, agreed for {self.reader.span(_span(each['span']))}",
                "",
                self.reader.money(round_line(Decimal(each["exact"]), self.figures.currency).minor),
            )
            for each in origin["rest"]
        ]
        ended = self.reader.date(parse_instant(origin["ended_at"]))
        return [
            *rest,
            Tier(f"Due of it, since the contract ended on {ended}", self.figures.rate(Decimal(origin["rate"])), ""),
        ]

    def credit(self, stored: Mapping[str, Any] | None) -> dict[str, str] | None:
        """What a credit gives back from: the amount billed before, and the part of it that was used."""
        if stored is None:
            return None
        return {
            "span": self.reader.span(_span(stored["billed_span"])),
            "billed": self.reader.money(stored["billed_amount"]),
            "used": self.reader.money(-stored["used_amount"]),
            "after": ", ".join(each.words for each in self.reductions(stored.get("used_reductions") or ())),
        }

    def drawdown(self, stored: Mapping[str, Any] | None) -> dict[str, str] | None:
        """What usage has drawn from a committed amount."""
        if stored is None:
            return None
        amounts = ("committed", "used", "drawn_before", "drawn", "left")
        return {
            "span": self.reader.span(_span(stored["span"])),
            **{name: self.reader.money(stored[f"{name}_amount"]) for name in amounts},
        }

    def today(self, rated: Mapping[str, Any] | None) -> dict[str, str] | None:
        """How a charge would look today, where that differs."""
        if rated is None:
            return None
        if "amount" not in rated:
            return {"refused": rated["detail"]}
        return {
            "quantity": self._quantity(rated["quantity"], rated["unit"] or ""),
            "amount": self.reader.money(rated["amount"]),
            "difference": self.reader.money(rated["difference_amount"]),
        }

    def _part_of_span(self, explained: Mapping[str, Any]) -> str:
        """`15 of 31 days of 1–31 Jan 2026`, where only a part of a full span is charged."""
        share = explained.get("share") or {}
        used, whole = share.get("numerator", 1), share.get("denominator", 1)
        if used == whole:
            return ""
        unit = "seconds" if share.get("method") == "second" else "days"
        return f"{used} of {whole} {unit} of {self.reader.span(_span(explained['full_span']))}"

    def _shares(self, usage: Mapping[str, Any]) -> list[Share]:
        shares = Shares.from_json(usage["quality"])
        return self.shares(shares, usage["meter"]["unit"], reported=not usage["points"])

    def shares(self, shares: Shares, unit: str, *, reported: bool = False) -> list[Share]:
        """A quantity by quality, each with its place in a bar of 100; nothing for no quantity.

        Args:
            reported: all of it was told to us as it was used, and no register stands behind it.
        """
        if shares.total <= 0:
            return []
        told, start = [], Decimal(0)
        for quality, (word, why) in QUALITIES.items():
            part: Decimal = getattr(shares, quality.value)
            if part <= 0:
                continue
            why = REPORTED if reported and quality is Quality.MEASURED else why
            width = (part * 100 / shares.total).quantize(Decimal("0.01"))
            share = self.reader.share(part, shares.total)
            told.append(
                Share(quality.value, word, why, self.reader.quantity(part, unit), share, str(start), str(width))
            )
            start += width
        return told

    def _place(self, point: Mapping[str, Any], unit: str) -> Place:
        return Place(
            path=point["path"],
            quantity=self._quantity(point["quantity"], unit),
            span=self.reader.span(_span(point["span"])),
            intervals=sum(point["intervals"].values()),
            first=self._seen(point["first"]),
            last=self._seen(point["last"]),
            exchanges=[self._exchange(found, unit) for found in point["breaks"]],
            missing=self._missing(point.get("estimate"), unit),
        )

    def _missing(self, estimate: Mapping[str, Any] | None, unit: str) -> Missing | None:
        """None where no reading was missing (charges of before this was told say nothing of it)."""
        if estimate is None:
            return None
        by = " and ".join(BASES[Basis(basis)] for basis in estimate["bases"])
        return Missing(self.reader.span(_span(estimate["span"])), self._quantity(estimate["quantity"], unit), by)

    def _exchange(self, found: Mapping[str, Any], unit: str) -> Exchange:
        return Exchange(
            cause=CAUSES.get(found["cause"], "The meter's counting was interrupted"),
            is_swap=found["cause"] == "swap",
            before=self._reading(found["before"]),
            after=self._reading(found["after"]),
            naive=self._quantity(found["naive_difference"], unit),
            naive_is_absurd=Decimal(found["naive_difference"]) != Decimal(found["estimated"]),
            estimated=self._quantity(found["estimated"], unit),
        )

    def _seen(self, reading: Mapping[str, Any] | None) -> Seen | None:
        return self._reading(reading) if reading else None

    def _reading(self, reading: Mapping[str, Any]) -> Seen:
        value = self._quantity(reading["value"], reading["unit"])
        return Seen(self.reader.moment(parse_instant(reading["at"])), value, reading.get("serial") or "")

    def _events(self, events: Mapping[str, Any], unit: str) -> str:
        count = events["count"]
        if not count:
            return ""
        reports = "1 report" if count == 1 else f"{self.figures.quantity(Decimal(count), '')} reports"
        return f"{self._quantity(events['quantity'], unit)} in {reports}"

    def _quantity(self, text: str, unit: str) -> str:
        return self.figures.quantity(EXACT.create_decimal(text), unit)

    def _money(self, text: str) -> str:
        """An exact amount or a unit price in major units, with its sign and all its places."""
        return self.figures.exact_money(EXACT.create_decimal(text))


def _span(stored: Mapping[str, str]) -> Period:
    return Period(parse_instant(stored["start"]), parse_instant(stored["end"]))
