"""Members that the engine reads itself, so that its rules are told beside the schema's in one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import marshmallow as ma

from api.schemas.coded import Coded
from api.schemas.members import Member
from core.errors import FieldError

Reader = Callable[[object, str, list[FieldError]], Any]


class Parsed(Member):
    """A member that one of `billing`'s readers checks and turns into a value.

    Args:
        read: takes the JSON value, a pointer and a list to which it adds what is wrong.
        schema: the JSON schema of the member, for the description.
    """

    def __init__(self, read: Reader, schema: Mapping[str, Any], **kwargs: Any) -> None:
        self.read = read
        super().__init__(metadata=dict(schema), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        errors: list[FieldError] = []
        found = self.read(value, "", errors)
        if errors:
            raise ma.ValidationError(_nested(errors))
        return found


def _nested(errors: list[FieldError]) -> dict[str, Any]:
    """Errors with pointers, as the nested messages in which marshmallow collects them."""
    tree: dict[str, Any] = {}
    for error in errors:
        node = tree
        for step in error.pointer.split("/")[1:]:
            node = node.setdefault(step.replace("~1", "/").replace("~0", "~"), {})
        node.setdefault("_schema", []).append(Coded(error.code, error.detail))
    return tree
