"""Plain SQL, as the application's role, against what the database holds of I1 (nothing billed twice) and I3 (a final
document never changes, its numbers have no gap)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.builders.billing import RACK, a_plan, an_account, subscribe
from tests.builders.runs import bill_at, invoices
from tests.conftest import Open

FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
FIRST = "SELECT claim_id, id, invoice_line_id, item_id FROM charge WHERE provider_id = :p ORDER BY start_at LIMIT 1"


@pytest.fixture
def ids(open_unit: Open) -> dict[str, Any]:
    """A provider with one open invoice of two lines, and what attacks name."""
    with open_unit() as ctx:
        subscribe(ctx, an_account(ctx), a_plan(ctx, RACK))
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        one = ctx.session.execute(text(FIRST), {"p": ctx.provider.id}).one()
        return {
            "p": ctx.provider.id,
            "invoice": invoice.id,
            "series": invoice.series_id,
            "claim": one.claim_id,
            "charge": one.id,
            "line": one.invoice_line_id,
            "item": one.item_id,
        }


def attack(open_unit: Open, ids: dict[str, Any], *sql: str) -> None:
    with open_unit() as ctx:
        for statement in sql:
            ctx.session.execute(text(statement), ids)


CLAIM = (
    "INSERT INTO billed_span (provider_id, id, item_id, charge_code, span) "
    "VALUES (:p, gen_random_uuid(), :item, 'rack', {})"
)
FACTS = (
    "item_id, subscription_id, charge_code, payer_id, beneficiary_id, seller_id, product_id, price_id, start_at,"
    " end_at, due_at, quantity, exact, amount, currency, description, inputs, known_until, created_at, kind"
)
NEW_CHARGE = (
    f"INSERT INTO charge (provider_id, id, {FACTS}, claim_id, invoice_line_id) "
    f"SELECT provider_id, gen_random_uuid(), {FACTS}, {{}} FROM charge WHERE id = :charge"
)


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        (CLAIM.format("'[2026-01-10, 2026-01-11)'"), "ex_billed_span_item_span"),
        (CLAIM.format("'[2026-01-10, 2027-01-11)'"), "ex_billed_span_item_span"),
        (CLAIM.format("'[2027-01-01,)'"), "ck_billed_span_bounded"),
        (CLAIM.format("'empty'"), "ck_billed_span"),
        (CLAIM.format("'[2027-01-01, 2027-02-01)'").replace("'rack'", "'other'"), "fk_billed_span"),
        ("UPDATE billed_span SET span = '[2025-01-01, 2026-02-01)' WHERE id = :claim", "only shrinks"),
        ("UPDATE billed_span SET span = '[2027-01-01, 2027-02-01)' WHERE id = :claim", "only shrinks"),
        ("UPDATE billed_span SET charge_code = 'other' WHERE id = :claim", "permission denied|only shrinks"),
        ("UPDATE billed_span SET status = 'released' WHERE id = :claim", "stay billed"),
        ("DELETE FROM billed_span WHERE id = :claim", "permission denied"),
        ("UPDATE charge SET amount = 1 WHERE id = :charge", "permission denied|never changed"),
        ("UPDATE charge SET invoice_line_id = NULL WHERE id = :charge", "never changed"),
        ("UPDATE charge SET released_at = now() WHERE id = :charge", "does not join or leave"),
        ("DELETE FROM charge WHERE id = :charge", "permission denied"),
        (NEW_CHARGE.format("NULL, NULL"), "ck_charge_claim"),
        (NEW_CHARGE.format("claim_id, invoice_line_id"), "does not join a finalized document"),
    ],
)
def test_plain_sql_cannot_bill_a_span_twice(open_unit: Open, ids: dict[str, Any], sql: str, refusal: str) -> None:
    with pytest.raises(DBAPIError, match=refusal):
        attack(open_unit, ids, sql)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("019b76da-a800-7028-8000-000000000001", True),
        ("019b76da-a800-7028-8000-000000000002", False),
        ("019b76da-a800-7029-8000-000000000001", False),
    ],
)
def test_claims_of_two_items_are_apart_though_half_of_their_ids_is_the_same(
    open_unit: Open, other: str, same: bool
) -> None:
    query = text(
        "SELECT busbar_half(a, 1) && busbar_half(b, 1) AND busbar_half(a, 9) && busbar_half(b, 9) FROM"
        " (SELECT CAST('019b76da-a800-7028-8000-000000000001' AS uuid) AS a, CAST(:other AS uuid) AS b) ids"
    )
    with open_unit() as ctx:
        assert ctx.session.scalar(query, {"other": other}) is same


LINE = (
    "INSERT INTO invoice_line (provider_id, id, invoice_id, position, kind, charge_code, subscription_id,"
    " subscription_name, subscription_reference, beneficiary_id, beneficiary_name, description, start_at, end_at,"
    " quantity, exact, amount, charged_amount, tax_category, tax_rate) SELECT"
    " provider_id, gen_random_uuid(), invoice_id, 99, kind,"
    " charge_code, subscription_id, subscription_name, subscription_reference, beneficiary_id, beneficiary_name,"
    " description, start_at, end_at, quantity, exact, amount, charged_amount, tax_category, tax_rate FROM invoice_line"
    " WHERE id = :line"
)


@pytest.mark.parametrize(
    "change",
    [
        "total_amount = 1, net_amount = 1, tax_amount = 0",
        "taxes = '[]'",
        "number = 'X-1'",
        "due_at = due_at + interval '1 day'",
        "issued_on = issued_on + 1",
        "account_id = account_id, currency = 'USD'",
        "seller_snapshot = '{}'",
        "buyer_snapshot = '{}'",
        "payment_instructions = '{}'",
        "template_version = 'other'",
        "finalized_at = now()",
        "purchase_order = 'other'",
        "status = 'draft'",
    ],
)
def test_plain_sql_cannot_change_a_final_document(open_unit: Open, ids: dict[str, Any], change: str) -> None:
    with pytest.raises(DBAPIError, match="a finalized document never changes"):
        attack(open_unit, ids, f"UPDATE invoice SET {change} WHERE id = :invoice")


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        ("UPDATE invoice_line SET amount = 1 WHERE id = :line", "never change"),
        ("UPDATE invoice_line SET description = 'other' WHERE id = :line", "never change"),
        ("DELETE FROM invoice_line WHERE id = :line", "never change|fk_charge"),
        (LINE, "never change"),
        ("DELETE FROM invoice WHERE id = :invoice", "permission denied"),
        ("UPDATE invoice SET status = 'discarded' WHERE id = :invoice", "does not become"),
        ("UPDATE invoice SET status = 'paid' WHERE id = :invoice", "ck_invoice_paid"),
        ("UPDATE invoice SET settled_amount = total_amount + 1 WHERE id = :invoice", "ck_invoice_settled"),
    ],
)
def test_plain_sql_cannot_change_the_lines_or_skip_a_state(
    open_unit: Open, ids: dict[str, Any], sql: str, refusal: str
) -> None:
    with pytest.raises(DBAPIError, match=refusal):
        attack(open_unit, ids, sql)


DRAFT = (
    "INSERT INTO invoice (provider_id, id, seller_id, account_id, currency, bill_on, created_at{more}) "
    "SELECT provider_id, gen_random_uuid(), seller_id, account_id, currency, bill_on, created_at{values} "
    "FROM invoice WHERE id = :invoice"
)
SERIES = (
    "INSERT INTO number_series (provider_id, id, seller_id, kind, year, prefix, next) "
    "SELECT provider_id, gen_random_uuid(), seller_id, kind, 2030, prefix, 5 FROM number_series WHERE id = :series"
)
FINAL = (
    "UPDATE invoice SET status = 'open', number = 'X', sequence = {sequence}, series_id = :series,"
    " finalized_at = now(), seller_snapshot = '{{}}', buyer_snapshot = '{{}}'"
    " WHERE provider_id = :p AND status = 'draft'"
)


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        (["UPDATE number_series SET next = 9 WHERE id = :series"], "number series"),
        (["UPDATE number_series SET next = 1 WHERE id = :series"], "number series"),
        (["DELETE FROM number_series WHERE id = :series"], "permission denied"),
        (
            [SERIES],
            "begins at 1",
        ),
        ([DRAFT.format(more="", values=""), FINAL.format(sequence=7)], "comes from its series"),
        ([DRAFT.format(more="", values=""), FINAL.format(sequence=1)], "uq_invoice"),
        ([DRAFT.format(more=", status, number, sequence", values=", 'open', 'X', 2")], "begins as a draft"),
    ],
)
def test_plain_sql_cannot_make_a_gap_or_a_duplicate_in_the_numbers(
    open_unit: Open, ids: dict[str, Any], sql: list[str], refusal: str
) -> None:
    with pytest.raises(DBAPIError, match=refusal):
        attack(open_unit, ids, *sql)


def test_a_document_that_does_not_add_up_cannot_become_final(open_unit: Open, ids: dict[str, Any]) -> None:
    wrong = DRAFT.format(more=", net_amount, total_amount", values=", 5, 5")
    with pytest.raises(DBAPIError, match="does not add up"):
        attack(open_unit, ids, wrong, FINAL.format(sequence=2))
