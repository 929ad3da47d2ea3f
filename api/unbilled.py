"""What is not billed yet, and pro formas of bills to come, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView

from api.http import binary, blueprint, context, refuses, require
from api.schemas.unbilled import ProForma, ProFormaPdfQuery, ProFormaQuery, Unbilled, UnbilledQuery
from services import unbilled, unbilled_documents
from services.invoicing_view import line_json
from services.runs_on_request import DryRun
from services.unbilled import Unbilled as UnbilledValue

blp = blueprint("unbilled", "What is not billed yet, and what a bill would be: nothing of it is stored or owed.")
PDF = {"type": "string", "format": "binary"}
CSV = {"type": "string"}
NOT_PAYING = {"account_does_not_pay": "Another account pays for this one."}
TOO_FAR = {
    "as_of_out_of_range": "A pro forma looks ahead, at most five years.",
    "too_many_changes": "It looks ahead at some hundred changes of contract at most.",
}


@blp.route("/v1/accounts/<id(account):account_id>/unbilled")
class AccountUnbilled(MethodView):
    @require("invoices:read")
    @refuses(409, **NOT_PAYING)
    @blp.response(200, Unbilled)
    def get(self, account_id: UUID) -> dict[str, Any]:
        """What a billing run would bill a payer now, line by line, and what running usage comes to so far."""
        return _shown(unbilled.unbilled(context(), account_id))


@blp.route("/v1/accounts/<id(account):account_id>/unbilled/pdf")
class AccountUnbilledPdf(MethodView):
    @require("invoices:read")
    @refuses(409, **NOT_PAYING)
    @blp.arguments(UnbilledQuery, location="query")
    @blp.response(200, PDF, content_type="application/pdf")
    def get(self, query: dict[str, Any], account_id: UUID) -> Response:
        """The same in one currency as a PDF, without tax; it is no invoice, and says so."""
        ctx = context()
        found = unbilled.unbilled(ctx, account_id)
        data = unbilled_documents.statement_pdf(ctx, found, query.get("currency"))
        return binary(data, "application/pdf", filename="unbilled.pdf")


@blp.route("/v1/accounts/<id(account):account_id>/unbilled/lines.csv")
class AccountUnbilledCsv(MethodView):
    @require("invoices:read")
    @refuses(409, **NOT_PAYING)
    @blp.response(200, CSV, content_type="text/csv")
    def get(self, account_id: UUID) -> Response:
        """Every line as CSV; `state` is `due` for what a billing run would bill now, `so_far` for running usage."""
        data = unbilled_documents.statement_csv(unbilled.unbilled(context(), account_id))
        return binary(data, "text/csv; charset=utf-8; header=present", filename="unbilled.csv")


@blp.route("/v1/accounts/<id(account):account_id>/pro-forma")
class AccountProForma(MethodView):
    @require("invoices:read")
    @refuses(409, **NOT_PAYING)
    @refuses(422, **TOO_FAR)
    @blp.arguments(ProFormaQuery, location="query")
    @blp.response(200, ProForma)
    def get(self, query: dict[str, Any], account_id: UUID) -> dict[str, Any]:
        """What a payer's next bill would be, if nothing more happened until then."""
        found = unbilled_documents.next_bill(context(), account_id, query.get("as_of"))
        return _dry(account_id, found)


@blp.route("/v1/accounts/<id(account):account_id>/pro-forma/pdf")
class AccountProFormaPdf(MethodView):
    @require("invoices:read")
    @refuses(409, **NOT_PAYING)
    @refuses(422, **TOO_FAR, document_unknown="The bill would have fewer documents, or none.")
    @blp.arguments(ProFormaPdfQuery, location="query")
    @blp.response(200, PDF, content_type="application/pdf")
    def get(self, query: dict[str, Any], account_id: UUID) -> Response:
        """A document of the next bill as a PDF that is marked as a pro forma: it has no number and asks for nothing."""
        data = unbilled_documents.pro_forma_pdf(context(), account_id, query.get("as_of"), query["document"])
        return binary(data, "application/pdf", filename="pro-forma.pdf")


def _dry(account_id: UUID, found: DryRun) -> dict[str, Any]:
    return {
        "account": account_id,
        "as_of": found.as_of,
        "documents": [document.json for document in found.documents],
        "credit_notes": [credited.json for credited in found.credit_notes],
        "waiting": unbilled.waiting_of(found.payers[0]),
    }


def _shown(found: UnbilledValue) -> dict[str, Any]:
    usage = []
    for each in found.running:
        line = line_json(each.line) | {"currency": each.currency, "until": each.until}
        usage.append({name: value for name, value in line.items() if name not in ("id", "position")})
    return {
        "account": found.payer.id,
        "as_of": found.as_of,
        "sums": found.sums,
        "documents": [document.json for document in found.documents],
        "credit_notes": [credited.json for credited in found.credit_notes],
        "usage": usage,
        "waiting": found.waiting,
    }
