"""Credit notes and write-offs over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView

from api.http import binary, blueprint, context, page, refuses, require
from api.schemas import ListQuery, page_of
from api.schemas.credit_notes import (
    CreditNote,
    CreditNoteLine,
    CreditNoteMade,
    CreditNoteNew,
    CreditNoteQuery,
    WriteOffNew,
)
from api.schemas.invoices import Invoice
from billing.credit_notes import Wanted
from services import credit_notes, credit_notes_pdf, write_offs
from services.credit_notes import NewCreditNote
from services.credit_notes_view import credit_note_json, line_json
from services.invoicing_view import invoice_json

blp = blueprint("credit_notes", "Credit notes: what is given back of invoices, and invoices that are given up.")
PDF = {"type": "string", "format": "binary"}


@blp.route("/v1/credit-notes")
class CreditNotes(MethodView):
    @require("invoices:read")
    @refuses(422, account_unknown="There is no such account.", invoice_unknown="There is no such invoice.")
    @blp.arguments(CreditNoteQuery, location="query")
    @blp.response(200, page_of(CreditNote))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List credit notes, newest first."""
        names = ("account", "invoice", "billing_run", "status", "number", "external_id")
        filters = {name: query.get(name) for name in names}
        return page(query, lambda window: credit_notes.list_notes(context(), window, **filters).map(credit_note_json))


@blp.route("/v1/credit-notes/<id(credit_note):note_id>")
class OneCreditNote(MethodView):
    @require("invoices:read")
    @blp.response(200, CreditNote)
    def get(self, note_id: UUID) -> dict[str, Any]:
        """One credit note."""
        return credit_note_json(credit_notes.get(context(), note_id))


@blp.route("/v1/credit-notes/<id(credit_note):note_id>/lines")
class Lines(MethodView):
    @require("invoices:read")
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(CreditNoteLine))
    def get(self, query: dict[str, Any], note_id: UUID) -> dict[str, Any]:
        """List the lines of a credit note, in the order of the document."""
        return page(query, lambda window: credit_notes.lines(context(), note_id, window).map(line_json))


@blp.route("/v1/credit-notes/<id(credit_note):note_id>/pdf")
class CreditNotePdf(MethodView):
    @require("invoices:read")
    @refuses(409, credit_note_not_issued="A draft has no PDF.")
    @blp.response(200, PDF, content_type="application/pdf")
    def get(self, note_id: UUID) -> Response:
        """The PDF of an issued credit note: the same file each time."""
        return binary(credit_notes_pdf.pdf(context(), note_id), "application/pdf", filename="credit-note.pdf")


@blp.route("/v1/credit-notes/<id(credit_note):note_id>/issue")
class Issue(MethodView):
    @require("invoices:write")
    @refuses(403, operator_only="Only the operator gives money back.")
    @refuses(409, illegal_transition="The credit note is not a draft.")
    @blp.response(200, CreditNote)
    def post(self, note_id: UUID) -> dict[str, Any]:
        """Issue the draft of a credit note that a billing run made: it gets its number, and becomes credit."""
        return credit_note_json(credit_notes.issue(context(), note_id))


@blp.route("/v1/credit-notes/<id(credit_note):note_id>/discard")
class Discard(MethodView):
    @require("invoices:write")
    @refuses(403, operator_only="Only the operator gives money back.")
    @refuses(
        409,
        illegal_transition="The credit note is not a draft.",
        invoice_has_corrections="A later document gives back a part of what it charged.",
    )
    @blp.response(200, CreditNote)
    def post(self, note_id: UUID) -> dict[str, Any]:
        """Drop the draft of a credit note. What it gave back waits for the next run."""
        return credit_note_json(credit_notes.discard(context(), note_id))


@blp.route("/v1/invoices/<id(invoice):invoice_id>/credit-notes")
class InvoiceCreditNotes(MethodView):
    @require("invoices:write")
    @refuses(403, operator_only="Only the operator gives money back.")
    @refuses(409, invoice_not_final="The invoice is no final document.", invoice_void="The invoice is void.")
    @refuses(
        422,
        currency_mismatch="The invoice is in another currency.",
        amount_or_lines="Both an amount and lines are named.",
        line_unknown="The invoice has no such line.",
        line_repeated="A line is named twice.",
        amount_or_quantity="Both an amount and a quantity of a line are named.",
        credit_exceeds_rest="More than is left of the invoice, or of a line.",
        nothing_to_credit="Nothing is left of the invoice.",
        not_paid_by_a_method="Nothing was paid that could go back.",
    )
    @blp.arguments(CreditNoteNew, example={"amount": 2500, "currency": "EUR", "reason": "Outage on 3 March"})
    @blp.response(201, CreditNoteMade)
    def post(self, body: dict[str, Any], invoice_id: UUID) -> dict[str, Any]:
        """Credit an invoice: all that is left of it, some lines, or an amount. What it still owes is settled first."""
        dry_run, wanted = body.pop("dry_run"), body.pop("lines", None)
        lines = None if wanted is None else [_wanted(line) for line in wanted]
        made = credit_notes.create(context(), invoice_id, NewCreditNote(lines=lines, **body), dry_run=dry_run)
        shown = credit_note_json(made.note)
        if not dry_run:
            return shown
        lines_shown = [line_json(line) for line in made.lines]
        return {name: value for name, value in shown.items() if name != "id"} | {"lines": lines_shown}


def _wanted(line: dict[str, Any]) -> Wanted:
    return Wanted(line["line"], line.get("amount"), line.get("quantity"))


@blp.route("/v1/invoices/<id(invoice):invoice_id>/write-off")
class WriteOff(MethodView):
    @require("invoices:write")
    @refuses(403, operator_only="Only the operator gives up what is owed.")
    @refuses(409, illegal_transition="The invoice is not open.", payment_in_progress="A payment of it is under way.")
    @blp.arguments(WriteOffNew, example={"reason": "Insolvent"})
    @blp.response(200, Invoice)
    def post(self, body: dict[str, Any], invoice_id: UUID) -> dict[str, Any]:
        """Give up an open invoice: what it still owes becomes bad debt. Money that comes later settles it anyhow."""
        return invoice_json(write_offs.write_off(context(), invoice_id, body.get("reason")))
