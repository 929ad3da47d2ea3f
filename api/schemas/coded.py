"""Sentences that carry their code, so that every wrong member of a body has one.

marshmallow passes messages through `str.format` and collects them in nested dictionaries; a `Coded` survives both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import ValidationError

from core.errors import FieldError, Invalid


class Coded(str):
    """A sentence for people with a stable code for programs."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, code: str, detail: str) -> Coded:
        made = super().__new__(cls, detail)
        made.code = code
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return self.code, str(self)

    def format(self, *args: object, **kwargs: object) -> Coded:
        """The same code with the sentence's placeholders filled in."""
        return Coded(self.code, str.format(self, *args, **kwargs))


def messages(**said: Coded) -> Any:
    """A field's own refusals, by marshmallow's key."""
    return dict(said)


def refuse(code: str, detail: str) -> ValidationError:
    """The refusal of one member, to be raised by a field or a validator."""
    return ValidationError(Coded(code, detail))


def refuse_as(invalid: Invalid) -> ValidationError:
    """A refusal from `core` as that of the member being read."""
    return refuse(invalid.code, invalid.detail)


def field_errors(found: object, pointer: str = "") -> Iterator[FieldError]:
    """Flatten marshmallow's nested messages into one error per wrong member, with RFC 6901 pointers."""
    if isinstance(found, Mapping):
        for key, inner in found.items():
            yield from field_errors(inner, pointer + _step(key))
    elif isinstance(found, list):
        for inner in found:
            yield from field_errors(inner, pointer)
    else:
        yield FieldError(pointer, getattr(found, "code", "member_invalid"), str(found))


def _step(key: Any) -> str:
    # `_schema` is how marshmallow names the object itself.
    return "" if key == "_schema" else "/" + str(key).replace("~", "~0").replace("/", "~1")
