"""The pages in a real Chromium: drawn, clicked, and asking nobody else for anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Request, sync_playwright

from core.ids import encode
from tests.builders.portal import Customer
from tests.conftest import Open
from tests.portal.conftest import outbox_link

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
GIVEN_UP = "net::ERR_ABORTED"  # the page was left meanwhile, or it became a download
PATIENCE_MS = 180_000
PICTURES = os.environ.get("PORTAL_PICTURES")


def installed() -> str | None:
    """A Chromium on this machine: the one named by CHROMIUM, one on the path, or one that playwright has fetched."""
    named = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if named:
        return named
    with sync_playwright() as playwright:
        fetched = playwright.chromium.executable_path
    return fetched if Path(fetched).exists() else None


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    path = installed()
    if path is None:
        pytest.skip("No Chromium on this machine: install it (Debian: apt-get install chromium) to try the pages.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET), timeout=PATIENCE_MS)
        yield browser
        browser.close()


class Watch:
    """What must not happen while a page is used: console errors, broken policies, requests to others, failures."""

    def __init__(self, page: Page, origin: str) -> None:
        self.complaints: list[str] = []
        self.origin = origin
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("request", self._ours)
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective}`))"
        )

    def _failed(self, request: Request) -> None:
        if request.failure != GIVEN_UP:
            self.complaints.append(f"failed: {request.url}")

    def _ours(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:")):
            self.complaints.append(f"outside: {request.url}")


def picture(page: Page, name: str, *, whole: bool = True) -> None:
    """A picture for the README, where one was asked for."""
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=whole)


def sign_in(page: Page, origin: str, customer: Customer, open_unit: Open) -> str:
    """By the form, the mail in the sandbox's outbox, and the button; gives the address of the overview."""
    home = f"{origin}/portal/{encode('provider', customer.provider_id)}/"
    page.goto(home)
    page.get_by_label("E-mail address").fill("ada@lumen.example")
    page.get_by_role("button", name="Mail me a link").click()
    page.get_by_role("heading", name="Check your mail").wait_for()
    page.goto(origin + outbox_link(open_unit, customer.provider_id))
    page.get_by_role("button", name="Open my pages").click()
    page.wait_for_url(home)
    return home


def test_a_customer_signs_in_sees_its_usage_and_asks_why(
    chromium: Chromium, origin: str, customer: Customer, open_unit: Open
) -> None:
    context = chromium.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    watch = Watch(page, origin)
    home = sign_in(page, origin, customer, open_unit)

    page.locator(".chart[data-drawn] canvas").wait_for()
    painted = page.evaluate(
        """() => {
            const canvas = document.querySelector(".chart canvas");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 200) seen.add(pixels.slice(i, i + 3).join());
            return [...seen].length;
        }"""
    )
    assert painted > 5, "bars, a grid and figures are on the canvas"
    page.goto(f"{home}?month=2026-01")
    page.locator(".chart[data-drawn]").wait_for()
    box = page.locator(".chart .u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 13.5 / 31, box["y"] + 60)
    page.locator(".chart-tip", has_text="kWh").wait_for()
    tip = page.locator(".chart-tip").inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert tip.split("\n") == ["61.686 kWh", "14 Jan 2026", "2.1% estimated"]
    picture(page, "portal")

    page.get_by_role("navigation").get_by_role("link", name="Invoices").click()
    page.get_by_role("link", name="INV-2026-000002", exact=True).click()
    page.get_by_role("heading", name="Invoice INV-2026-000002").wait_for()
    invoice = page.url
    page.get_by_role("link", name="Why this amount?").click()
    page.get_by_text("The meter was exchanged.").wait_for()
    assert page.url == invoice, "the explanation opened in place"
    picture(page, "explanation")
    page.get_by_role("link", name="Why this amount?").click()
    page.get_by_text("The meter was exchanged.").wait_for(state="hidden")
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF").click()
    assert download.value.suggested_filename == "INV-2026-000002.pdf"

    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("E-mail address").wait_for()
    page.goto(home)
    assert page.url.endswith("/sign-in")
    context.close()
    assert watch.complaints == []


@pytest.mark.parametrize("width", [1200, 390])
def test_no_page_is_wider_than_the_screen(
    width: int, chromium: Chromium, origin: str, customer: Customer, open_unit: Open
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    home = sign_in(page, origin, customer, open_unit)
    page.locator(".chart[data-drawn]").wait_for()
    for path in ("", "invoices"):
        page.goto(home + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("link", name="INV-2026-000002", exact=True).click()
    page.get_by_role("link", name="Why this amount?").click()
    page.get_by_text("The meter was exchanged.").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
