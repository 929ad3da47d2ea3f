"""Triggers: what the database itself holds of the invariants.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

from migrations.rules import as_login, as_owner

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# I12. Table -> the columns whose change is a change of state.
AUDITED = {
    "account": ("name", "email", "mode", "currency", "country", "time_zone", "tax_id", "payer_id"),
    "agent": ("name", "enrolled_at", "revoked_at", "config_version"),
    "allocation": ("payment_id", "invoice_id", "amount"),
    "anomaly": ("status", "kind"),
    "api_key": ("name", "scopes", "revoked_at"),
    "assignment": ("point_id", "item_id", "span"),
    "billed_span": ("status", "span"),
    "billing_run": ("status",),
    "delivery": ("status",),
    "dunning_case": ("status",),
    "gateway_account": ("name", "gateway", "is_default"),
    "inbound_event": ("status",),
    "invoice": ("status", "number", "total_amount", "settled_amount"),
    "membership": ("user_id", "account_id", "role"),
    "meter": ("code", "name", "unit", "aggregation", "register"),
    "oauth_client": ("name", "scopes", "revoked_at"),
    "payment": ("amount", "method", "refunded_amount"),
    "payment_attempt": ("status", "amount", "failure_code"),
    "payment_method": ("status", "is_default"),
    "plan": ("code", "name"),
    "plan_version": ("plan_id", "number", "effective_at"),
    "product": ("code", "name", "tax_class"),
    "provisioning_request": ("status", "kind"),
    "refund": ("status", "amount"),
    "scheduled_change": ("status", "effective_at"),
    "seller": ("legal_name", "tax_id", "tax_rate", "bank", "payment_terms_days"),
    "subscription": ("status", "start_at", "ended_at", "plan_version_id", "quantities"),
    "subscription_item_term": ("item_id", "from_at", "price_id", "quantity", "ended"),
    "suspension": ("subscription_id", "reason", "opened_at", "closed_at"),
    "webhook_endpoint": ("url", "status", "types"),
}

# I2, and rows that are facts.
IMMUTABLE = (
    "transfer",
    "allocation",
    "audit",
    "plan_version",
    "price",
    "subscription_item_term",
    "reading",
    "usage_event",
)

# I11: a parent exists before its child and neither moves, so the tree has no cycle; the payer is itself or the parent's payer.
ACCOUNT_TREE = """
CREATE FUNCTION busbar_account_tree() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  up record;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.parent_id, NEW.payer_id, NEW.path, NEW.seller_id) IS DISTINCT FROM (OLD.parent_id, OLD.payer_id, OLD.path, OLD.seller_id) THEN
      RAISE EXCEPTION 'an account does not move in the tree' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.parent_id IS NOT NULL THEN
    SELECT path, payer_id INTO up FROM account WHERE provider_id = NEW.provider_id AND id = NEW.parent_id;
    IF NEW.path IS DISTINCT FROM up.path || NEW.id OR NEW.payer_id NOT IN (NEW.id, up.payer_id) THEN
      RAISE EXCEPTION 'an account''s path and payer follow from its parent' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;
  RETURN NEW;
END $$
"""

# I1: a charge's facts never change. It is put on a draft's line once, and released once: while it waits, or when its
# document is void or discarded.
CHARGE_FROZEN = """
CREATE FUNCTION busbar_charge_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  loose text[] := ARRAY['invoice_line_id', 'released_at'];
  doc text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.invoice_line_id IS NOT NULL OR NEW.released_at IS NOT NULL THEN
      RAISE EXCEPTION 'a charge begins by waiting' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' OR (to_jsonb(NEW) - loose) IS DISTINCT FROM (to_jsonb(OLD) - loose)
     OR (OLD.invoice_line_id IS NOT NULL AND NEW.invoice_line_id IS DISTINCT FROM OLD.invoice_line_id)
     OR OLD.released_at IS NOT NULL THEN
    RAISE EXCEPTION 'a charge is never changed: corrections are further charges' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  SELECT i.status INTO doc FROM invoice_line l JOIN invoice i ON i.provider_id = l.provider_id AND i.id = l.invoice_id
  WHERE l.provider_id = NEW.provider_id AND l.id = NEW.invoice_line_id;
  IF (OLD.invoice_line_id IS NULL AND doc <> 'draft')
     OR (NEW.released_at IS NOT NULL AND doc NOT IN ('void', 'discarded')) THEN
    RAISE EXCEPTION 'a charge does not join or leave a document that is %', doc USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$
"""

# I1: a held claim may shrink or be released; it never moves, grows or comes back.
CLAIM_SHRINKS = """
CREATE FUNCTION busbar_claim_shrinks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (OLD.status = 'released' AND NEW IS DISTINCT FROM OLD) OR NOT (NEW.span <@ OLD.span)
     OR (NEW.provider_id, NEW.id, NEW.item_id, NEW.charge_code) IS DISTINCT FROM (OLD.provider_id, OLD.id, OLD.item_id, OLD.charge_code) THEN
    RAISE EXCEPTION 'a claim only shrinks or is released' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$
