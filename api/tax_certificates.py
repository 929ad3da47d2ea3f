"""Tax certificates over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ExternalIdQuery, ListQuery, page_of
from api.schemas.taxes import TaxCertificate, TaxCertificateNew, TaxCertificatePatch
from models.taxes import TaxCertificate as TaxCertificateRow
from services import tax_certificates

blp = blueprint("tax-certificates", "Certificates that exempt accounts from tax.")


@blp.route("/v1/accounts/<id(account):account_id>/tax-certificates")
class AccountTaxCertificates(MethodView):
    @require("accounts:read")
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(TaxCertificate))
    def get(self, query: dict[str, Any], account_id: UUID) -> dict[str, Any]:
        """List the certificates of an account, newest first."""
        return page(query, lambda window: tax_certificates.list_certificates(context(), window, account_id=account_id))

    @require("accounts:write", of_provider=True)
    @refuses(
        422,
        country_unknown="No ISO 3166-1 code.",
        account_does_not_pay="Documents are its payer's.",
        certificate_expired="Its last day is over.",
        dates_reversed="The last day is before the first.",
    )
    @blp.arguments(
        TaxCertificateNew,
        example={"number": "EX-2026-0117", "country": "US", "region": "NY", "valid_from": "2026-01-01"},
    )
    @blp.response(201, TaxCertificate)
    def post(self, body: dict[str, Any], account_id: UUID) -> TaxCertificateRow:
        """Register a certificate of an account that pays: its documents are exempt where and while it is valid.

        The bill date of a document decides. It holds for sellers whose tax engine is `rules`; an engine outside is told
        of it.
        """
        return tax_certificates.register(context(), account_id, body)


@blp.route("/v1/tax-certificates")
class TaxCertificates(MethodView):
    @require("accounts:read")
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(TaxCertificate))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List certificates, newest first."""
        return page(
            query,
            lambda window: tax_certificates.list_certificates(context(), window, external_id=query.get("external_id")),
        )


@blp.route("/v1/tax-certificates/<id(tax_certificate):certificate_id>")
class OneTaxCertificate(MethodView):
    @require("accounts:read")
    @blp.response(200, TaxCertificate)
    def get(self, certificate_id: UUID) -> TaxCertificateRow:
        """One certificate."""
        return tax_certificates.get(context(), certificate_id)

    @require("accounts:write", of_provider=True)
    @refuses(422, dates_reversed="The last day is before the first.")
    @blp.arguments(TaxCertificatePatch, example={"valid_to": "2026-12-31"})
    @blp.response(200, TaxCertificate)
    def patch(self, body: dict[str, Any], certificate_id: UUID) -> TaxCertificateRow:
        """Change a certificate: end it, prolong it, or say where its paper is."""
        return tax_certificates.change(context(), certificate_id, body)
