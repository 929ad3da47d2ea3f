"""Usage bodies: JSON, a line per row, or CloudEvents; decoded straight into typed rows, one bad row at a time.

A good body is decoded in one go. Only when that fails is it decoded row by row, so that the rows that are wrong are
refused by their index and the others are taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import DecodeError, Raw, Struct, ValidationError

from api.problems import Malformed, TooLarge
from core.errors import Invalid
from services.usage_sent import (
    EVIDENCE_DECIMALS,
    ROWS_MAX,
    Instant,
    Name,
    Properties,
    Rejection,
    Sent,
    SentEvent,
    SentReading,
)

JSON, LINES, CLOUD_EVENTS = "application/json", "application/x-ndjson", "application/cloudevents-batch+json"
Row = TypeVar("Row", SentEvent, SentReading)
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_KINDS = {
    "Expected `object`": "object_expected",
    "Expected `array`": "list_expected",
    "Expected `str`,": "string_expected",
    "Expected `int`,": "integer_expected",
    "Expected `str` of length >=": "too_short",
    "Expected `str` of length <=": "too_long",
}
NUL = b"\\u0000"
_DECIMALS = tuple(f"/{name}" for name in ("quantity", "value", *EVIDENCE_DECIMALS))


class Events(Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/usage/events`."""

    events: list[SentEvent]