"""

# I1: what was released for billing anew has left nothing billed.
CLAIM_EMPTY = """
CREATE FUNCTION busbar_claim_empty() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  billed numeric;
BEGIN
  SELECT coalesce(sum(amount), 0) INTO billed FROM charge
  WHERE provider_id = NEW.provider_id AND claim_id = NEW.id AND released_at IS NULL;
  IF NEW.status = 'released' AND billed <> 0 THEN
    RAISE EXCEPTION 'claim % is released while % of it stay billed', NEW.id, billed
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$
"""

# I3: a document begins as a draft, and is whole when it leaves it; from then on it changes only in how it is settled.
# The steps are those of billing/states/invoice.py; a document whose total is zero is paid at once.
INVOICE_FROZEN = """
CREATE FUNCTION busbar_invoice_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  loose text[] := ARRAY['status', 'settled_amount', 'paid_at', 'voided_at', 'pdf_blob', 'metadata'];
  lines bigint;
  charges bigint;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'draft' THEN
      RAISE EXCEPTION 'a document begins as a draft' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a document is never deleted: discard the draft' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.status <> 'draft' AND (
       (to_jsonb(NEW) - loose) IS DISTINCT FROM (to_jsonb(OLD) - loose)
       OR NEW.status = 'draft'
       OR (OLD.pdf_blob IS NOT NULL AND NEW.pdf_blob IS DISTINCT FROM OLD.pdf_blob)) THEN
    RAISE EXCEPTION 'a finalized document never changes' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.status <> OLD.status AND (OLD.status || ' ' || NEW.status) NOT IN (
       'draft open', 'draft discarded', 'open paid', 'open void', 'open uncollectible', 'uncollectible paid', 'paid open') THEN
    RAISE EXCEPTION 'a document that is % does not become %', OLD.status, NEW.status USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.status = 'draft' AND NEW.status = 'open' THEN
    SELECT coalesce(sum(l.amount), 0) INTO lines FROM invoice_line l
    WHERE l.provider_id = NEW.provider_id AND l.invoice_id = NEW.id;
    SELECT coalesce(sum(c.amount), 0) INTO charges FROM charge c
    JOIN invoice_line l ON l.provider_id = c.provider_id AND l.id = c.invoice_line_id
    WHERE l.provider_id = NEW.provider_id AND l.invoice_id = NEW.id;
    IF lines <> NEW.net_amount OR charges <> NEW.net_amount
       OR NEW.tax_amount <> (SELECT coalesce(sum((t->>'tax_amount')::bigint), 0) FROM jsonb_array_elements(NEW.taxes) t)
       OR NEW.seller_snapshot IS NULL OR NEW.buyer_snapshot IS NULL THEN
      RAISE EXCEPTION 'document % does not add up: net %, lines %, charges %', NEW.id, NEW.net_amount, lines, charges
        USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;
  RETURN NEW;
END $$
"""

# I3: lines follow their document. The document's row is locked, so that no line slips in while it is made final.
LINES_FROZEN = """
CREATE FUNCTION busbar_lines_frozen() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP IN ('INSERT', 'UPDATE') THEN
    PERFORM 1 FROM invoice i WHERE (i.provider_id, i.id) IN (SELECT DISTINCT provider_id, invoice_id FROM new_rows) FOR SHARE;
    IF EXISTS (SELECT 1 FROM new_rows l JOIN invoice i ON i.provider_id = l.provider_id AND i.id = l.invoice_id
               WHERE i.status <> 'draft') THEN
      RAISE EXCEPTION 'the lines of a finalized document never change' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;
  IF TG_OP IN ('UPDATE', 'DELETE') THEN
    PERFORM 1 FROM invoice i WHERE (i.provider_id, i.id) IN (SELECT DISTINCT provider_id, invoice_id FROM old_rows) FOR SHARE;
    IF EXISTS (SELECT 1 FROM old_rows l JOIN invoice i ON i.provider_id = l.provider_id AND i.id = l.invoice_id
               WHERE i.status <> 'draft') THEN
      RAISE EXCEPTION 'the lines of a finalized document never change' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;
  RETURN NULL;
END $$
"""

# I3: numbers without gap. What a series gave out in a transaction is on documents when it commits, and nothing else is.
SERIES_GAPLESS = """
CREATE FUNCTION busbar_series_gapless() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  given bigint;
BEGIN
  SELECT count(*) INTO given FROM invoice
  WHERE provider_id = NEW.provider_id AND series_id = NEW.id AND sequence >= OLD.next AND sequence < NEW.next;
  IF NEW.next < OLD.next OR given <> NEW.next - OLD.next THEN
    RAISE EXCEPTION 'number series %: next went from % to %, documents took %', NEW.id, OLD.next, NEW.next, given
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$
"""

NUMBER_FROM_SERIES = """
CREATE FUNCTION busbar_number_from_series() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.sequence IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM number_series s WHERE s.provider_id = NEW.provider_id AND s.id = NEW.series_id
       AND NEW.sequence < s.next AND NEW.sequence >= 1) THEN
    RAISE EXCEPTION 'a document''s number comes from its series' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$
