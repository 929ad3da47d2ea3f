"""Refunds over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.payments import Refund, RefundNew, RefundQuery
from services import refunds
from services.refunds import NewRefund, facts

blp = blueprint("refunds", "Refunds: money given back.")


@blp.route("/v1/refunds")
class Refunds(MethodView):
    @require("payments:read")
    @blp.arguments(RefundQuery, location="query")
    @blp.response(200, page_of(Refund))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List refunds, newest first."""
        filters = {name: query.get(name) for name in ("payment", "external_id")}
        return page(query, lambda window: refunds.list_refunds(context(), window, **filters).map(facts))

    @require("payments:write")
    @refuses(403, operator_only="Only the operator gives money back.")
    @refuses(422, payment_unknown="There is no such payment.", refund_exceeds_payment="More than is left of it.")
    @blp.arguments(RefundNew, example={"payment": "pay_01h455vb4pex5vsknk084sn02q", "amount": 500})
    @blp.response(201, Refund)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Give back a payment or part of it. The gateway is asked at once; the refund tells what became of it."""
        return facts(refunds.create(context(), NewRefund(**body)))


@blp.route("/v1/refunds/<id(refund):refund_id>")
class OneRefund(MethodView):
    @require("payments:read")
    @blp.response(200, Refund)
    def get(self, refund_id: UUID) -> dict[str, Any]:
        """One refund."""
        return facts(refunds.get(context(), refund_id))
