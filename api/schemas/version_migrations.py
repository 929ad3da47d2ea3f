"""Moves of subscriptions to another version of their plan, as they come and go."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from api.schemas import ListQuery, Resource, Schema, fields
from api.schemas.parsed import Parsed
from billing.members import Members
from core.errors import FieldError
from services.version_migration_results import PAYS, STATES
from services.version_migrations import WORDS

FILTER_MOST = 1000
EFFECTIVE = {
    "description": "At once, at the end of each one's period, at its renewal (the end of its fixed term; without one, "
    "of its period), or at an instant.",
    "oneOf": [
        {"type": "string", "enum": list(WORDS)},
        {
            "type": "object",
            "required": ["at"],
            "additionalProperties": False,
            "properties": {"at": {"type": "string", "format": "date-time"}},
        },
    ],
    "examples": ["renewal", {"at": "2026-07-01T00:00:00Z"}],
}


def read_effective(value: object, pointer: str, errors: list[FieldError]) -> str | datetime | None:
    """Read when subscriptions move. Codes: `effective_unknown`, and those of an object's member `at`."""
    if isinstance(value, str) and value in WORDS:
        return value
    if not isinstance(value, Mapping):
        known = ", ".join(f'"{word}"' for word in WORDS)
        errors.append(FieldError(pointer, "effective_unknown", f'Use {known} or {{"at": …}}.'))
        return None
    members = Members(value, pointer, errors)
    at = members.instant("at")
    members.close()
    return at


class VersionMigrationNew(Schema):
    """Which subscriptions to move to a version, and when."""

    effective = Parsed(read_effective, EFFECTIVE, required=True)
    from_versions = fields.List(
        fields.Integer(validate=fields.Range(min=1, max=10**6)),
        validate=fields.Length(min=1, max=FILTER_MOST),
        metadata={"description": "Those on these versions; by default on any other."},
    )
    accounts = fields.List(
        fields.Reference("account"),
        validate=fields.Length(min=1, max=FILTER_MOST),
        metadata={"description": "Those of these accounts and of all below them; by default of all."},
    )
    preview = fields.Boolean(load_default=False, description="true only works out who pays what, until it is started.")
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class MigrationFilter(Schema):
    """Which subscriptions were asked for; null is no bound."""

    from_versions = fields.List(fields.Integer(), required=True, allow_none=True)
    accounts = fields.List(fields.String(), required=True, allow_none=True)


class MigrationTotal(Schema):
    """Of the subscriptions in one currency: what they pay a month, net, and who pays more or less."""

    currency = fields.Currency(required=True)
    subscriptions = fields.Integer(required=True)
    paying_more = fields.Integer(required=True)
    paying_less = fields.Integer(required=True)
    paying_same = fields.Integer(required=True)
    before_amount = fields.MinorAmount(required=True)
    after_amount = fields.MinorAmount(required=True)
    difference_amount = fields.MinorAmount(required=True)
    once_amount = fields.MinorAmount(required=True, metadata={"description": "New charges that are due once."})


class VersionMigration(Resource):
    """A move of subscriptions to a plan version, and how far it has come."""

    id = fields.TypeID("version_migration", required=True)
    plan = fields.TypeID("plan", attribute="plan_id", required=True)
    plan_version = fields.TypeID("plan_version", attribute="plan_version_id", required=True)
    version = fields.Integer(required=True)
    filter = fields.Nested(MigrationFilter, required=True)
    effective = fields.Raw(required=True, metadata=EFFECTIVE)
    preview = fields.Boolean(required=True)
    status = fields.Enum(
        ["previewing", "previewed", "scheduling", "done", "withdrawing", "withdrawn"],
        required=True,
        description="`done`: every subscription has its change or a reason why not.",
    )
    finished_at = fields.Instant(required=True, allow_none=True)
    counts = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, description="Its subscriptions, by state."
    )
    totals = fields.List(fields.Nested(MigrationTotal), required=True)


class Pays(Schema):
    """What a subscription pays a month, net."""

    recurring_amount = fields.MinorAmount(required=True)
    usage_amount = fields.MinorAmount(
        required=True,
        allow_none=True,
        metadata={"description": "On the usage of the last closed span, if there is one."},
    )
    total_amount = fields.MinorAmount(required=True)


class MigrationResult(Schema):
    """A subscription of a move."""

    subscription = fields.TypeID("subscription", attribute="subscription_id", required=True)
    from_version = fields.Integer(required=True)
    state = fields.Enum(
        STATES, required=True, description="From `scheduled` on that of its change; `failed` has a reason."
    )
    currency = fields.Currency(required=True)
    before = fields.Nested(Pays, required=True, allow_none=True)
    after = fields.Nested(Pays, required=True, allow_none=True)
    difference_amount = fields.MinorAmount(required=True, allow_none=True)
    once_amount = fields.MinorAmount(required=True, allow_none=True)
    effective_at = fields.Instant(required=True, allow_none=True)
    change = fields.TypeID("change", attribute="change_id", required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    detail = fields.String(required=True, allow_none=True)


class MigrationResultQuery(ListQuery):
    """Which subscriptions of a move."""

    state = fields.Enum(STATES)
    pays = fields.Enum(PAYS, description="Only those that pay more, less or the same.")
