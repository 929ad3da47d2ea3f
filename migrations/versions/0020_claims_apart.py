"""Claims are told apart by the halves of their items' ids.

Revision ID: 0020
Revises: 0019

A GiST index can tell how far a number lies from a range of numbers, and puts it where it fits; of ranges of UUIDs it only
knows inside and outside, so that ids which grow were put anywhere, and the look for claims that overlap went through
many pages: up to ten seconds for the 50,000 claims of a run, where it is one or two now.
"""

from __future__ import annotations

from alembic import op

from migrations.rules import as_login, as_owner

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# Eight bytes of an id, from one on, as a range that holds this number alone. All ones would have no end, which the two
# halves of a UUIDv7 never are: the first begins with the time, the second with the bits 10.
NUMBER = "('x' || encode(substring(uuid_send(id) FROM start FOR 8), 'hex'))::bit(64)::bigint"
HALF = f"""
CREATE FUNCTION busbar_half(id uuid, start integer) RETURNS int8range LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN int8range({NUMBER}, {NUMBER}, '[]')
"""
HALVES = "busbar_half(item_id, 1) WITH &&, busbar_half(item_id, 9) WITH &&"
WHOLE = "uuidrange(item_id, item_id, '[]') WITH &&"


def upgrade() -> None:
    as_owner()
    op.execute(HALF)
    _exclude(HALVES)
    as_login()


def downgrade() -> None:
    as_owner()
    _exclude(WHOLE)
    op.execute("DROP FUNCTION busbar_half")
    as_login()


def _exclude(item: str) -> None:
    op.execute("ALTER TABLE billed_span DROP CONSTRAINT ex_billed_span_item_span")
    op.execute(
        "ALTER TABLE billed_span ADD CONSTRAINT ex_billed_span_item_span"
        f" EXCLUDE USING gist ({item}, span WITH &&) WHERE (status = 'held')"
    )
