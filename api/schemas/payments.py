"""Gateway accounts, payment methods, payments, attempts and refunds, as they come in and go out."""

from __future__ import annotations

from api.schemas import ExternalIdQuery, Resource, Schema, fields
from billing.states import ATTEMPT, REFUND
from payments.port import names

AMOUNT_MAX = 10**15


class Sent(Schema):
    """What every resource that is made may carry."""

    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class GatewayAccountNew(Sent):
    """A seller's account at a gateway."""

    gateway = fields.Enum(names(), required=True, example="stripe")
    name = fields.Text(required=True, example="Cards")
    seller = fields.Reference("seller", description="The default seller, unless said otherwise.")
    credentials = fields.Dict(description='The gateway\'s own: for stripe `{"secret_key": "sk_…"}`. Never shown.')
    webhook_secret = fields.String(
        min_length=8,
        max_length=200,
        description="What the gateway signs its webhooks with. Without one, we register an endpoint there ourselves.",
    )
    is_default = fields.Boolean(load_default=False)


class GatewayAccountPatch(Sent):
    """What may change of it. A webhook secret is taken beside the last one, for rotation."""

    name = fields.Text()
    credentials = fields.Dict(description="They replace all that there are.")
    webhook_secret = fields.String(min_length=8, max_length=200)
    is_default = fields.Boolean()


class GatewayAccount(Resource):
    """A seller's account at a gateway. Its secrets are kept encrypted and never shown."""

    id = fields.TypeID("gateway_account", required=True)
    gateway = fields.Enum(names(), required=True)
    name = fields.String(required=True)
    seller = fields.TypeID("seller", attribute="seller_id", required=True)
    is_default = fields.Boolean(required=True)


class PaymentMethodNew(Sent):
    """A way to take an account's money, by a token that the gateway gave to the customer's browser."""

    account = fields.Reference("account", required=True)
    gateway_account = fields.Reference("gateway_account", description="The seller's own one, unless said otherwise.")
    token = fields.String(min_length=1, max_length=255, required=True, example="pm_card_visa")
    is_default = fields.Boolean(load_default=False, description="The first one of an account is so anyway.")


class PaymentMethodQuery(ExternalIdQuery):
    """Which payment methods."""

    account = fields.Reference("account")


class Card(Schema):
    """What may be shown of a card."""

    brand = fields.String(allow_none=True, example="visa")
    last4 = fields.String(allow_none=True, example="4242")
    exp_month = fields.Integer(allow_none=True)
    exp_year = fields.Integer(allow_none=True)


class PaymentMethod(Resource):
    """A way to take an account's money."""

    id = fields.TypeID("payment_method", required=True)
    account = fields.TypeID("account", required=True)
    gateway_account = fields.TypeID("gateway_account", required=True)
    gateway_reference = fields.String(required=True, description="The gateway's own id of it.")
    kind = fields.String(required=True, example="card")
    card = fields.Nested(Card, allow_none=True)
    status = fields.Enum(("active", "detached"), required=True)
    is_default = fields.Boolean(required=True)
    metadata = fields.Metadata(attribute="metadata")


class PaymentNew(Sent):
    """Money that arrived by cheque or transfer."""

    account = fields.Reference("account", required=True, description="The payer.")
    method = fields.Enum(("manual",), required=True)
    amount = fields.MinorAmount(required=True, minimum=1, maximum=AMOUNT_MAX)
    currency = fields.Currency(required=True)
    reference = fields.Text(description="What the bank statement or the cheque says.", example="NL-2026-7781")
    received_on = fields.Date(description="Today, unless said otherwise.")
    invoice = fields.Reference("invoice", description="Settled first; then what is owed longest.")
    gateway_account = fields.Reference("gateway_account", description="The seller's manual one, unless said otherwise.")


class PaymentQuery(ExternalIdQuery):
    """Which payments."""

    account = fields.Reference("account")
    invoice = fields.Reference("invoice")


class Allocation(Schema):
    """What of a payment settles what of an invoice."""

    invoice = fields.TypeID("invoice", required=True)
    amount = fields.MinorAmount(required=True)


class Payment(Resource):
    """Money that came in. What is neither allocated nor given back is the payer's credit, used by its next invoices."""

    id = fields.TypeID("payment", required=True)
    account = fields.TypeID("account", required=True)
    gateway_account = fields.TypeID("gateway_account", required=True, allow_none=True)
    method = fields.String(required=True, example="manual", description="`credit_note` for what one gives as credit.")
    credit_note = fields.TypeID("credit_note", required=True, allow_none=True)
    amount = fields.MinorAmount(required=True)
    currency = fields.Currency(required=True)
    allocated_amount = fields.MinorAmount(required=True)
    refunded_amount = fields.MinorAmount(required=True)
    credit_amount = fields.MinorAmount(required=True)
    allocations = fields.List(fields.Nested(Allocation), required=True, max_items=100_000)
    reference = fields.String(allow_none=True)
    gateway_reference = fields.String(allow_none=True, description="The gateway's own id of it.")
    received_on = fields.Date(required=True)
    metadata = fields.Metadata(attribute="metadata")


class Attempt(Schema):
    """One try to take money. It leads to at most one charge at the gateway."""

    id = fields.TypeID("payment_attempt", required=True)
    invoice = fields.TypeID("invoice", required=True)
    account = fields.TypeID("account", required=True)
    payment_method = fields.TypeID("payment_method", required=True)
    gateway_account = fields.TypeID("gateway_account", required=True)
    amount = fields.MinorAmount(required=True)
    currency = fields.Currency(required=True)
    status = fields.Enum(ATTEMPT.states, required=True)
    trigger = fields.String(required=True, description="finalized, dunning, request or new_method.")
    gateway_reference = fields.String(allow_none=True)
    failure_code = fields.String(allow_none=True, example="card_declined")
    decline_code = fields.String(allow_none=True, example="insufficient_funds")
    detail = fields.String(allow_none=True, max_length=2000)
    created_at = fields.Instant(required=True)
    finished_at = fields.Instant(required=True, allow_none=True)


class RefundNew(Sent):
    """Money to give back."""

    payment = fields.Reference("payment", required=True)
    amount = fields.MinorAmount(minimum=1, maximum=AMOUNT_MAX, description="All that is left, unless said otherwise.")
    reason = fields.Text(max_length=500)


class RefundQuery(ExternalIdQuery):
    """Which refunds."""

    payment = fields.Reference("payment")


class Refund(Resource):
    """Money given back: of the payer's credit first, then of what the payment had settled."""

    id = fields.TypeID("refund", required=True)
    payment = fields.TypeID("payment", required=True)
    credit_note = fields.TypeID(
        "credit_note", required=True, allow_none=True, description="Out of whose credit it is, where it is of one."
    )
    amount = fields.MinorAmount(required=True)
    credit_amount = fields.MinorAmount(required=True, description="The part that came out of the payer's credit.")
    currency = fields.Currency(required=True)
    status = fields.Enum(REFUND.states, required=True)
    reason = fields.String(allow_none=True)
    detail = fields.String(allow_none=True, max_length=2000)
    gateway_reference = fields.String(allow_none=True)
    metadata = fields.Metadata(attribute="metadata")
