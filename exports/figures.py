"""Amounts, quantities, prices and dates as a locale writes them. Nothing here rounds: what comes in is shown whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_interval
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_symbol

from core.decimals import exact
from core.decimals import format_decimal as normalised
from core.money import Money, exponent
from core.period import Period

_INTEGER_AND_FRACTION = re.compile(r"([#,]*0)(?:\.[0#]+)?")


FALLBACK = Locale("en", "GB")


@dataclass(frozen=True)
class Figures:
    """How figures are written for one reader: a locale's signs, a zone's dates, one currency."""

    locale: Locale
    zone: ZoneInfo
    currency: str

    @classmethod
    def of(cls, tag: str, time_zone: str, currency: str) -> Figures:
        """From a BCP 47 tag. An unknown one, and plain `en`, are read as British English."""
        return cls(parse_locale(tag), ZoneInfo(time_zone), currency)

    def money(self, minor: int) -> str:
        """With the currency's sign and its ISO 4217 decimals: `€1,234.50`, `¥1,235`, `KWD 1.500`."""
        return self.exact_money(Money(minor, self.currency).major)

    def exact_money(self, value: Decimal) -> str:
        """An amount in major units with its sign, whole: at least the currency's decimals, more where it has more."""
        places = max(exponent(self.currency), _places(value))
        pattern = _with_places(self._currency_pattern(), places)
        with exact():
            return _minus(format_currency(value, self.currency, pattern, locale=self.locale, currency_digits=False))

    def amount(self, minor: int) -> str:
        """Without the sign, for a column whose head names the currency."""
        pattern = _with_places(self.locale.decimal_formats[None].pattern, exponent(self.currency))
        with exact():
            return _minus(format_decimal(Money(minor, self.currency).major, pattern, locale=self.locale))

    def price(self, value: Decimal) -> str:
        """A unit price, whole: at least the currency's decimals, more where it has more."""
        least = exponent(self.currency)
        return self._number(value, max(least, _places(value)))

    def quantity(self, value: Decimal, unit: str) -> str:
        """`1,234.5 kWh`; a plain count (`each` or no unit) is written bare. The space does not break."""
        number = self._number(value, _places(value))
        return number if unit in ("", "each") else f"{number}\N{NO-BREAK SPACE}{unit}"

    def rate(self, per_cent: Decimal) -> str:
        """`21%`, `9.5%` as the locale writes a percentage."""
        pattern = _with_places(self.locale.percent_formats[None].pattern, _places(per_cent))
        with exact():
            return format_percent(per_cent.scaleb(-2), pattern, locale=self.locale)

    def date(self, day: date) -> str:
        """`1 Feb 2026`."""
        return format_date(day, format="medium", locale=self.locale)

    def span(self, span: Period) -> str:
        """A half-open span as its first and last local day, as short as the locale has it: `1–31 Jan 2026`."""
        first = span.start.astimezone(self.zone).date()
        last = (span.end.astimezone(self.zone) - timedelta(microseconds=1)).date()
        return self.date(first) if first == last else format_interval(first, last, "yMMMd", locale=self.locale)

    def _currency_pattern(self) -> str:
        """A sign made of letters stands apart from the figures (CLDR's alphaNextToNumber): `KWD 1.500`."""
        pattern: str = self.locale.currency_formats["standard"].pattern
        if get_currency_symbol(self.currency, self.locale)[-1].isalpha():
            return pattern.replace("¤#", "¤\N{NO-BREAK SPACE}#")
        return pattern

    def _number(self, value: Decimal, places: int) -> str:
        pattern = _with_places(self.locale.decimal_formats[None].pattern, places)
        with exact():
            return _minus(format_decimal(value, pattern, locale=self.locale, decimal_quantization=False))


def parse_locale(tag: str) -> Locale:
    """The locale of a BCP 47 tag, or British English."""
    try:
        locale = Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        return FALLBACK
    return FALLBACK if str(locale) == "en" else locale


def _minus(text: str) -> str:
    """With a true minus sign: a line never breaks between it and its number, as it may after a hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")


def _places(value: Decimal) -> int:
    """The decimals a number needs: 12.50 needs one."""
    return len(normalised(value).partition(".")[2])


def _with_places(pattern: str, places: int) -> str:
    """A CLDR number pattern (its positive and its negative half) with exactly so many decimals."""
    fraction = "." + "0" * places if places else ""
    return _INTEGER_AND_FRACTION.sub(lambda digits: digits[1] + fraction, pattern)
