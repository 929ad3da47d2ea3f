"""What the database itself holds of credit notes: the functions of migration 0016, as they were made then."""

# I3: as invoices: a credit note begins as a draft, is whole when it is issued, and never changes afterwards.
FROZEN = """
CREATE FUNCTION busbar_credit_note_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  loose text[] := ARRAY['pdf_blob', 'metadata'];
  lines bigint;
  charged bigint;
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
       OR (OLD.pdf_blob IS NOT NULL AND NEW.pdf_blob IS DISTINCT FROM OLD.pdf_blob)) THEN
    RAISE EXCEPTION 'an issued document never changes' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.status = 'draft' AND NEW.status = 'issued' THEN
    SELECT coalesce(sum(l.amount), 0), coalesce(sum(l.charged_amount), 0) INTO lines, charged FROM credit_note_line l
    WHERE l.provider_id = NEW.provider_id AND l.credit_note_id = NEW.id;
    SELECT coalesce(-sum(c.amount), 0) INTO charges FROM charge c
    JOIN credit_note_line l ON l.provider_id = c.provider_id AND l.id = c.credit_note_line_id
    WHERE l.provider_id = NEW.provider_id AND l.credit_note_id = NEW.id;
    IF lines <> NEW.net_amount OR (NEW.invoice_id IS NULL AND charges <> charged)
       OR NEW.tax_amount <> (SELECT coalesce(sum((t->>'tax_amount')::bigint), 0) FROM jsonb_array_elements(NEW.taxes) t)
       OR NEW.seller_snapshot IS NULL OR NEW.buyer_snapshot IS NULL THEN
      RAISE EXCEPTION 'credit note % does not add up: net %, lines %', NEW.id, NEW.net_amount, lines
        USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;
  RETURN NEW;
END $$
"""

# I4: credit notes never exceed the invoice, nor a line of it, nor a tax of it. The invoice's row is locked by the sum
# that is kept on it, so that two notes of one invoice see each other.
ISSUED = """
CREATE FUNCTION busbar_credit_note_issued() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  doc record;
BEGIN
  IF NEW.invoice_id IS NULL OR OLD.status <> 'draft' OR NEW.status <> 'issued' THEN
    RETURN NULL;
  END IF;
  UPDATE invoice SET credited_amount = credited_amount + NEW.total_amount
  WHERE provider_id = NEW.provider_id AND id = NEW.invoice_id
  RETURNING currency, status, account_id, seller_id, taxes INTO doc;
  IF doc.currency <> NEW.currency OR doc.account_id <> NEW.account_id OR doc.seller_id <> NEW.seller_id
     OR doc.status NOT IN ('open', 'paid', 'uncollectible') THEN
    RAISE EXCEPTION 'a credit note is for an invoice that stands, of its payer, seller and currency'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF EXISTS (
       SELECT 1 FROM credit_note_line own
       LEFT JOIN invoice_line l ON l.provider_id = own.provider_id AND l.id = own.invoice_line_id
       WHERE own.provider_id = NEW.provider_id AND own.credit_note_id = NEW.id
       AND (l.invoice_id IS DISTINCT FROM NEW.invoice_id OR NOT (
         SELECT sum(c.amount) FROM credit_note_line c
         JOIN credit_note n ON n.provider_id = c.provider_id AND n.id = c.credit_note_id AND n.status = 'issued'
         WHERE c.provider_id = own.provider_id AND c.invoice_line_id = own.invoice_line_id
       ) BETWEEN least(l.amount, 0) AND greatest(l.amount, 0))) THEN
    RAISE EXCEPTION 'credit notes exceed a line of the invoice' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF EXISTS (
       SELECT 1 FROM (
         SELECT t->>'category' AS category, (t->>'rate')::numeric AS rate, coalesce(t->>'jurisdiction', '') AS place,
                sum((t->>'tax_amount')::bigint) AS amount
         FROM credit_note n, jsonb_array_elements(n.taxes) t
         WHERE n.provider_id = NEW.provider_id AND n.invoice_id = NEW.invoice_id AND n.status = 'issued'
         GROUP BY 1, 2, 3) credited
       LEFT JOIN jsonb_array_elements(doc.taxes) t ON t->>'category' = credited.category
         AND (t->>'rate')::numeric = credited.rate AND coalesce(t->>'jurisdiction', '') = credited.place
       WHERE credited.amount NOT BETWEEN least(coalesce((t->>'tax_amount')::bigint, 0), 0)
         AND greatest(coalesce((t->>'tax_amount')::bigint, 0), 0)) THEN
    RAISE EXCEPTION 'credit notes exceed a tax of the invoice' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$
"""

LINES_FROZEN = """
CREATE FUNCTION busbar_credit_note_lines_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM credit_note n WHERE (n.provider_id, n.id) IN (SELECT DISTINCT provider_id, credit_note_id
    FROM new_rows) FOR SHARE;
  IF EXISTS (SELECT 1 FROM new_rows l JOIN credit_note n ON n.provider_id = l.provider_id AND n.id = l.credit_note_id
             WHERE n.status <> 'draft') THEN
    RAISE EXCEPTION 'the lines of an issued document never change' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$
"""

