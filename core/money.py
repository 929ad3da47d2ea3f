"""Money that moves: integers in a currency's minor unit, rounded once, split without loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from core.decimals import EXACT, ROUNDING

# ISO 4217 (list one, as of 2026): the codes in use, and the exponents that are not 2.
_CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL "
    "HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD "
    "MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG "
    "QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD "
    "TWD TZS UAH UGX USD UYI UYU UYW UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = frozenset(_CODES.split())
_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}


def exponent(currency: str) -> int:
    """The number of decimals of a currency's minor unit (ISO 4217): EUR 2, JPY 0, KWD 3."""
    return _EXPONENTS.get(currency, 2)


@dataclass(frozen=True, order=False)
class Money:
    """An amount in minor units. Adding two currencies is an error, never a conversion."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError("money is an integer of minor units")

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other).minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")
        return other

    @property
    def major(self) -> Decimal:
        """The amount in the major unit, exact: 1250 EUR cents are Decimal('12.50')."""
        return Decimal(self.minor).scaleb(-exponent(self.currency), context=EXACT)

    def __str__(self) -> str:
        return f"{self.major:f} {self.currency}"


def round_line(amount: Decimal, currency: str) -> Money:
    """Round an exact amount in major units to the currency's minor unit, half away from zero. Once per line."""
    scaled = amount.scaleb(exponent(currency), context=EXACT)
    return Money(int(scaled.to_integral_value(rounding=ROUND_HALF_UP)), currency)


def round_ratio(minor: Fraction) -> int:
    """A quotient of minor units that need not be finite, as `round_line` rounds: half away from zero."""
    whole = (abs(minor) + Fraction(1, 2)) // 1
    return -whole if minor < 0 else whole


def split_minor(total: int, weights: Sequence[int]) -> list[int]:
    """Split minor units by weights, by largest remainder: the parts always add up to the whole.

    Ties go to the earlier part. A negative total is the mirror of its positive.

    Raises:
        ValueError: no weights, a negative weight, or all of them zero.
    """
    if not weights or any(w < 0 for w in weights) or not any(weights):
        raise ValueError("weights must be zero or more, and one of them above zero")
    sign, rest = (-1, -total) if total < 0 else (1, total)
    whole = sum(weights)
    floors = [rest * w // whole for w in weights]
    remainders = [rest * w % whole for w in weights]
    order = sorted(range(len(weights)), key=lambda i: (-remainders[i], i))
    for i in order[: rest - sum(floors)]:
        floors[i] += 1
    return [sign * part for part in floors]


def divide_exactly_enough(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient that need not be finite (days of a month, net of a gross), at 100 digits.

    The only division of the engine: 100 digits keep any later rounding to a minor unit right.
    """
    return ROUNDING.divide(numerator, denominator)
