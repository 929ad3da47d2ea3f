"""The values that Busbar's contract defines, as members: ids, decimals, money, times, spans, metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

import marshmallow as ma
from marshmallow import fields as mf

from api.schemas.base import Schema
from api.schemas.coded import Coded, messages, refuse, refuse_as
from api.schemas.members import Dict, Integer, Member, Nested, String
from core import ids
from core.decimals import format_decimal, parse_decimal
from core.errors import Invalid
from core.money import CURRENCIES
from core.period import Period, parse_instant, rfc3339

Data = Mapping[str, Any] | None
METADATA_KEYS_MAX = 50
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EXAMPLE = UUID("0190f5a2-7c3e-7b1a-9d52-3f6a1c8e4b70")


def type_id_pattern(kind: str) -> str:
    """The regular expression of a kind's TypeIDs, for the description."""
    return f"^{ids.PREFIXES[kind]}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"


def type_id_example(kind: str) -> str:
    """A TypeID to show in the description."""
    return ids.encode(kind, _EXAMPLE)


class TypeID(Member):
    """An id: UUID inside, `inv_01h…` outside."""

    default_error_messages = messages(invalid=Coded("id_malformed", "This is not an id of the kind expected here."))

    def __init__(self, kind: str, **kwargs: Any) -> None:
        self.kind = kind
        super().__init__(**kwargs)

    def shown(self) -> dict[str, Any]:
        example = type_id_example(self.kind)
        return {"type": "string", "pattern": type_id_pattern(self.kind), "examples": [example]}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return ids.encode(self.kind, value) if isinstance(value, UUID) else value

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> UUID:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            return ids.decode(self.kind, value)
        except Invalid as error:
            raise refuse_as(error) from error


class Reference(String):
    """What a body or a filter names: an id, or an external id or code. Loads as it stands."""

    def __init__(self, kind: str, **kwargs: Any) -> None:
        self.kind = kind
        super().__init__(min_length=1, max_length=200, **kwargs)

    def shown(self) -> dict[str, Any]:
        words = self.kind.replace("_", " ")
        return {
            "description": f"A {words}: its id, or its external id or code.",
            "examples": [type_id_example(self.kind)],
        }

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return ids.encode(self.kind, value) if isinstance(value, UUID) else value


class ExternalId(String):
    """The caller's own name for a thing: unique per provider and kind."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=1, max_length=200, **kwargs)

    def shown(self) -> dict[str, Any]:
        text = "Your own id for it, unique per kind. Find it again with `?external_id=`."
        return {"description": text, "examples": ["crm-4711"]}

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        kind = ids.KINDS.get(text.rpartition("_")[0])
        if kind is not None and ids.looks_like(kind, text):
            raise refuse("external_id_reserved", "An external id may not look like one of our ids.")
        return text


class DecimalString(Member):
    """A price, rate or quantity: a decimal string both ways, never a JSON number."""

    default_error_messages = messages(
        decimal_negative=Coded("decimal_negative", "This may not be negative."),
        decimal_too_small=Coded("decimal_too_small", "This must be at least {bound}."),
        decimal_too_large=Coded("decimal_too_large", "This may be at most {bound}."),
        decimal_not_positive=Coded("decimal_not_positive", "This must be above zero."),
    )

    def __init__(
        self, *, minimum: int | None = None, maximum: int | None = None, positive: bool = False, **kwargs: Any
    ) -> None:
        self.minimum, self.maximum, self.positive = minimum, maximum, positive
        super().__init__(**kwargs)

    def shown(self) -> dict[str, Any]:
        sign = "" if self.positive or (self.minimum is not None and self.minimum >= 0) else "-?"
        pattern = "^" + sign + r"(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?$"
        bounds = {
            "x-decimal-minimum": self.minimum,
            "x-decimal-maximum": self.maximum,
            "x-decimal-exclusive-minimum": 0 if self.positive else None,
        }
        shown = {"type": "string", "format": "decimal", "pattern": pattern, "examples": ["12.5"]}
        return shown | {name: str(bound) for name, bound in bounds.items() if bound is not None}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return format_decimal(value) if isinstance(value, Decimal) else value

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> Decimal:
        try:
            number = parse_decimal(value)
        except Invalid as error:
            raise refuse_as(error) from error
        if self.positive and number <= 0:
            raise self.make_error("decimal_not_positive")
        if self.minimum is not None and number < self.minimum:
            raise self.make_error("decimal_negative" if self.minimum == 0 else "decimal_too_small", bound=self.minimum)
        if self.maximum is not None and number > self.maximum:
            raise self.make_error("decimal_too_large", bound=self.maximum)
        return number


class MinorAmount(Integer):
    """Money that moves: an integer of the currency's minor unit, with `currency` beside it."""

    def shown(self) -> dict[str, Any]:
        return {"description": "In the currency's minor unit (cents).", "format": "int64", "examples": [1250]}