"""

SERIES_STARTS = """
CREATE FUNCTION busbar_series_starts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR NEW.next <> 1 THEN
    RAISE EXCEPTION 'a number series begins at 1 and is never deleted' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$
"""

# I4: settled is the sum of allocations, on both sides; the CHECKs of both tables bound it.
ALLOCATED = """
CREATE FUNCTION busbar_allocated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE
  pay record;
  doc record;
BEGIN
  SELECT currency, account_id INTO pay FROM payment WHERE provider_id = NEW.provider_id AND id = NEW.payment_id;
  SELECT currency, status INTO doc FROM invoice WHERE provider_id = NEW.provider_id AND id = NEW.invoice_id FOR UPDATE;
  IF pay.currency <> doc.currency OR doc.status NOT IN ('open', 'uncollectible', 'paid') THEN
    RAISE EXCEPTION 'only a finalized document is settled, in its own currency' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  UPDATE payment SET allocated_amount = allocated_amount + NEW.amount WHERE provider_id = NEW.provider_id AND id = NEW.payment_id;
  UPDATE invoice SET settled_amount = settled_amount + NEW.amount WHERE provider_id = NEW.provider_id AND id = NEW.invoice_id;
  RETURN NULL;
END $$
"""

FUNCTIONS = {
    "busbar_account_tree": ACCOUNT_TREE,
    "busbar_charge_frozen": CHARGE_FROZEN,
    "busbar_claim_shrinks": CLAIM_SHRINKS,
    "busbar_claim_empty": CLAIM_EMPTY,
    "busbar_invoice_frozen": INVOICE_FROZEN,
    "busbar_lines_frozen": LINES_FROZEN,
    "busbar_series_gapless": SERIES_GAPLESS,
    "busbar_series_starts": SERIES_STARTS,
    "busbar_number_from_series": NUMBER_FROM_SERIES,
    "busbar_allocated": ALLOCATED,
}

# (name, table, when and for each, function)
TRIGGERS = (
    ("account_tree", "account", "BEFORE INSERT OR UPDATE", "FOR EACH ROW", "busbar_account_tree"),
    ("charge_frozen", "charge", "BEFORE INSERT OR UPDATE OR DELETE", "FOR EACH ROW", "busbar_charge_frozen"),
    ("claim_shrinks", "billed_span", "BEFORE UPDATE OR DELETE", "FOR EACH ROW", "busbar_claim_shrinks"),
    ("invoice_frozen", "invoice", "BEFORE INSERT OR UPDATE OR DELETE", "FOR EACH ROW", "busbar_invoice_frozen"),
    (
        "lines_added",
        "invoice_line",
        "AFTER INSERT",
        "REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
        "busbar_lines_frozen",
    ),
    (
        "lines_changed",
        "invoice_line",
        "AFTER UPDATE",
        "REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT",
        "busbar_lines_frozen",
    ),
    (
        "lines_removed",
        "invoice_line",
        "AFTER DELETE",
        "REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT",
        "busbar_lines_frozen",
    ),
    ("series_starts", "number_series", "BEFORE INSERT OR DELETE", "FOR EACH ROW", "busbar_series_starts"),
    ("allocated", "allocation", "AFTER INSERT", "FOR EACH ROW", "busbar_allocated"),
)

DEFERRED = (
    ("claim_empty", "billed_span", "AFTER UPDATE OF status", "busbar_claim_empty"),
    ("series_gapless", "number_series", "AFTER UPDATE OF next", "busbar_series_gapless"),
    ("number_from_series", "invoice", "AFTER UPDATE OF number, sequence, series_id", "busbar_number_from_series"),
)


def upgrade() -> None:
    as_owner()
    for body in FUNCTIONS.values():
        op.execute(body)
    for name, table, when, each, function in TRIGGERS:
        op.execute(f"CREATE TRIGGER {name} {when} ON {table} {each} EXECUTE FUNCTION {function}()")
    for name, table, when, function in DEFERRED:
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {name} {when} ON {table} DEFERRABLE INITIALLY DEFERRED "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    for table in IMMUTABLE:
        op.execute(
            f"CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION busbar_immutable()"
        )
    for table, columns in AUDITED.items():
        audit(table, columns)
    as_login()


def audit(table: str, columns: tuple[str, ...]) -> None:
    arguments = ", ".join(f"'{column}'" for column in columns)
    for when, rows in (
        ("INSERT", "NEW TABLE AS new_rows"),
        ("UPDATE", "NEW TABLE AS new_rows OLD TABLE AS old_rows"),
        ("DELETE", "OLD TABLE AS old_rows"),
    ):
        op.execute(
            f"CREATE TRIGGER audit_{when.lower()} AFTER {when} ON {table} REFERENCING {rows} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION busbar_audit({arguments})"
        )


def downgrade() -> None:
    as_owner()
    for table in AUDITED:
        for when in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER audit_{when} ON {table}")
    for table in IMMUTABLE:
        op.execute(f"DROP TRIGGER immutable ON {table}")
    for name, table, *_ in (*TRIGGERS, *DEFERRED):
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}()")
    as_login()
