"""Usage is summed by the day, so that a month is read as days.

Revision ID: 0019
Revises: 0018

A provider begins at the day of its earliest hour, or at its clock's day where it has none: nothing lies before that, so
nothing is summed here. The workers sum the days that follow.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.rules import CURRENT_PROVIDER, as_login, as_owner, tenant

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# Who writes usage shares the lanes of its days, then learns up to when days are summed. One round trip, two snapshots: a
# query of a volatile function sees what was committed when that query began, which is after the locks were waited for.
SHARE_LANES = """
CREATE FUNCTION busbar_share_lanes(provider uuid, key int, lanes int[]) RETURNS timestamptz LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  summed_until timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(key, lane) FROM unnest(lanes) AS lane;
  SELECT until INTO summed_until FROM public.summed_usage WHERE provider_id = provider;
  RETURN summed_until;
END $$
"""
TABLES = ("event_day", "register_day", "summed_usage")
# Looked up key by key: nobody waits for a scan of all that was ever used.
BEGIN = """
INSERT INTO summed_usage (provider_id, until)
SELECT p.id, date_trunc('day', coalesce(h.first, c.now, clock_timestamp()), 'UTC')
FROM provider p LEFT JOIN test_clock c ON c.provider_id = p.id
CROSS JOIN LATERAL (
  SELECT min(first) AS first FROM (
    SELECT (SELECT min(h.hour) FROM register_hour h WHERE h.provider_id = p.id AND h.register_id = r.id) AS first
    FROM register r WHERE r.provider_id = p.id
    UNION ALL
    SELECT (SELECT min(h.hour) FROM event_hour h
            WHERE h.provider_id = p.id AND h.subscription_id = s.id AND h.meter_id = m.id)
    FROM subscription s JOIN meter m ON m.provider_id = s.provider_id WHERE s.provider_id = p.id) hours) h
WHERE p.id = :provider
"""


def upgrade() -> None:
    as_owner()
    _make_tables()
    # As 0008: the tenant is read once a statement.
    condition = f"provider_id = (SELECT {CURRENT_PROVIDER})"
    for table in TABLES:
        op.execute(f"ALTER POLICY tenant ON {table} USING ({condition}) WITH CHECK ({condition})")
    op.execute(SHARE_LANES)
    _begin()
    as_login()


def downgrade() -> None:
    as_owner()
    op.execute("DROP FUNCTION busbar_share_lanes(uuid, int, int[])")
    for table in TABLES:
        op.drop_table(table)
    as_login()


def _make_tables() -> None:
    op.create_table(
        "event_day",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("meter_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("minimum", sa.Numeric(38, 12), nullable=False),
        sa.Column("maximum", sa.Numeric(38, 12), nullable=False),
        sa.Column("known_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "subscription_id", "meter_id", "day", name="pk_event_day"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "register_day",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("register_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.TIMESTAMP(timezone=True), nullable=False),
        *(
            sa.Column(quality, sa.Numeric(), nullable=False)
            for quality in ("measured", "interpolated", "estimated", "substituted", "invalid")
        ),
        sa.Column("intervals", sa.Integer(), nullable=False),
        sa.Column("known_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "register_id", "day", name="pk_register_day"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "summed_usage",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name="fk_summed_usage_provider_id"),
        sa.PrimaryKeyConstraint("provider_id", name="pk_summed_usage"),
    )
    for table in ("event_day", "register_day"):
        tenant(table, grants="select, insert, update")
    tenant("summed_usage", grants="select, insert, update", dispatch=("provider_id", "until"))


def _begin() -> None:
    """Provider by provider: the owner too sees only the one that is named."""
    connection = op.get_bind()
    connection.execute(sa.text("SET LOCAL ROLE busbar_dispatch"))
    providers = connection.execute(sa.text("SELECT id FROM provider")).scalars().all()
    connection.execute(sa.text("SET LOCAL ROLE busbar_owner"))
    for provider in providers:
        connection.execute(sa.text("SELECT set_config('busbar.provider', :id, true)"), {"id": str(provider)})
        connection.execute(sa.text(BEGIN), {"provider": provider})
    connection.execute(sa.text("SELECT set_config('busbar.provider', '', true)"))
