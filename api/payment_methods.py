"""Payment methods over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.gateway_accounts import DOWN
from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.payments import PaymentMethod, PaymentMethodNew, PaymentMethodQuery
from services import payment_methods
from services.payment_methods import NewPaymentMethod, facts

blp = blueprint("payment-methods", "Payment methods: what an account may be charged by.")
EXAMPLE = {"account": "acme", "token": "pm_card_visa"}


@blp.route("/v1/payment-methods")
class PaymentMethods(MethodView):
    @require("payments:read")
    @blp.arguments(PaymentMethodQuery, location="query")
    @blp.response(200, page_of(PaymentMethod))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List payment methods, newest first."""
        filters = {name: query.get(name) for name in ("account", "external_id")}
        return page(query, lambda window: payment_methods.list_methods(context(), window, **filters).map(facts))

    @require("payments:write")
    @refuses(
        422,
        account_unknown="There is no such account.",
        account_is_no_payer="Its invoices go to another account.",
        gateway_account_unknown="There is no such gateway account.",
        gateway_account_missing="The seller has none that charges cards.",
        gateway_account_of_other_seller="It is another seller's.",
        gateway_cannot_charge="This gateway takes no money by itself.",
        gateway_refused="The gateway refuses the token.",
    )
    @refuses(409, payment_method_taken="It belongs to another account.")
    @refuses(503, **DOWN)
    @blp.arguments(PaymentMethodNew, example=EXAMPLE)
    @blp.response(201, PaymentMethod)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Attach a payment method to an account. Invoices are charged to its default one."""
        return facts(payment_methods.attach(context(), NewPaymentMethod(**body)))


@blp.route("/v1/payment-methods/<id(payment_method):method_id>")
class OnePaymentMethod(MethodView):
    @require("payments:read")
    @blp.response(200, PaymentMethod)
    def get(self, method_id: UUID) -> dict[str, Any]:
        """One payment method."""
        return facts(payment_methods.get(context(), method_id))

    @require("payments:write")
    @refuses(503, **DOWN)
    @blp.response(200, PaymentMethod)
    def delete(self, method_id: UUID) -> dict[str, Any]:
        """Forget a payment method, here and at the gateway. The newest one left becomes the default."""
        return facts(payment_methods.detach(context(), method_id))


@blp.route("/v1/payment-methods/<id(payment_method):method_id>/default")
class DefaultPaymentMethod(MethodView):
    @require("payments:write")
    @refuses(409, payment_method_detached="It was detached.")
    @blp.response(200, PaymentMethod)
    def post(self, method_id: UUID) -> dict[str, Any]:
        """Make this the one that is charged from now on; what is overdue is tried again."""
        return facts(payment_methods.make_default(context(), method_id))
