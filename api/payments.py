"""Payments and attempts over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ListQuery, page_of
from api.schemas.payments import Attempt, Payment, PaymentNew, PaymentQuery
from services import collection, payments, payments_manual
from services.payments_manual import NewPayment

blp = blueprint("payments", "Payments: money that came in, and the tries to take it.")
EXAMPLE = {
    "account": "acme",
    "method": "manual",
    "amount": 84309,
    "currency": "EUR",
    "reference": "NL-2026-7781",
    "received_on": "2026-02-20",
}


@blp.route("/v1/payments")
class Payments(MethodView):
    @require("payments:read")
    @blp.arguments(PaymentQuery, location="query")
    @blp.response(200, page_of(Payment))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List payments, newest first."""
        filters = {name: query.get(name) for name in ("account", "invoice", "external_id")}
        return page(query, lambda window: payments.page_of_facts(context(), window, **filters))

    @require("payments:write")
    @refuses(403, operator_only="Only the operator records money.")
    @refuses(
        422,
        account_unknown="There is no such account.",
        account_is_no_payer="Its invoices go to another account.",
        currency_mismatch="Nothing is owed in this currency.",
        received_in_future="It has not arrived yet.",
        invoice_unknown="There is no such invoice.",
        invoice_of_other_account="The invoice is another account's.",
        gateway_account_unknown="There is no such gateway account.",
        gateway_account_of_other_seller="It is another seller's.",
        gateway_account_missing="The seller has none for payments that are recorded.",
        gateway_charges_itself="What this gateway takes, it tells by itself.",
    )
    @refuses(409, invoice_not_open="Nothing of this invoice is owed.")
    @blp.arguments(PaymentNew, example=EXAMPLE)
    @blp.response(201, Payment)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Record money that arrived: for the named invoice first, then for what is owed longest; the rest is credit."""
        body.pop("method")
        ctx = context()
        return payments.whole(ctx, payments_manual.record(ctx, NewPayment(**body)))


@blp.route("/v1/payments/<id(payment):payment_id>")
class OnePayment(MethodView):
    @require("payments:read")
    @blp.response(200, Payment)
    def get(self, payment_id: UUID) -> dict[str, Any]:
        """One payment."""
        ctx = context()
        return payments.whole(ctx, payments.get(ctx, payment_id))


@blp.route("/v1/invoices/<id(invoice):invoice_id>/attempts")
class Attempts(MethodView):
    @require("payments:read")
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(Attempt))
    def get(self, query: dict[str, Any], invoice_id: UUID) -> dict[str, Any]:
        """List the attempts to collect an invoice, newest first."""
        return page(query, lambda window: collection.list_attempts(context(), window, invoice_id).map(collection.facts))


@blp.route("/v1/invoices/<id(invoice):invoice_id>/collect")
class Collect(MethodView):
    @require("payments:write")
    @refuses(409, invoice_not_open="Nothing of it is owed.", attempt_under_way="An attempt is under way.")
    @refuses(422, payment_method_missing="The payer has none that can be charged.")
    @blp.response(202, Attempt)
    def post(self, invoice_id: UUID) -> dict[str, Any]:
        """Try to collect an open invoice now by the payer's default payment method; the attempt tells the result."""
        return collection.facts(collection.collect_on_request(context(), invoice_id))
