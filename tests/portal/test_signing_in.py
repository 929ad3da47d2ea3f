"""Coming in and going out."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select

from core.ids import encode
from models.providers import Mail
from runtime.house import House
from services import portal_sessions
from services.clock import system_now
from tests.builders.portal import make_account
from tests.conftest import Open, make_provider
from tests.portal.conftest import CSRF, Browser, NewBrowser, outbox_link


@pytest.fixture
def account_id(open_unit: Open) -> UUID:
    with open_unit() as ctx:
        return make_account(ctx, name="Lumen", email="ada@lumen.example")


@pytest.fixture
def browser(new_browser: NewBrowser, provider_id: UUID) -> Browser:
    return new_browser(provider_id)


def test_a_stranger_is_sent_to_sign_in(browser: Browser) -> None:
    for page in ("", "invoices", f"invoices/{encode('invoice', UUID(int=1))}"):
        answer = browser.get(page)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{browser.home}sign-in")


def test_a_customer_signs_in_by_the_link_in_its_mail(
    browser: Browser, account_id: UUID, provider_id: UUID, open_unit: Open
) -> None:
    asked = browser.submit("sign-in", email="Ada@lumen.example")
    assert asked.status_code == 200
    assert "GET /v1/test-clock/outbox" in asked.text, "a sandbox says where its mail is"
    path = outbox_link(open_unit, provider_id).removeprefix(browser.home)
    assert "Lumen" in browser.get(path).text
    entered = browser.submit(path)
    assert (entered.status_code, entered.headers["location"]) == (303, browser.home)
    assert browser.get().status_code == 200


def test_the_answer_is_the_same_whether_or_not_an_address_may_sign_in(
    browser: Browser, account_id: UUID, provider_id: UUID, open_unit: Open
) -> None:
    known = browser.submit("sign-in", email="ada@lumen.example")
    unknown = browser.submit("sign-in", email="eve@lumen.example")
    assert known.status_code == unknown.status_code == 200
    assert known.text.replace("ada@", "eve@") == unknown.text
    with open_unit() as ctx:
        assert [mail.to for mail in ctx.session.scalars(select(Mail))] == [["ada@lumen.example"]]


@pytest.mark.parametrize(
    "email", ['"><script>alert(1)</script>', "", "a\0@lumen.example", "a@b\r\nBcc: eve@c", "a" * 300 + "@b.example"]
)
def test_what_is_no_address_is_told_beside_the_field(email: str, browser: Browser) -> None:
    answer = browser.submit("sign-in", email=email)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert "Write the address like" in answer.text


def test_a_link_used_twice_is_refused(
    browser: Browser, new_browser: NewBrowser, account_id: UUID, provider_id: UUID, open_unit: Open
) -> None:
    browser.submit("sign-in", email="ada@lumen.example")
    path = outbox_link(open_unit, provider_id).removeprefix(browser.home)
    secret = CSRF.search(browser.get(path).text)
    assert secret is not None
    assert browser.http.post(browser.home + path, data={"csrf": secret[1]}).status_code == 303
    again = new_browser(provider_id)
    assert again.get(path).status_code == 404
    assert "no longer good" in again.get(path).text
    again.http.cookies.set("busbar_form", secret[1])
    assert again.http.post(again.home + path, data={"csrf": secret[1]}).status_code == 404
    assert again.get().status_code == 303, "nobody was signed in"


def test_a_link_belongs_to_its_provider(
    new_browser: NewBrowser, account_id: UUID, provider_id: UUID, house: House, open_unit: Open
) -> None:
    with open_unit() as ctx:
        link = portal_sessions.make_link(ctx, encode("account", account_id), system_now())
    other = new_browser(make_provider(house))
    assert other.get(f"enter/{link.token}").status_code == 404


def test_a_session_belongs_to_its_provider(
    browser: Browser, account_id: UUID, provider_id: UUID, house: House, open_unit: Open
) -> None:
    browser.enter(open_unit, provider_id, account_id)
    session = browser.http.cookies["busbar_session"]
    other = Browser(str(browser.http.base_url), make_provider(house))
    other.http.cookies.set("busbar_session", session)
    assert other.get().status_code == 303


def test_the_session_s_cookie_is_closed_to_scripts_and_other_sites(
    browser: Browser, account_id: UUID, provider_id: UUID, open_unit: Open
) -> None:
    entered = browser.enter(open_unit, provider_id, account_id)
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert f"Path={browser.home}" in cookie
    assert "Secure" not in cookie, "this test's house is reached over http"


def test_signing_out_ends_the_session_and_not_only_the_cookie(
    browser: Browser, account_id: UUID, provider_id: UUID, open_unit: Open
) -> None:
    browser.enter(open_unit, provider_id, account_id)
    session = browser.http.cookies["busbar_session"]
    secret = CSRF.search(browser.get().text)
    assert secret is not None
    left = browser.http.post(f"{browser.home}sign-out", data={"csrf": secret[1]})
    assert left.status_code == 303
    browser.http.cookies.set("busbar_session", session)
    assert browser.get().status_code == 303


@pytest.mark.parametrize("page", ["sign-in", "sign-out", "enter/some-token"])
def test_a_form_without_its_secret_is_refused(page: str, browser: Browser, account_id: UUID) -> None:
    browser.get("sign-in")
    for secret in ({}, {"csrf": ""}, {"csrf": "guess"}, {"csrf": "günstig"}):
        answer = browser.http.post(browser.home + page, data={"email": "ada@lumen.example", **secret})
        assert answer.status_code == 403


def test_a_form_without_any_cookie_is_refused(browser: Browser) -> None:
    assert browser.http.post(f"{browser.home}sign-in", data={"csrf": "", "email": "a@b.example"}).status_code == 403


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_form_from_another_site_is_refused(elsewhere: str, browser: Browser) -> None:
    secret = CSRF.search(browser.get("sign-in").text)
    assert secret is not None
    answer = browser.http.post(
        f"{browser.home}sign-in",
        data={"csrf": secret[1], "email": "ada@lumen.example"},
        headers={"Origin": elsewhere},
    )
    assert answer.status_code == 403


def test_part_of_a_page_asked_for_after_the_session_sends_the_whole_page_to_sign_in(browser: Browser) -> None:
    answer = browser.get("invoices", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, f"{browser.home}sign-in")


def test_nobody_is_mailed_a_link_to_the_address_that_a_request_claims(
    new_browser: NewBrowser, house: House, open_unit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = make_provider(house, sandbox=False)
    with open_unit(live) as ctx:
        make_account(ctx, email="ada@lumen.example")
    nowhere = replace(house, kit=replace(house.kit, public_url=None))
    monkeypatch.setattr("runtime.unit.house", lambda: nowhere)
    assert new_browser(live).submit("sign-in", email="ada@lumen.example").status_code == 503
    with open_unit(live) as ctx:
        assert ctx.session.scalars(select(Mail)).all() == []
