"""Shapes that many routes share: a resource, a list and its query, a problem."""

from __future__ import annotations

from functools import cache

from api.schemas import fields
from api.schemas.base import Schema

LIMIT_DEFAULT = 50
LIMIT_MAX = 200


class Resource(Schema):
    """What every resource carries besides its own members."""

    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()
    created_at = fields.Instant()


class ListQuery(Schema):
    """The query of a list; what has external ids derives from `ExternalIdQuery`."""

    limit = fields.QueryInteger(
        minimum=1, maximum=LIMIT_MAX, load_default=LIMIT_DEFAULT, description="How many at most."
    )
    cursor = fields.String(
        min_length=1,
        max_length=1000,
        description="The `next_cursor` of the page before; opaque, with the same filters.",
    )


class ExternalIdQuery(ListQuery):
    """The query of a list of things that have external ids."""

    external_id = fields.String(min_length=1, max_length=200, description="Only the one with this external id.")


class WrongMember(Schema):
    """One thing that is wrong with a request."""

    pointer = fields.String(description="RFC 6901 JSON pointer into the body.", example="/prices/0/charge_code")
    parameter = fields.String(description="The query parameter, where one is to blame.", example="cursor")
    code = fields.String(required=True, description="Stable, snake_case.", example="decimal_string_expected")
    detail = fields.String(required=True, example='Write this as a decimal string, for example "12.5".')


class Problem(Schema):
    """RFC 9457. Branch on `code`; show `detail` to people."""

    type = fields.String(required=True, max_length=2000, example="urn:problem-type:decimal_string_expected")
    title = fields.String(required=True, example="Invalid")
    status = fields.Integer(required=True, minimum=400, maximum=599, example=422)
    detail = fields.String(required=True, max_length=5000)
    code = fields.String(required=True, example="decimal_string_expected")
    request_id = fields.String(description="Also in the header X-Request-Id; quote it when you ask us.")
    errors = fields.List(fields.Nested(WrongMember), max_items=100, description="The first hundred.")
    error = fields.String(description="Of the token endpoint: the same code, where OAuth looks for it (RFC 6749).")
    error_description = fields.String(description="Of the token endpoint: the detail.", max_length=5000)


@cache
def page_of(schema: type[Schema]) -> type[Schema]:
    """The envelope of a list of `schema`: `{"data": […], "next_cursor": …}`."""
    members = {
        "data": fields.List(fields.Nested(schema), required=True),
        "next_cursor": fields.String(
            required=True, allow_none=True, max_length=1000, description="null on the last page."
        ),
        "__doc__": f"A page of a list: {schema.__name__}.",
    }
    return type(f"{schema.__name__}Page", (Schema,), members)