# I1: a charge is on one document, of either kind.
CHARGE_FROZEN = """
CREATE OR REPLACE FUNCTION busbar_charge_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  loose text[] := ARRAY['invoice_line_id', 'credit_note_line_id', 'released_at'];
  doc text;
BEGIN
  IF TG_OP = 'DELETE' OR (to_jsonb(NEW) - loose) IS DISTINCT FROM (to_jsonb(OLD) - loose)
     OR (OLD.invoice_line_id IS NOT NULL AND NEW.invoice_line_id IS DISTINCT FROM OLD.invoice_line_id)
     OR (OLD.credit_note_line_id IS NOT NULL AND NEW.credit_note_line_id IS DISTINCT FROM OLD.credit_note_line_id)
     OR OLD.released_at IS NOT NULL THEN
    RAISE EXCEPTION 'a charge is never changed: corrections are further charges'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.credit_note_line_id IS NULL THEN
    SELECT i.status INTO doc FROM invoice_line l JOIN invoice i ON i.provider_id = l.provider_id AND i.id = l.invoice_id
    WHERE l.provider_id = NEW.provider_id AND l.id = NEW.invoice_line_id;
  ELSE
    SELECT n.status INTO doc FROM credit_note_line l
    JOIN credit_note n ON n.provider_id = l.provider_id AND n.id = l.credit_note_id
    WHERE l.provider_id = NEW.provider_id AND l.id = NEW.credit_note_line_id;
  END IF;
  IF (OLD.invoice_line_id IS NULL AND OLD.credit_note_line_id IS NULL AND doc <> 'draft')
     OR (NEW.released_at IS NOT NULL AND doc NOT IN ('void', 'discarded')) THEN
    RAISE EXCEPTION 'a charge does not join or leave a document that is %', doc
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$
"""

CHARGE_BEGINS = """
CREATE OR REPLACE FUNCTION busbar_charge_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM new_rows WHERE released_at IS NOT NULL) THEN
    RAISE EXCEPTION 'a charge does not begin by being released' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF EXISTS (SELECT 1 FROM new_rows c JOIN invoice_line l ON l.provider_id = c.provider_id AND l.id = c.invoice_line_id
             JOIN invoice i ON i.provider_id = l.provider_id AND i.id = l.invoice_id WHERE i.status <> 'draft')
     OR EXISTS (SELECT 1 FROM new_rows c
                JOIN credit_note_line l ON l.provider_id = c.provider_id AND l.id = c.credit_note_line_id
                JOIN credit_note n ON n.provider_id = l.provider_id AND n.id = l.credit_note_id
                  WHERE n.status <> 'draft') THEN
    RAISE EXCEPTION 'a charge does not join a finalized document' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$
"""

# I3: numbers without gap, whatever kind of document a series is for.
SERIES_GAPLESS = """
CREATE OR REPLACE FUNCTION busbar_series_gapless() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  given bigint;
BEGIN
  SELECT (SELECT count(*) FROM invoice WHERE provider_id = NEW.provider_id AND series_id = NEW.id
          AND sequence >= OLD.next AND sequence < NEW.next)
       + (SELECT count(*) FROM credit_note WHERE provider_id = NEW.provider_id AND series_id = NEW.id
          AND sequence >= OLD.next AND sequence < NEW.next) INTO given;
  IF NEW.next < OLD.next OR given <> NEW.next - OLD.next THEN
    RAISE EXCEPTION 'number series %: next went from % to %, documents took %', NEW.id, OLD.next, NEW.next, given
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$
"""

# I1: what was released for billing anew has left nothing billed but what credit notes gave back of it.
CLAIM_EMPTY = """
CREATE OR REPLACE FUNCTION busbar_claim_empty() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  billed numeric;
  credited numeric;
BEGIN
  SELECT coalesce(sum(amount), 0) INTO billed FROM charge
  WHERE provider_id = NEW.provider_id AND claim_id = NEW.id AND released_at IS NULL;
  IF NEW.status = 'released' AND billed <> 0 THEN
    SELECT coalesce(sum(l.charged_amount), 0) INTO credited FROM charge c
    JOIN credit_note_line l ON l.provider_id = c.provider_id AND l.invoice_line_id = c.invoice_line_id
    JOIN credit_note n ON n.provider_id = l.provider_id AND n.id = l.credit_note_id AND n.status = 'issued'
    WHERE c.provider_id = NEW.provider_id AND c.claim_id = NEW.id AND c.released_at IS NULL;
    IF billed NOT BETWEEN 0 AND credited THEN
      RAISE EXCEPTION 'claim % is released while % of it stay billed', NEW.id, billed
        USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;
  RETURN NULL;
END $$
"""

NO_VOID = """
CREATE FUNCTION busbar_credited_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status = 'void' AND (NEW.credited_amount <> 0 OR NEW.settled_amount <> 0) THEN
    RAISE EXCEPTION 'an invoice that was paid or credited stands' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$
"""
