"""Payments that wait for the customer: on to its bank, and back."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from portal import visits
from services import customer_pages, payment_actions

pages = Blueprint("payments", __name__)


@pages.post("/<id(provider):provider_id>/invoices/<id(invoice):invoice_id>/confirm")
@visits.signed_in
def confirm(provider_id: UUID, invoice_id: UUID) -> ResponseReturnValue:
    """Start the payment that waits for this customer, and show the way to its bank.

    It is a link, not a redirect: a form of ours may lead to no other site.
    """
    back = url_for("payments.confirmed", provider_id=provider_id, invoice_id=invoice_id)
    with visits.as_visitor() as ctx:
        invoice = customer_pages.invoice(ctx, invoice_id)
        asked = payment_actions.start(ctx, invoice_id, visits.mailed_base_url(ctx).rstrip("/") + back)
    errand = payment_actions.perform(asked) if asked else None
    if errand is None or errand.url is None:
        return redirect(back, 303)
    return render_template("confirm.html", invoice=invoice, url=errand.url)


@pages.get("/<id(provider):provider_id>/invoices/<id(invoice):invoice_id>/confirmed")
@visits.signed_in
def confirmed(provider_id: UUID, invoice_id: UUID) -> ResponseReturnValue:
    """Back from the bank: what it said is asked of the gateway, whatever this address says."""
    with visits.as_visitor() as ctx:
        customer_pages.invoice(ctx, invoice_id)
        payment_actions.came_back(ctx, invoice_id)
    return redirect(url_for("invoices.page", provider_id=provider_id, invoice_id=invoice_id), 303)
