"""The members that bodies are made of: each refuses with a code and documents itself.

The plain kinds: text, numbers, lists. What Busbar's contract defines (money, decimals, instants, ids) is in
`api.schemas.values`; `api.schemas.fields` offers both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask import g, has_app_context
from marshmallow import fields as mf
from marshmallow import validate

from api.schemas.coded import Coded, messages, refuse

INTEGER_LIMIT = 2**63 - 1


class Length(validate.Length):
    message_min = Coded("too_short", "Give at least {min}.")
    message_max = Coded("too_long", "Give at most {max}.")
    message_all = Coded("length_out_of_range", "Give between {min} and {max}.")
    message_equal = Coded("length_wrong", "Give exactly {equal}.")


class Range(validate.Range):
    message_min = Coded("too_small", "This must be {min_op} {{min}}.")
    message_max = Coded("too_large", "This must be {max_op} {{max}}.")
    message_all = Coded("out_of_range", "This must be {min_op} {{min}} and {max_op} {{max}}.")


class OneOf(validate.OneOf):
    default_message = Coded("not_one_of", "Use one of: {choices}.")


class Regexp(validate.Regexp):
    default_message = Coded("malformed", "This does not have the expected form.")


class Member(mf.Field[Any]):
    """What all members share: a description and an example given plainly, and coded refusals."""

    default_error_messages = messages(
        required=Coded("member_required", "This member is required."),
        null=Coded("member_null", "This member may not be null."),
        validator_failed=Coded("member_invalid", "This value is not allowed."),
        invalid=Coded("member_invalid", "This value is not allowed."),
    )

    def __init__(self, *args: Any, description: str | None = None, example: Any = None, **kwargs: Any) -> None:
        shown = {**self.shown(), **kwargs.pop("metadata", {})}
        if description is not None:
            shown["description"] = description
        if example is not None:
            shown["examples"] = [example]
        super().__init__(*args, metadata=shown, **kwargs)

    def shown(self) -> dict[str, Any]:
        """What JSON Schema says of this kind of member, besides its type."""
        return {}


class String(Member, mf.String):
    """Text as it comes; at most `max_length` characters."""

    default_error_messages = messages(invalid=Coded("string_expected", "Write this as a string."))

    def __init__(self, *, min_length: int = 0, max_length: int = 500, **kwargs: Any) -> None:
        kwargs["validate"] = [Length(min_length or None, max_length), *_listed(kwargs.get("validate"))]
        super().__init__(**kwargs)


class Text(String):
    """A name or a sentence: neither empty nor blank."""

    def __init__(self, *, max_length: int = 200, **kwargs: Any) -> None:
        super().__init__(min_length=1, max_length=max_length, **kwargs)

    def shown(self) -> dict[str, Any]:
        return {"pattern": r"\S"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if text and not text.strip():
            raise refuse("blank", "This may not be blank.")
        return text


class Code(String):
    """A code that people choose once and programs use for ever: `vm_hours`, `rack-42`, `EU.1`."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["validate"] = [Regexp(r"^[A-Za-z0-9][A-Za-z0-9_.\-]*\Z"), *_listed(kwargs.get("validate"))]
        super().__init__(min_length=1, max_length=80, **kwargs)

    def shown(self) -> dict[str, Any]:
        return {"pattern": r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$"}


class Enum(String):
    """One of a few words."""

    def __init__(self, choices: Iterable[str], **kwargs: Any) -> None:
        kwargs["validate"] = [OneOf(list(choices)), *_listed(kwargs.get("validate"))]
        super().__init__(**kwargs)


class Email(Member, mf.Email):
    """An address that mail can be sent to."""

    default_error_messages = messages(invalid=Coded("email_malformed", "This is not an e-mail address."))

    def __init__(self, **kwargs: Any) -> None:
        kwargs["validate"] = [Length(3, 254), *_listed(kwargs.get("validate"))]
        super().__init__(**kwargs)


class Url(Member, mf.Url):
    """An absolute http or https URL."""

    default_error_messages = messages(invalid=Coded("url_malformed", "This is not an absolute http or https URL."))

    def __init__(self, **kwargs: Any) -> None:
        kwargs["validate"] = [Length(8, 2000), *_listed(kwargs.get("validate"))]
        super().__init__(schemes={"http", "https"}, require_tld=False, **kwargs)

    def shown(self) -> dict[str, Any]:
        return {"format": "uri"}


class Integer(Member, mf.Integer):
    """A JSON integer; neither text, nor true, nor 1.5."""

    default_error_messages = messages(invalid=Coded("integer_expected", "Write this as an integer."))

    def __init__(self, *, minimum: int = -INTEGER_LIMIT, maximum: int = INTEGER_LIMIT, **kwargs: Any) -> None:
        kwargs["validate"] = [Range(minimum), Range(max=maximum), *_listed(kwargs.get("validate"))]
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid")
        return value


class QueryInteger(Integer):
    """An integer in a query string."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        digits = str(value).removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
            raise self.make_error("invalid")
        return int(value)


class Boolean(Member, mf.Boolean):
    """true or false, nothing like them."""

    default_error_messages = messages(invalid=Coded("boolean_expected", "Write this as true or false."))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class Flag(Boolean):
    """`true` or `false` in a query string."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise self.make_error("invalid")
        return bool(value == "true")


class List(Member, mf.List[Any]):
    """A list of at most `max_items`."""

    default_error_messages = messages(invalid=Coded("list_expected", "Write this as a list."))

    def __init__(self, inner: Any, *, min_items: int = 0, max_items: int = 1000, **kwargs: Any) -> None:
        kwargs["validate"] = [Length(min_items or None, max_items), *_listed(kwargs.get("validate"))]
        super().__init__(inner, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        return list(super()._deserialize(value, attr, data, **kwargs))


class Dict(Member, mf.Dict):
    """An object whose members' names are not known beforehand."""

    default_error_messages = messages(invalid=Coded("object_expected", "Write this as an object."))


class Nested(Member, mf.Nested):
    """An object within an object."""

    default_error_messages = messages(type=Coded("object_expected", "Write this as an object."))

    def __init__(self, nested: Any, **kwargs: Any) -> None:
        super().__init__(nested, **kwargs)


class Raw(Member, mf.Raw):
    """Any JSON value, checked elsewhere."""


class ShownOnce(String):
    """A secret in an answer: shown when it is made, left out when the answer is replayed."""

    def shown(self) -> dict[str, Any]:
        return {"description": "A secret, shown once; left out of a replayed answer.", "x-shown-once": True}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is not None and has_app_context():
            g.setdefault("shown_once", set()).add(self.data_key or self.name)
        return super()._serialize(value, attr, obj, **kwargs)


def _listed(validators: Any) -> Sequence[Any]:
    if validators is None:
        return []
    return list(validators) if isinstance(validators, (list, tuple)) else [validators]
