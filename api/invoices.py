"""Invoices over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView

from api.http import binary, blueprint, context, page, refuses, require
from api.schemas import ListQuery, page_of
from api.schemas.draft_review import DraftReview, InvoicesFinalized, InvoicesToFinalize
from api.schemas.invoices import Explanation, Invoice, InvoiceLine, InvoiceQuery
from api.transaction import piece_by_piece
from services import invoicing
from services.credit_notes_rest import creditable
from services.invoicing_view import invoice_json, line_json

blp = blueprint("invoices", "Invoices: what a payer owes, and why.")
FILTERS = ("account", "status", "number", "billing_run", "awaiting_approval", "external_id")
PDF = {"type": "string", "format": "binary"}
CSV = {"type": "string"}


@blp.route("/v1/invoices")
class Invoices(MethodView):
    @require("invoices:read")
    @refuses(422, account_unknown="There is no such account.")
    @blp.arguments(InvoiceQuery, location="query")
    @blp.response(200, page_of(Invoice))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List invoices, newest first."""
        filters = {name: query.get(name) for name in FILTERS}
        return page(query, lambda window: invoicing.list_invoices(context(), window, **filters).map(invoice_json))


@blp.route("/v1/invoices/finalize")
class FinalizeMany(MethodView):
    @require("invoices:write")
    @blp.arguments(InvoicesToFinalize, example={"invoices": ["inv_01h455vb4pex5vsknk084sn02q"]})
    @blp.response(200, InvoicesFinalized)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make drafts final together, in the order of bill date and payer; those that cannot be are told, and why."""
        made = invoicing.finalize_many(context(), body["invoices"])
        refused = [{"invoice": each.invoice_id, "code": each.code, "detail": each.detail} for each in made.refused]
        return {"finalized": [invoice_json(invoice) for invoice in made.invoices], "refused": refused}


@blp.route("/v1/invoices/<id(invoice):invoice_id>/review")
class Review(MethodView):
    @require("invoices:read", of_provider=True)
    @refuses(409, invoice_not_draft="The invoice is not a draft.")
    @blp.response(200, DraftReview)
    def get(self, invoice_id: UUID) -> dict[str, Any]:
        """What is to be known of a draft before it is made final: open anomalies of the points that its lines rest on,
        quantities that were not measured, and how it differs from the last invoice.
        """
        return invoicing.review(context(), invoice_id)


@blp.route("/v1/invoices/<id(invoice):invoice_id>")
class OneInvoice(MethodView):
    @require("invoices:read")
    @blp.response(200, Invoice)
    def get(self, invoice_id: UUID) -> dict[str, Any]:
        """One invoice."""
        invoice = invoicing.get(context(), invoice_id)
        return invoice_json(invoice) | {"creditable_amount": creditable(context(), invoice)}


@blp.route("/v1/invoices/<id(invoice):invoice_id>/lines")
class Lines(MethodView):
    @require("invoices:read")
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(InvoiceLine))
    def get(self, query: dict[str, Any], invoice_id: UUID) -> dict[str, Any]:
        """List the lines of an invoice, in the order of the document."""
        return page(query, lambda window: invoicing.lines(context(), invoice_id, window).map(line_json))


@blp.route("/v1/invoices/<id(invoice):invoice_id>/lines.csv")
class LinesCsv(MethodView):
    @require("invoices:read")
    @blp.response(200, CSV, content_type="text/csv")
    def get(self, invoice_id: UUID) -> Response:
        """Every line of an invoice as CSV, in the order of the document; the PDF of a very long one only sums up."""
        number = invoicing.get(context(), invoice_id).number or "draft"
        pieces = piece_by_piece(lambda ctx, after: invoicing.csv(ctx, invoice_id, after), 0)
        return binary(pieces, "text/csv; charset=utf-8; header=present", filename=f"{number}.csv")


@blp.route("/v1/invoices/<id(invoice):invoice_id>/cost-centres.csv")
class CostCentresCsv(MethodView):
    @require("invoices:read")
    @blp.response(200, CSV, content_type="text/csv")
    def get(self, invoice_id: UUID) -> Response:
        """What the lines of an invoice come to by cost centre, as CSV; nothing where no line has one."""
        data = invoicing.cost_centres_csv(context(), invoice_id)
        return binary(data, "text/csv; charset=utf-8; header=present", filename="cost-centres.csv")


@blp.route("/v1/invoices/<id(invoice):invoice_id>/lines/<id(invoice_line):line_id>/explanation")
class LineExplanation(MethodView):
    @require("invoices:read")
    @blp.response(200, Explanation)
    def get(self, invoice_id: UUID, line_id: UUID) -> dict[str, Any]:
        """Why a line's amount is what it is: price, tiers, share of the span, readings; and how it would look today."""
        return invoicing.explanation(context(), invoice_id, line_id)


@blp.route("/v1/invoices/<id(invoice):invoice_id>/pdf")
class InvoicePdf(MethodView):
    @require("invoices:read")
    @refuses(409, invoice_not_final="A draft has no PDF.")
    @blp.response(200, PDF, content_type="application/pdf")
    def get(self, invoice_id: UUID) -> Response:
        """The PDF of a final invoice: the same file each time."""
        return binary(invoicing.pdf(context(), invoice_id), "application/pdf", filename="invoice.pdf")


@blp.route("/v1/invoices/<id(invoice):invoice_id>/finalize")
class Finalize(MethodView):
    @require("invoices:write")
    @refuses(
        409,
        illegal_transition="The invoice is not a draft.",
        document_unsound="Its arithmetic breaks a rule, which is named.",
    )
    @blp.response(200, Invoice)
    def post(self, invoice_id: UUID) -> dict[str, Any]:
        """Make a draft final: it gets its number, can no longer change, and may be paid."""
        return invoice_json(invoicing.finalize(context(), invoice_id))


@blp.route("/v1/invoices/<id(invoice):invoice_id>/discard")
class Discard(MethodView):
    @require("invoices:write")
    @refuses(
        409,
        illegal_transition="The invoice is not a draft.",
        invoice_has_corrections="A later document gives back a part of this one.",
    )
    @blp.response(200, Invoice)
    def post(self, invoice_id: UUID) -> dict[str, Any]:
        """Drop a draft. What it charged is billed anew by the next run."""
        return invoice_json(invoicing.discard(context(), invoice_id))


@blp.route("/v1/invoices/<id(invoice):invoice_id>/void")
class Void(MethodView):
    @require("invoices:write")
    @refuses(
        409,
        illegal_transition="The invoice is not open.",
        invoice_has_payments="Money was allocated to it.",
        payment_in_progress="A payment of it is under way.",
        invoice_has_corrections="A later document gives back a part of this one.",
    )
    @blp.response(200, Invoice)
    def post(self, invoice_id: UUID) -> dict[str, Any]:
        """Take an open invoice back. It keeps its number; what it charged is billed anew by the next run."""
        return invoice_json(invoicing.void(context(), invoice_id))
