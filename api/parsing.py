"""Reading what was sent: JSON bodies and queries, each wrong member with its code and its place."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any, NoReturn

import marshmallow as ma
import orjson
from flask import Request, current_app, request
from webargs.flaskparser import FlaskParser

from api.guards import guard_for
from api.problems import Malformed, TooLarge, UnsupportedType
from api.schemas.coded import field_errors
from core.errors import FieldError, Invalid

_CHUNK_BYTES = 64 * 1024
_UNKNOWN: dict[str, str | None] = {"json": None, "query": ma.RAISE}


class BoundedRequest(Request):
    """A request whose body is read whole or refused.

    Of a chunked body, which does not say how long it is, werkzeug would give the part within the limit as if it were
    all: half of a list of readings would be taken for the whole.
    """

    def get_data(self, *args: Any, **kwargs: Any) -> Any:
        data = super().get_data(*args, **kwargs)
        limit = self.max_content_length
        if self.content_length is None and limit is not None and len(data) >= limit:
            raise TooLarge("body_too_large", f"The body is larger than {limit} bytes.")
        return data


class Parser(FlaskParser):
    """webargs, strict: unknown members and parameters are refused, bodies are JSON in UTF-8."""

    DEFAULT_UNKNOWN_BY_LOCATION = _UNKNOWN

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        raw = req.get_data(cache=True)
        if not raw and not req.mimetype:
            return {}
        if req.mimetype != "application/json" and not req.mimetype.endswith("+json"):
            raise UnsupportedType("content_type_unsupported", "Send application/json.")
        return decode_json(raw) if raw else {}

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:
        repeated = [name for name, values in req.args.lists() if len(values) > 1]
        if repeated:
            raise Invalid("parameter_repeated", "Give each parameter once.", f"?{repeated[0]}")
        return super().load_querystring(req, schema)

    def handle_error(
        self,
        error: ma.ValidationError,
        req: Request,
        schema: ma.Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        found: list[FieldError] = []
        for location, messages in dict(error.messages).items():  # type: ignore[arg-type]
            found += [_placed(location, one) for one in field_errors(messages)]
        raise Invalid.collect(found) from error


def _placed(location: str, error: FieldError) -> FieldError:
    if location != "query":
        return error
    code = "parameter_unknown" if error.code == "member_unknown" else error.code
    return FieldError("?" + error.pointer.removeprefix("/"), code, error.detail)


def decode_json(raw: bytes) -> Any:
    """JSON as a value.

    Raises:
        Malformed: `json_malformed`, when it is none.
        Invalid: `character_refused`, for a text with the character NUL, which no database column holds.
    """
    try:
        value = orjson.loads(raw)
        if b"\\u0000" in raw:
            _refuse_nul(value, "")
    except orjson.JSONDecodeError as error:
        raise Malformed("json_malformed", f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise Malformed("json_malformed", "The body is nested too deeply.") from error
    return value


def _refuse_nul(value: Any, pointer: str) -> None:
    if isinstance(value, str) and "\0" in value:
        raise Invalid("character_refused", "Text may not contain the character NUL.", pointer)
    if isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_nul(inner, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_nul(key, pointer)
            _refuse_nul(inner, f"{pointer}/{key}")


def raw_body() -> bytes:
    """The body of a route marked with `takes_bytes`, ungzipped, within the limits of the settings.

    Raises:
        UnsupportedType: another content type, or another encoding than gzip.
        TooLarge: over the limit, before or after decompression.
        Malformed: `gzip_malformed`.
    """
    guard = guard_for(current_app, request.endpoint or "", request.method)
    types = (guard.body_types if guard else None) or {}
    if request.mimetype not in types:
        raise UnsupportedType("content_type_unsupported", f"Send one of: {', '.join(types)}.")
    raw = request.get_data(cache=True)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return raw
    if encoding != "gzip":
        raise UnsupportedType("content_encoding_unsupported", "Send the body plain or with gzip.")
    return _ungzip(raw, current_app.config["INFLATED_LIMIT_BYTES"])


def _ungzip(raw: bytes, limit_bytes: int) -> bytes:
    parts, size = [], 0
    try:
        with gzip.GzipFile(fileobj=BytesIO(raw)) as stream:
            while part := stream.read(_CHUNK_BYTES):
                size += len(part)
                if size > limit_bytes:
                    raise TooLarge("body_too_large", f"The body is larger than {limit_bytes} bytes once unpacked.")
                parts.append(part)
    except (OSError, EOFError, zlib.error) as error:
        raise Malformed("gzip_malformed", "The body is not gzip, as Content-Encoding says.") from error
    return b"".join(parts)