class Readings(Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/usage/readings`."""

    readings: list[SentReading]


class RawEvents(Struct, forbid_unknown_fields=True):
    """The same, when some of it is wrong."""

    events: list[Raw]


class RawReadings(Struct, forbid_unknown_fields=True):
    """The same, when some of it is wrong."""

    readings: list[Raw]


class CloudData(Struct, forbid_unknown_fields=True):
    """The data of a CloudEvent that reports usage."""

    quantity: str
    subscription: Name | None = None
    meter: Name | None = None
    properties: Properties | None = None


class CloudEvent(Struct):
    """CloudEvents 1.0. `subject` names the subscription and `type` the meter unless `data` does; extensions pass."""

    id: Name
    source: Name
    type: Name
    time: Instant
    data: CloudData
    specversion: str = "1.0"
    subject: Name | None = None


class Body(Generic[Row]):
    """How one route's rows are decoded."""

    def __init__(self, row: type[Row], whole: type[Any], raw: type[Any], member: str) -> None:
        self._row: msgspec.json.Decoder[Row] = msgspec.json.Decoder(row)
        self._whole = msgspec.json.Decoder(whole)
        self._raw = msgspec.json.Decoder(raw)
        self._member = member

    def decode(self, body: bytes, content_type: str) -> tuple[Sent[Row], list[Rejection]]:
        """The rows of a body with their index, and those that could not be read.

        Raises:
            Malformed: `json_malformed`, when nothing of it can be told apart.
            Invalid: the envelope is wrong.
            TooLarge: `too_many_rows`.
        """
        return _storable(body, *self._decode(body, content_type))

    def _decode(self, body: bytes, content_type: str) -> tuple[Sent[Row], list[Rejection]]:
        if content_type == LINES:
            return self._lines(body)
        try:
            rows = getattr(self._whole.decode(body), self._member)
        except ValidationError:
            return _one_by_one(_envelope(lambda: getattr(self._raw.decode(body), self._member)), self._row.decode)
        except (DecodeError, RecursionError) as error:
            raise _malformed(error) from error
        return list(enumerate(_bounded(rows))), []

    def _lines(self, body: bytes) -> tuple[Sent[Row], list[Rejection]]:
        try:
            rows = self._row.decode_lines(body)
        except (DecodeError, RecursionError):
            lines = [line for line in body.split(b"\n") if line.strip()]
            return _one_by_one(lines, self._row.decode)
        return list(enumerate(_bounded(rows))), []


EVENTS = Body(SentEvent, Events, RawEvents, "events")
READINGS = Body(SentReading, Readings, RawReadings, "readings")
_cloud_batch = msgspec.json.Decoder(list[Raw])
_cloud_event = msgspec.json.Decoder(CloudEvent)


def decode_events(body: bytes, content_type: str) -> tuple[Sent[SentEvent], list[Rejection]]:
    """The events of a body in any of the three forms; see `Body.decode`."""
    if content_type != CLOUD_EVENTS:
        return EVENTS.decode(body, content_type)
    return _storable(body, *_one_by_one(_envelope(lambda: _cloud_batch.decode(body)), _from_cloud))


def _storable(body: bytes, rows: Sent[Row], rejected: list[Rejection]) -> tuple[Sent[Row], list[Rejection]]:
    """Without the rows whose text the database cannot keep. JSON writes that character in one way only."""
    if NUL not in body:
        return rows, rejected
    refused = {index: _id(raw) for index, row in rows if NUL in (raw := msgspec.json.encode(row))}
    detail = "Text may not contain the character U+0000."
    rejected += [Rejection(index, "text_unstorable", detail, row_id) for index, row_id in refused.items()]
    return [row for row in rows if row[0] not in refused], rejected


def _from_cloud(raw: Any) -> SentEvent:
    event = _cloud_event.decode(raw)
    subscription = event.data.subscription or event.subject
    if event.specversion != "1.0":
        raise ValidationError("Expected `1.0` - at `$.specversion`")
    if subscription is None:
        raise ValidationError("Object missing required field `subject`")
    return SentEvent(
        id=event.id,
        subscription=subscription,
        meter=event.data.meter or event.type,
        at=event.time,
        quantity=event.data.quantity,
        properties=event.data.properties,
        source=event.source,
    )


def _envelope(decode: Callable[[], Any]) -> Sequence[Any]:
    """The rows of an envelope, undecoded; a wrong envelope is refused as a whole."""
    try:
        rows: Sequence[Any] = decode()
    except ValidationError as error:
        code, detail, pointer = explain(error)
        raise Invalid(code, detail, pointer) from error
    except (DecodeError, RecursionError) as error:
        raise _malformed(error) from error
    return rows


def _one_by_one(raws: Iterable[Any], decode: Callable[[Any], Row]) -> tuple[Sent[Row], list[Rejection]]:
    rows: Sent[Row] = []
    rejected = []
    for index, raw in enumerate(_bounded(list(raws))):
        try:
            rows.append((index, decode(raw)))
        except (DecodeError, RecursionError) as error:
            code, detail, _ = explain(error)
            rejected.append(Rejection(index, code, detail, _id(raw)))
    return rows, rejected


def _bounded(rows: list[Any]) -> list[Any]:
    if len(rows) > ROWS_MAX:
        raise TooLarge("too_many_rows", f"Send at most {ROWS_MAX} in one request; these are {len(rows)}.")
    return rows


def _malformed(error: Exception) -> Malformed:
    return Malformed("json_malformed", f"The body is not JSON: {error}.")


def _id(raw: bytes) -> str | None:
    """The id of a row that could not be read, if that much of it can."""
    try:
        found = msgspec.json.decode(raw)
    except (DecodeError, RecursionError):
        return None
    text = found.get("id") if isinstance(found, dict) else None
    return text[:255] if isinstance(text, str) else None


def explain(error: Exception) -> tuple[str, str, str]:
    """What is wrong with a row, in our words: code, sentence, JSON pointer."""
    if not isinstance(error, ValidationError):
        return "json_malformed", "This is not JSON.", ""
    message = str(error)
    found = _AT.search(message)
    pointer = "" if found is None else _pointer(found["path"])
    message = _AT.sub("", message)
    where = f" (at {pointer})" if pointer else ""
    if message.startswith("Object missing required field"):
        name = message.split("`")[1]
        return "member_required", f"The member {name} is required{where}.", f"{pointer}/{name}"
    if message.startswith("Object contains unknown field"):
        name = message.split("`")[1]
        return "member_unknown", f"There is no member {name} here{where}.", f"{pointer}/{name}"
    if pointer.endswith(_DECIMALS) and message.startswith("Expected `str"):
        return "decimal_string_expected", f'Write this as a decimal string, for example "12.5"{where}.', pointer
    if "datetime" in message:
        return "instant_malformed", f"Write an instant like 2026-02-01T00:00:00Z{where}.", pointer
    kind = next((code for start, code in _KINDS.items() if message.startswith(start)), "member_invalid")
    return kind, f"{message}{where}.", pointer


def _pointer(path: str) -> str:
    """msgspec's path (`.events[3].at`) as a JSON pointer; the index of a row is told beside it."""
    return re.sub(r"\[(\d+|\.\.\.)\]", r"/\1", path).replace(".", "/").replace("/////", "/...")
