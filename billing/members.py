"""Reading the members of a JSON object: every wrong one is named by its JSON pointer, and none hides another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from core.decimals import parse_decimal
from core.errors import FieldError, Invalid
from core.period import parse_instant

ZERO = Decimal(0)
Sign = Literal["any", "zero_or_more", "positive"]
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_DIGITS = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Members:
    """The members of one JSON object, read one by one; what is wrong is added to `errors`.

    Args:
        value: what JSON decoding gave. Anything but an object is `object_expected`.
        pointer: where the object stands in the body (`/version/prices/0`); empty for the body itself.
        errors: the list that all objects of one body share. The reader of the body raises once, at the end, so a
            reader that meets an error goes on with a harmless value.
    """

    def __init__(self, value: object, pointer: str = "", errors: list[FieldError] | None = None) -> None:
        self.pointer = pointer
        self.errors: list[FieldError] = [] if errors is None else errors
        self._read: set[str] = set()
        self._members: Mapping[str, Any] = {}
        self._sound = isinstance(value, Mapping)
        if isinstance(value, Mapping):
            self._members = value
        else:
            self.errors.append(FieldError(pointer, "object_expected", "This is an object."))

    def at(self, name: object) -> str:
        """The JSON pointer of a member (RFC 6901: `~` and `/` are escaped)."""
        return f"{self.pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"

    def refuse(self, name: object, code: str, detail: str) -> None:
        """Say what is wrong with a member."""
        self.errors.append(FieldError(self.at(name), code, detail))

    def has(self, name: str) -> bool:
        """Whether the member is there and not null; it still has to be read."""
        return self._members.get(name) is not None

    def raw(self, name: str) -> Any:
        """The member as JSON gave it, or None."""
        self._read.add(name)
        return self._members.get(name)

    def required(self, name: str) -> Any:
        """The member as JSON gave it; `member_required` when it is absent or null."""
        value = self.raw(name)
        if value is None and self._sound:
            self.refuse(name, "member_required", "This member is required.")
        return value

    def child(self, name: str) -> Members:
        """The object in a member that is needed; of a missing one nothing more is said."""
        value = self.required(name)
        return Members({} if value is None else value, self.at(name), [] if value is None else self.errors)

    def decimal(self, name: str, default: Decimal | None = None, sign: Sign = "zero_or_more") -> Decimal:
        """A decimal string.

        Args:
            default: for an absent member; without one the member is needed.
            sign: what is allowed; anything else is `decimal_negative` or `decimal_not_positive`.
        """
        if default is not None and not self.has(name):
            self._read.add(name)
            return default
        value = self.required(name)
        if value is None:
            return ZERO
        number = self._parse(name, value)
        if sign == "positive" and number <= 0:
            self.refuse(name, "decimal_not_positive", "This is above zero.")
        elif sign == "zero_or_more" and number < 0:
            self.refuse(name, "decimal_negative", "This is zero or more.")
        return number

    def _parse(self, name: str, value: object) -> Decimal:
        try:
            return parse_decimal(value, self.at(name))
        except Invalid as wrong:
            self.errors.extend(wrong.errors)
            return Decimal(1)

    def text(self, name: str, default: str | None = None, longest: int = 200) -> str:
        """A string that is not empty; without a default the member is needed."""
        if default is not None and not self.has(name):
            self._read.add(name)
            return default
        value = self.required(name)
        if value is not None and not (isinstance(value, str) and 0 < len(value) <= longest):
            self.refuse(name, "string_expected", f"This is a string of 1 to {longest} characters.")
            return ""
        return value or ""

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str:
        """One of some words, or `not_one_of` with the words that are known."""
        if default is not None and not self.has(name):
            self._read.add(name)
            return default
        value = self.required(name)
        if value is not None and value not in allowed:
            self.refuse(name, "not_one_of", f"Use one of: {', '.join(allowed)}.")
        return value if value in allowed else allowed[0]

    def instant(self, name: str) -> datetime | None:
        """An RFC 3339 instant, as UTC, or None where it is missing or wrong."""
        value = self.required(name)
        found = read_instant(value)
        if value is not None and found is None:
            self.refuse(name, "instant_malformed", "Write an RFC 3339 instant such as 2026-02-01T00:00:00Z.")
        return found

    def boolean(self, name: str, default: bool) -> bool:
        """true or false."""
        value = self.raw(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(name, "boolean_expected", "This is true or false.")
            return default
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number between two bounds."""
        value = self.raw(name)
        if value is None:
            return default
        if type(value) is not int or not least <= value <= most:
            self.refuse(name, "integer_expected", f"This is a whole number from {least} to {most}.")
            return default
        return value

    def count(self, name: str, most: int = 10**9) -> int | None:
        """A whole number of things, as a number or as a string of digits; None where there is none."""
        value = self.raw(name)
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if value is None or (type(value) is int and 0 <= value <= most):
            return value
        self.refuse(name, "integer_expected", f"This is a whole number from 0 to {most}.")
        return None

    def close(self) -> None:
        """Refuse what nobody has read: a misspelt member must not be taken for an absent one."""
        for name in self._members:
            if name not in self._read:
                self.refuse(name, "member_unknown", "There is no such member here.")


def read_instant(value: object) -> datetime | None:
    """An RFC 3339 instant between 1970 and 9000, as UTC; None for anything else."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        found = parse_instant(value.upper())
    except (ValueError, OverflowError):
        return None
    return found if 1970 <= found.year <= 9000 else None


def read_date(value: object) -> date | None:
    """A day `YYYY-MM-DD` between 1970 and 9000; None for anything else."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        found = date.fromisoformat(value)
    except ValueError:
        return None
    return found if 1970 <= found.year <= 9000 else None


def refuse_all(errors: Sequence[FieldError]) -> None:
    """Raise one `Invalid` for all errors, if there are any."""
    if errors:
        raise Invalid.collect(errors)
