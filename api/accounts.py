"""Accounts over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.accounts import Account, AccountNew, AccountPatch, AccountQuery
from models.accounts import Account as AccountRow
from services import accounts

blp = blueprint("accounts", "Accounts: who holds subscriptions and who pays for them.")
EXAMPLE = {
    "name": "Contoso B.V.",
    "currency": "EUR",
    "country": "NL",
    "time_zone": "Europe/Amsterdam",
    "email": "billing@contoso.example",
    "payer": "self",
    "mode": "postpaid",
    "external_id": "crm-4711",
}


@blp.route("/v1/accounts")
class Accounts(MethodView):
    @require("accounts:read")
    @blp.arguments(AccountQuery, location="query")
    @blp.response(200, page_of(Account))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List accounts, newest first."""
        filters = {name: query.get(name) for name in ("external_id", "parent", "payer", "email")}
        return page(query, lambda window: accounts.list_accounts(context(), window, **filters))

    @require("accounts:write")
    @refuses(
        422,
        currency_unknown="No ISO 4217 code.",
        country_unknown="No ISO 3166-1 code.",
        time_zone_unknown="No IANA name.",
        tax_id_malformed="Not a tax id of the country that it names.",
        provider_only="A credential of an account says that a tax id was looked up.",
        account_unknown="There is no such parent.",
        seller_unknown="There is no such seller.",
        payer_without_parent="The payer is the parent, and there is none.",
        parent_required="A credential of an account makes accounts below its own.",
        account_does_not_pay="How documents are grouped, and when statements go out, is the payer's.",
        day_out_of_range="A week has seven days.",
    )
    @blp.arguments(AccountNew, example=EXAMPLE)
    @blp.response(201, Account)
    def post(self, body: dict[str, Any]) -> AccountRow:
        """Make an account."""
        return accounts.create(context(), accounts.NewAccount(**body))


@blp.route("/v1/accounts/<id(account):account_id>")
class OneAccount(MethodView):
    @require("accounts:read")
    @blp.response(200, Account)
    def get(self, account_id: UUID) -> AccountRow:
        """One account."""
        return accounts.get(context(), account_id)

    @require("accounts:write")
    @refuses(
        422,
        tax_id_malformed="Not a tax id of the country that it names.",
        provider_only="A credential of an account says that a tax id was looked up.",
        account_does_not_pay="How documents are grouped, and when statements go out, is the payer's.",
        day_out_of_range="A week has seven days.",
    )
    @blp.arguments(AccountPatch, example={"purchase_order": "PO-2026-118"})
    @blp.response(200, Account)
    def patch(self, body: dict[str, Any], account_id: UUID) -> AccountRow:
        """Change an account. Its place in the tree, currency and seller stay."""
        return accounts.change(context(), account_id, body)
