"""Charges over HTTP."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.charges import Charge, ChargeQuery
from billing.coupons import shown
from core.period import Period
from models.billing import Charge as ChargeRow
from services import charges

blp = blueprint("charges", "Charges: what is to be paid for what, before and after it is on an invoice.")


@blp.route("/v1/charges")
class Charges(MethodView):
    @require("invoices:read")
    @refuses(422, account_unknown="There is no such account.", subscription_unknown="There is no such subscription.")
    @blp.arguments(ChargeQuery, location="query")
    @blp.response(200, page_of(Charge))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List charges, newest first: those that wait, those on invoices, those taken back with one."""
        filters = {name: query.get(name) for name in ("account", "subscription", "state")}
        return page(query, lambda window: charges.list_charges(context(), window, **filters).map(_shown))


def _shown(charge: ChargeRow) -> dict[str, Any]:
    return {
        "id": charge.id,
        "kind": charge.kind,
        "state": charges.state(charge),
        "charge_code": charge.charge_code,
        "description": charge.description,
        "subscription": charge.subscription_id,
        "payer": charge.payer_id,
        "beneficiary": charge.beneficiary_id,
        "price": charge.price_id,
        "invoice_line": charge.invoice_line_id,
        "credit_note_line": charge.credit_note_line_id,
        "adjusts": charge.adjusts_id,
        "span": Period(charge.start_at, charge.end_at),
        "due_at": charge.due_at,
        "quantity": charge.quantity,
        "unit": charge.unit,
        "exact": charge.exact,
        "amount": charge.amount,
        "reductions": shown(charge.reductions),
        "currency": charge.currency,
        "known_until": charge.known_until,
        "created_at": charge.created_at,
    }
