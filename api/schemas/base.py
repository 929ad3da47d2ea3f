"""What every body is made from: unknown members are refused, and refusals have codes."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.schemas.coded import Coded, messages


class Schema(ma.Schema):
    """The base of every schema, of requests and of answers."""

    error_messages = messages(
        type=Coded("object_expected", "Write this as a JSON object."),
        unknown=Coded("member_unknown", "There is no such member here."),
    )

    class Meta:
        unknown = ma.RAISE

    def handle_error(self, error: ma.ValidationError, data: Any, **kwargs: Any) -> None:
        """Leave the error as it is: `api.problems` turns it into problem+json."""
