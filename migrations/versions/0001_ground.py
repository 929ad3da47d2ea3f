"""Roles, the range type, and the functions that guard tables.

Revision ID: 0001
Revises:

Roles belong to the whole server, other databases on it may use them: the way back leaves them.
"""

from __future__ import annotations

from alembic import op

from migrations.rules import as_login, as_owner

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROLES = ("busbar_owner", "busbar_app", "busbar_dispatch")

# Two processes may migrate two databases of one server at once; roles are shared between them.
MAKE_ROLE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{role}') THEN
    CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""

# Membership lets the login role SET ROLE; a superuser needs none.
JOIN_ROLE = """
DO $$ BEGIN
  IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN
    EXECUTE format('GRANT {role} TO %I', current_user);
  END IF;
END $$
"""

# The equality half of an exclusion constraint, without any contrib extension.
UUID_RANGE = "CREATE TYPE uuidrange AS RANGE (subtype = uuid)"

# Arguments: the columns whose change is a change of state. Works on whole statements, so that bulk work stays bulk.
AUDIT = """
CREATE FUNCTION busbar_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE
  business timestamptz := coalesce(NULLIF(current_setting('busbar.now', true), '')::timestamptz, clock_timestamp());
  who text := coalesce(NULLIF(current_setting('busbar.actor', true), ''), 'database:' || session_user);
  request text := NULLIF(current_setting('busbar.request', true), '');
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO audit (provider_id, at, actor, request_id, object_kind, object_id, action, before, after)
    SELECT (n.j->>'provider_id')::uuid, business, who, request, TG_TABLE_NAME,
           coalesce(n.j->>'id', n.j->>'provider_id')::uuid, 'created', NULL,
           (SELECT jsonb_object_agg(k, n.j->k) FROM unnest(TG_ARGV) k)
    FROM (SELECT to_jsonb(new_rows) AS j FROM new_rows) n;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO audit (provider_id, at, actor, request_id, object_kind, object_id, action, before, after)
    SELECT c.provider_id, business, who, request, TG_TABLE_NAME, c.id, 'changed', c.before, c.after
    FROM (
      SELECT (n.j->>'provider_id')::uuid AS provider_id, coalesce(n.j->>'id', n.j->>'provider_id')::uuid AS id,
             (SELECT jsonb_object_agg(k, o.j->k) FROM unnest(TG_ARGV) k) AS before,
             (SELECT jsonb_object_agg(k, n.j->k) FROM unnest(TG_ARGV) k) AS after
      FROM (SELECT to_jsonb(new_rows) AS j FROM new_rows) n
      JOIN (SELECT to_jsonb(old_rows) AS j FROM old_rows) o
        ON o.j->>'provider_id' = n.j->>'provider_id' AND (o.j->>'id') IS NOT DISTINCT FROM (n.j->>'id')
    ) c
    WHERE c.before IS DISTINCT FROM c.after;
  ELSE
    INSERT INTO audit (provider_id, at, actor, request_id, object_kind, object_id, action, before, after)
    SELECT (o.j->>'provider_id')::uuid, business, who, request, TG_TABLE_NAME,
           coalesce(o.j->>'id', o.j->>'provider_id')::uuid, 'deleted',
           (SELECT jsonb_object_agg(k, o.j->k) FROM unnest(TG_ARGV) k), NULL
    FROM (SELECT to_jsonb(old_rows) AS j FROM old_rows) o;
  END IF;
  RETURN NULL;
END $$
"""

IMMUTABLE = """
CREATE FUNCTION busbar_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% rows are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""

# One month of a bulk table. The name is checked against the two tables it is for, the month is a month's first day.
PARTITION = """
CREATE FUNCTION busbar_partition(bulk text, month date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE
  part text := bulk || '_p_' || to_char(month, 'YYYYMM');
BEGIN
  IF bulk NOT IN ('reading', 'usage_event') OR month <> date_trunc('month', month)::date
     OR month NOT BETWEEN '2000-01-01' AND '2199-12-01' THEN
    RAISE EXCEPTION 'no partition % of %', month, bulk USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF to_regclass('public.' || part) IS NOT NULL THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('busbar_partition'));
  -- Asked of the table itself: to_regclass may remember that there was none before we waited.
  IF EXISTS (SELECT 1 FROM pg_class WHERE relname = part AND relnamespace = 'public'::regnamespace) THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)', part, bulk,
                 month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
  -- The parent's policy does not guard a partition that is read directly: no grants, and no policy that lets rows out.
  EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', part);
  EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', part);
END $$
"""

# Every request begins with this: the role and the tenant of the transaction, then the tenant itself, in one call.
ENTER = """
CREATE FUNCTION busbar_enter(role text, provider_id uuid, actor text, request text, timeout text)
RETURNS TABLE (id uuid, name text, sandbox boolean, country text, time_zone text, currency text, settings jsonb,
               clock timestamptz) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('role', busbar_enter.role, true), set_config('busbar.provider', provider_id::text, true),
          set_config('busbar.actor', actor, true), set_config('busbar.request', request, true),
          set_config('lock_timeout', '10s', true), set_config('statement_timeout', timeout, true);
  SELECT p.id, p.name, p.sandbox, p.country, p.time_zone, p.currency, p.settings, c.now
  INTO id, name, sandbox, country, time_zone, currency, settings, clock
  FROM public.provider p LEFT JOIN public.test_clock c ON c.provider_id = p.id WHERE p.id = busbar_enter.provider_id;
  IF FOUND THEN
    PERFORM set_config('busbar.now', coalesce(clock, clock_timestamp())::text, true);
    RETURN NEXT;
  END IF;
END $$
"""


def upgrade() -> None:
    for role in ROLES:
        op.execute(MAKE_ROLE.format(role=role))
        op.execute(JOIN_ROLE.format(role=role))
    op.execute("GRANT USAGE, CREATE ON SCHEMA public TO busbar_owner")
    op.execute("GRANT USAGE ON SCHEMA public TO busbar_app, busbar_dispatch")
    op.execute("GRANT SELECT ON alembic_version TO busbar_app, busbar_dispatch")
    as_owner()
    op.execute(UUID_RANGE)
    op.execute(AUDIT)
    op.execute(IMMUTABLE)
    op.execute(PARTITION)
    op.execute(ENTER)
    op.execute("REVOKE ALL ON FUNCTION busbar_partition(text, date) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION busbar_partition(text, date) TO busbar_app")
    as_login()


def downgrade() -> None:
    as_owner()
    op.execute("DROP FUNCTION busbar_enter(text, uuid, text, text, text)")
    op.execute("DROP FUNCTION busbar_partition(text, date)")
    op.execute("DROP FUNCTION busbar_immutable()")
    op.execute("DROP FUNCTION busbar_audit()")
    op.execute("DROP TYPE uuidrange")
    as_login()
    op.execute("REVOKE ALL ON alembic_version FROM busbar_app, busbar_dispatch")
    op.execute("REVOKE ALL ON SCHEMA public FROM busbar_owner, busbar_app, busbar_dispatch")