class Currency(String):
    """An ISO 4217 code in use."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=3, max_length=3, **kwargs)

    def shown(self) -> dict[str, Any]:
        return {"description": "ISO 4217.", "enum": sorted(CURRENCIES), "examples": ["EUR"]}

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if text not in CURRENCIES:
            raise refuse("currency_unknown", "Use an ISO 4217 code such as EUR.")
        return text


@cache
def countries() -> frozenset[str]:
    """The ISO 3166-1 alpha-2 codes, as the IANA time zone data lists them."""
    table = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    return frozenset(line[:2] for line in table.splitlines() if line and not line.startswith("#"))


@cache
def time_zones() -> frozenset[str]:
    """The zones of the IANA data, without names that are none (`localtime`, `Factory`)."""
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


class Country(String):
    """An ISO 3166-1 alpha-2 code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=2, max_length=2, **kwargs)

    def shown(self) -> dict[str, Any]:
        return {"description": "ISO 3166-1 alpha-2.", "enum": sorted(countries()), "examples": ["NL"]}

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if text not in countries():
            raise refuse("country_unknown", "Use an ISO 3166-1 alpha-2 code such as NL.")
        return text


class TimeZone(String):
    """A zone of the IANA data."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=1, max_length=60, **kwargs)

    def shown(self) -> dict[str, Any]:
        return {"description": "A name of the IANA time zone data.", "examples": ["Europe/Amsterdam"]}

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if text not in time_zones():
            raise refuse("time_zone_unknown", "Use a name of the IANA data such as Europe/Amsterdam.")
        return text


class Instant(Member):
    """RFC 3339 with an offset in, always with `Z` out."""

    default_error_messages = messages(
        invalid=Coded("instant_malformed", "Write an RFC 3339 instant such as 2026-02-01T00:00:00Z.")
    )

    def shown(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time", "examples": ["2026-02-01T00:00:00Z"]}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return rfc3339(value) if isinstance(value, datetime) else value

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or not _INSTANT.fullmatch(value):
            raise self.make_error("invalid")
        try:
            instant = parse_instant(value.upper())
        except (ValueError, OverflowError) as error:
            raise self.make_error("invalid") from error
        if not 1970 <= instant.year <= 9000:
            raise refuse("instant_out_of_range", "Use an instant between 1970 and 9000.")
        return instant


class Date(Member):
    """A day: `YYYY-MM-DD`."""

    default_error_messages = messages(invalid=Coded("date_malformed", "Write a day such as 2026-02-01."))

    def shown(self) -> dict[str, Any]:
        return {"type": "string", "format": "date", "examples": ["2026-02-01"]}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return value.isoformat() if isinstance(value, date) else value

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> date:
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            raise self.make_error("invalid")
        try:
            day = date.fromisoformat(value)
        except ValueError as error:
            raise self.make_error("invalid") from error
        if not 1970 <= day.year <= 9000:
            raise refuse("date_out_of_range", "Use a day between 1970 and 9000.")
        return day


class SpanSchema(Schema):
    """A half-open span of instants: the start belongs to it, the end does not."""

    start = Instant(required=True)
    end = Instant(required=True)

    @ma.post_load
    def as_period(self, data: dict[str, Any], **kwargs: Any) -> Period:
        if data["end"] <= data["start"]:
            raise ma.ValidationError({"end": [Coded("span_empty", "A span ends after it starts.")]})
        return Period(data["start"], data["end"])


class Span(Nested):
    """`{"start": …, "end": …}` <-> `core.period.Period`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(SpanSchema, **kwargs)


class Metadata(Dict):
    """The caller's own notes: up to 50 names with texts. A change replaces them all.

    Inside it is called `meta`, as the column is: `metadata` is a word of SQLAlchemy's.
    """

    default_error_messages = messages(
        many=Coded("metadata_too_many_keys", f"At most {METADATA_KEYS_MAX} keys."),
        key=Coded("metadata_key_malformed", "A key has 1 to 60 characters."),
        value=Coded("metadata_value_malformed", "A value is text of at most 500 characters."),
    )

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("attribute", "meta")
        super().__init__(keys=mf.String(), values=mf.Raw(metadata={"type": "string", "maxLength": 500}), **kwargs)

    def shown(self) -> dict[str, Any]:
        return {
            "description": "Your own notes, up to 50 keys of text. A change replaces them all.",
            "maxProperties": METADATA_KEYS_MAX,
            "propertyNames": {"minLength": 1, "maxLength": 60},
            "examples": [{"contract": "2026-118"}],
        }

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> dict[str, str]:
        given: dict[str, Any] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        if len(given) > METADATA_KEYS_MAX:
            raise self.make_error("many")
        wrong: dict[str, Any] = {}
        for key, text in given.items():
            if not 1 <= len(key) <= 60:
                wrong[key] = [self.error_messages["key"]]
            elif not isinstance(text, str) or len(text) > 500:
                wrong[key] = [self.error_messages["value"]]
        if wrong:
            raise ma.ValidationError(wrong)
        return dict(given)
