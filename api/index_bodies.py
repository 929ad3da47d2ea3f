"""Values of a price index as they are sent: JSON or CSV; every row that cannot be read is told by its place."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import DecodeError, Meta, Raw, Struct, ValidationError

from api.problems import Malformed, TooLarge
from api.usage_bodies import explain
from billing.index_values import SentValue
from core.errors import FieldError, Invalid
from services.indexes import VALUES_MAX, Upload

JSON, CSV = "application/json", "text/csv"
HEADERS = (["start", "value"], ["start", "end", "value"])
Instant = Annotated[datetime, Meta(tz=True)]


class Value(Struct, forbid_unknown_fields=True, gc=False):
    """One row."""

    start: Instant
    value: str
    end: Instant | None = None


class Values(Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/indexes/{id}/values`."""

    values: list[Value]
    unit: str | None = None
    currency: str | None = None


class RawValues(Struct, forbid_unknown_fields=True):
    """The same, when some of it is wrong."""

    values: list[Raw]
    unit: str | None = None
    currency: str | None = None


_whole, _raw, _row = (msgspec.json.Decoder(t) for t in (Values, RawValues, Value))


def decode_values(body: bytes, content_type: str, told: Mapping[str, str]) -> Upload:
    """The rows of a body, and what is wrong with those that could not be read.

    Args:
        told: `unit` and `currency` of the query, which CSV has no room for.

    Raises:
        Malformed: `json_malformed`, `csv_malformed`.
        Invalid: the envelope or the header is wrong.
        TooLarge: `too_many_rows`.
    """
    if content_type == CSV:
        return _from_csv(body, told)
    try:
        sent: Any = _whole.decode(body)
    except ValidationError:
        return _one_by_one(body, told)
    except (DecodeError, RecursionError) as error:
        raise Malformed("json_malformed", f"The body is not JSON: {error}.") from error
    rows = [_sent(i, value) for i, value in enumerate(_bounded(sent.values))]
    return _upload(rows, [], {"unit": sent.unit, "currency": sent.currency}, told)


def _one_by_one(body: bytes, told: Mapping[str, str]) -> Upload:
    try:
        sent: Any = _raw.decode(body)
    except ValidationError as error:
        raise Invalid(*explain(error)) from error
    rows: list[SentValue] = []
    errors: list[FieldError] = []
    for i, raw in enumerate(_bounded(sent.values)):
        try:
            rows.append(_sent(i, _row.decode(raw)))
        except ValidationError as error:
            code, detail, pointer = explain(error)
            errors.append(FieldError(f"/values/{i}{pointer}", code, detail))
    return _upload(rows, errors, {"unit": sent.unit, "currency": sent.currency}, told)


def _upload(
    rows: list[SentValue], errors: list[FieldError], said: Mapping[str, str | None], told: Mapping[str, str]
) -> Upload:
    return Upload(
        rows, said.get("unit") or told.get("unit"), said.get("currency") or told.get("currency"), tuple(errors)
    )


def _sent(index: int, value: Any) -> SentValue:
    end = None if value.end is None else value.end.astimezone(UTC)
    return SentValue(index, value.start.astimezone(UTC), value.value, end)


def _from_csv(body: bytes, told: Mapping[str, str]) -> Upload:
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        header = [name.strip() for name in next(lines, [])]
        if header not in HEADERS:
            raise Invalid("csv_header_unknown", "The first line reads start,value or start,end,value.", "")
        table = _bounded([line for line in lines if any(cell.strip() for cell in line)])
    except (csv.Error, UnicodeDecodeError) as error:
        raise Malformed("csv_malformed", f"The body is not CSV in UTF-8: {error}.") from error
    rows: list[SentValue] = []
    errors: list[FieldError] = []
    for i, line in enumerate(table):
        if len(line) == len(header):
            _read(i, dict(zip(header, line, strict=True)), rows, errors)
        else:
            detail = f"This row has {len(line)} members, not {len(header)}."
            errors.append(FieldError(f"/values/{i}", "csv_row_malformed", detail))
    return _upload(rows, errors, {}, told)


def _read(index: int, cells: Mapping[str, str], rows: list[SentValue], errors: list[FieldError]) -> None:
    """One line of CSV; an empty end is none."""
    instants: dict[str, datetime] = {}
    for name in ("start", "end"):
        text = cells.get(name, "").strip()
        if text or name == "start":
            try:
                instants[name] = msgspec.convert(text, Instant).astimezone(UTC)
            except ValidationError:
                detail = "Write an instant like 2026-02-01T00:00:00Z."
                errors.append(FieldError(f"/values/{index}/{name}", "instant_malformed", detail))
    if "start" in instants:
        rows.append(SentValue(index, instants["start"], cells["value"].strip(), instants.get("end")))


def _bounded(rows: list[Any]) -> list[Any]:
    if len(rows) > VALUES_MAX:
        raise TooLarge("too_many_rows", f"Send at most {VALUES_MAX} in one request; these are {len(rows)}.")
    return rows
