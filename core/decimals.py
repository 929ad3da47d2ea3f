"""Exact decimal arithmetic: one context, one way in, one way out.

Python's default context rounds to 28 digits in silence. Everything that touches money, prices or quantities
therefore runs in `EXACT`, which traps an inexact result instead of rounding it.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from functools import reduce

from core.errors import Invalid

EXACT = decimal.Context(
    prec=100,
    rounding=ROUND_HALF_UP,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
ROUNDING = decimal.Context(
    prec=100,
    rounding=ROUND_HALF_UP,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)

MAX_PLACES = 12
MAX_INTEGER_DIGITS = 26  # numeric(38,12)
_DECIMAL_STRING = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)


@contextmanager
def exact() -> Iterator[None]:
    """Run a block in the exact context: an operation that would have to round raises `decimal.Inexact`."""
    with decimal.localcontext(EXACT):
        yield


def exact_sum(values: Iterable[Decimal]) -> Decimal:
    """The sum of values, exact; zero of none."""
    return reduce(EXACT.add, values, Decimal(0))


def parse_decimal(value: object, pointer: str = "") -> Decimal:
    """Read a decimal string as the contract defines it.

    Args:
        value: what JSON decoding gave. Only a `str` is accepted.
        pointer: the JSON pointer of the member, for the error.

    Raises:
        Invalid: `decimal_string_expected` for a JSON number or any other type, `decimal_malformed` for a string that
            is not a plain decimal, `decimal_out_of_range` beyond numeric(38,12).
    """
    if not isinstance(value, str):
        raise Invalid("decimal_string_expected", 'Write this as a decimal string, for example "12.5".', pointer)
    if len(value) > MAX_INTEGER_DIGITS + MAX_PLACES + 2 or not _DECIMAL_STRING.fullmatch(value):
        raise Invalid("decimal_malformed", 'This is not a plain decimal such as "12.5".', pointer)
    whole, _, fraction = value.lstrip("-").partition(".")
    if len(fraction.rstrip("0")) > MAX_PLACES or len(whole) > MAX_INTEGER_DIGITS:
        raise Invalid(
            "decimal_out_of_range",
            f"At most {MAX_INTEGER_DIGITS} digits before the point and {MAX_PLACES} after it.",
            pointer,
        )
    number = Decimal(value)
    return abs(number) if number.is_zero() else number


def format_decimal(value: Decimal) -> str:
    """Write a decimal normalised: no exponent, no trailing zeros, no minus zero (`"12.5"`, `"0"`)."""
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
