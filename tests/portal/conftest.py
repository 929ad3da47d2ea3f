"""The pages over real HTTP, on this worker's database."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

import portal
from core.ids import encode
from models.providers import Mail
from runtime.house import House
from services import portal_sessions
from services.clock import system_now
from tests.api.conftest import app, client, new_caller  # noqa: F401  (what programs did before a person looks)
from tests.builders.portal import Customer, a_power_customer, bill
from tests.conftest import Open, make_provider

FEBRUARY_13 = datetime(2026, 2, 13, 14, tzinfo=UTC)
CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture(scope="session")
def origin(house: House) -> Iterator[str]:
    """The pages served as they are in production: below `/portal`."""
    application = DispatcherMiddleware(Response("elsewhere", 404), {"/portal": portal.create()})
    server = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def customer(house: House) -> Customer:
    """A customer with six weeks of readings and two invoices. Tests only look."""
    made = a_power_customer(make_provider(house), FEBRUARY_13)
    bill(made.provider_id)
    return made


class Browser:
    """A person's browser: keeps cookies, follows nothing by itself, fills the secrets of forms in."""

    def __init__(self, origin: str, provider_id: UUID) -> None:
        self.home = f"/portal/{encode('provider', provider_id)}/"
        self.http = httpx.Client(base_url=origin, follow_redirects=False, timeout=120)

    def get(self, path: str = "", **options: object) -> httpx.Response:
        """A page below the provider's home."""
        return self.http.get(self.home + path, **options)  # type: ignore[arg-type]

    def submit(self, path: str, **fields: str) -> httpx.Response:
        """Open a page and send its form."""
        secret = CSRF.search(self.get(path).text)
        assert secret is not None, "no form on this page"
        return self.http.post(self.home + path, data={"csrf": secret[1], **fields})

    def enter(self, open_unit: Open, provider_id: UUID, account_id: UUID) -> httpx.Response:
        """Sign in by a link."""
        with open_unit(provider_id) as ctx:
            link = portal_sessions.make_link(ctx, encode("account", account_id), system_now())
        return self.submit(f"enter/{link.token}")


NewBrowser = Callable[[UUID], Browser]


@pytest.fixture
def new_browser(origin: str) -> Iterator[NewBrowser]:
    """A browser at a provider's pages."""
    opened: list[Browser] = []

    def make(provider_id: UUID) -> Browser:
        opened.append(Browser(origin, provider_id))
        return opened[-1]

    yield make
    for browser in opened:
        browser.http.close()


@pytest.fixture
def ada(new_browser: NewBrowser, open_unit: Open, customer: Customer) -> Browser:
    """The customer, signed in."""
    browser = new_browser(customer.provider_id)
    browser.enter(open_unit, customer.provider_id, customer.account_id)
    return browser


def outbox_link(open_unit: Open, provider_id: UUID) -> str:
    """The path of the link in the newest mail of a sandbox's outbox."""
    with open_unit(provider_id) as ctx:
        body = ctx.session.scalars(select(Mail.body).order_by(Mail.id.desc()).limit(1)).one()
    found = re.search(r"https?://[^/\s]+(/portal/\S+)", body)
    assert found is not None
    return found[1]
