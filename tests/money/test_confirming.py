"""A payment that waits for its customer: the mail, the page, the bank, and the way back."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

import portal
from core.ids import encode
from models.accounts import Account
from models.providers import Mail
from services import portal_sessions
from services.clock import system_now
from tests.builders.billing import an_account
from tests.builders.payments import Till

CSRF = re.compile(r'name="csrf" value="([^"]+)"')
BANK = re.compile(r'href="(http://[^"]+/authenticate/[^"]+)"')


class Pages:
    """A customer's browser at its pages."""

    def __init__(self, till: Till, account: Account) -> None:
        self.http: FlaskClient = portal.create().test_client()
        self.home = f"/{encode('provider', till.provider_id)}/"
        with till.open() as ctx:
            link = portal_sessions.make_link(ctx, encode("account", account.id), system_now())
        self.send(f"enter/{link.token}", f"enter/{link.token}")

    def get(self, path: str) -> str:
        return self.http.get(self.home + path).get_data(as_text=True)

    def send(self, path: str, form_on: str) -> str:
        secret = CSRF.search(self.get(form_on))
        assert secret is not None, "no form on this page"
        return self.http.post(self.home + path, data={"csrf": secret[1]}, follow_redirects=False).get_data(as_text=True)


@pytest.fixture
def payer(till: Till) -> Account:
    return till.payer("pm_card_authenticationRequired")


@pytest.fixture
def invoice(till: Till, payer: Account) -> str:
    """The path of an invoice whose payment waits for the customer."""
    (invoice_id,) = till.bill()
    till.react()
    till.collect()
    till.react()
    (attempt,) = till.attempts()
    assert attempt.status == "requires_action"
    return f"invoices/{encode('invoice', invoice_id)}"


def at_the_bank(till: Till, pages: Pages, invoice: str, answer: str) -> None:
    """Go to the bank, decide there, and come back."""
    way = BANK.search(pages.send(f"{invoice}/confirm", invoice))
    assert way is not None, "no way to the bank"
    back = till.gateway.http.post(unescape(way[1]), data={"answer": answer})
    path = back.headers["Location"].partition(pages.home)[2]
    assert path.startswith(f"{invoice}/confirmed?payment_intent=pi_")
    assert "being asked about your payment" in pages.http.get(pages.home + path, follow_redirects=True).text
    till.collect()


def test_the_payer_is_written_to_once_with_the_address_of_the_invoice(till: Till, invoice: str) -> None:
    with till.open() as ctx:
        mails = ctx.session.scalars(select(Mail).where(Mail.kind == "payment_action")).all()
    (letter,) = [mail for mail in mails if mail.provider_id == till.provider_id]
    assert letter.to == ["ada@example.com"]
    assert f"http://busbar.test/portal/{encode('provider', till.provider_id)}/{invoice}\n" in letter.body
    assert "your bank wants you to confirm the payment of" in letter.body


def test_a_payment_that_the_customer_confirms_is_made_once(till: Till, payer: Account, invoice: str) -> None:
    pages = Pages(till, payer)
    assert "You need to do nothing" not in pages.get(invoice)
    at_the_bank(till, pages, invoice, "approve")
    (attempt,) = till.attempts()
    assert (attempt.status, len(till.payments()), till.charges()["succeeded"]) == ("succeeded", 1, 1)
    assert "Confirm the payment" not in pages.get(invoice)
    assert till.invoices("open") == []


def test_a_payment_that_the_customer_refuses_fails_and_charges_nothing(
    till: Till, payer: Account, invoice: str
) -> None:
    pages = Pages(till, payer)
    at_the_bank(till, pages, invoice, "refuse")
    (attempt,) = till.attempts()
    assert (attempt.status, attempt.failure_code) == ("failed", "payment_intent_authentication_failure")
    assert till.charges()["succeeded"] == 0
    assert "Confirm the payment" not in pages.get(invoice)


def test_a_customer_who_never_comes_back_is_not_forgotten(till: Till, payer: Account, invoice: str) -> None:
    """What it decided is asked of the gateway after a while, should its word be lost."""
    pages = Pages(till, payer)
    way = BANK.search(pages.send(f"{invoice}/confirm", invoice))
    assert way is not None
    till.gateway.http.post(unescape(way[1]), data={"answer": "approve"})
    (attempt,) = till.attempts()
    assert attempt.next_at is not None
    till.end_leases()
    till.collect()
    assert till.attempts()[0].status == "succeeded"


def test_a_bank_that_asks_for_nothing_after_all_charges_at_once(till: Till, payer: Account, invoice: str) -> None:
    pages = Pages(till, payer)
    method = till.gateway.client(till.key).v1.payment_intents.list().data[0].last_payment_error.payment_method.id
    till.gateway.control(f"payment_methods/{method}", behaves_as="pm_card_visa")
    assert BANK.search(pages.send(f"{invoice}/confirm", invoice)) is None
    pages.get(f"{invoice}/confirmed")
    till.collect()
    assert (till.attempts()[0].status, till.charges()["succeeded"]) == ("succeeded", 1)


def test_another_customer_can_neither_see_nor_confirm_it(till: Till, invoice: str) -> None:
    with till.open() as ctx:
        other = an_account(ctx, "Other")
    pages = Pages(till, other)
    assert pages.http.get(f"{pages.home}{invoice}/confirmed").status_code == 404
    secret = CSRF.search(pages.get(""))
    assert secret is not None
    answer = pages.http.post(f"{pages.home}{invoice}/confirm", data={"csrf": secret[1]})
    assert answer.status_code == 404
    assert till.attempts()[0].next_at is None


def test_what_waits_for_nobody_leads_to_no_bank(till: Till, payer: Account, invoice: str) -> None:
    pages = Pages(till, payer)
    form = pages.get(invoice)
    with till.open() as ctx:
        till.attach(ctx, payer, "pm_card_visa")
    till.react()
    till.collect()
    till.collect()
    secret = CSRF.search(form)
    assert secret is not None
    answer = pages.http.post(f"{pages.home}{invoice}/confirm", data={"csrf": secret[1]})
    assert answer.status_code == 303
    assert till.charges()["succeeded"] == 1
