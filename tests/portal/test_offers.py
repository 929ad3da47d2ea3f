"""What a customer is offered, on its overview."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from core.ids import decode
from tests.api.conftest import Caller
from tests.api.test_ordering_parts import per_unit
from tests.builders.catalog import make_catalog, make_plan, plan_price
from tests.conftest import Open
from tests.portal.conftest import NewBrowser
from tests.portal.test_pages import words

NOW = "2026-01-15T00:00:00Z"


@pytest.fixture
def contoso(client: Caller) -> UUID:
    """An account with a rack; `pro` costs more, `eco` less and a fee once, a zone comes beside it."""
    make_catalog(client)
    fee = plan_price("fee", "one_off", {"model": "flat", "amount_price": "99"})
    for code, *prices in (
        ("colo", per_unit("rack", "300")),
        ("pro", per_unit("rack", "350")),
        ("eco", per_unit("rack", "280"), fee),
        ("dns", per_unit("zone", "9")),
    ):
        plan = make_plan(client, *prices, code=code)  # type: ignore[arg-type]
        assert client.patch(f"/v1/plans/{plan['id']}", {"name": f"Plan {code}"}).status_code == 200
    body = {"currency": "EUR", "country": "NL", "time_zone": "UTC", "name": "Contoso"}
    account: Any = client.made("/v1/accounts", {**body, "external_id": "contoso"})
    client.made("/v1/accounts", {**body, "external_id": "other"})
    for holder in ("contoso", "other"):
        client.made("/v1/subscriptions", {"account": holder, "plan": "colo", "start": {"at": NOW}})
    return decode("account", account["id"])


def offer(client: Caller) -> None:
    plan = next(each for each in client.get("/v1/plans").json["data"] if each["code"] == "colo")
    named = {"successors": ["pro", "eco"], "companions": ["dns"]}
    assert client.patch(f"/v1/plans/{plan['id']}", named).status_code == 200


def test_a_customer_sees_what_it_is_offered_and_what_that_would_cost_more_or_less(
    client: Caller, contoso: UUID, provider_id: UUID, new_browser: NewBrowser, open_unit: Open
) -> None:
    browser = new_browser(provider_id)
    browser.enter(open_unit, provider_id, contoso)
    assert "Made for what you use" not in words(browser.get().text)
    offer(client)
    said = words(browser.get().text)
    assert said.count("instead of Plan colo") == 2  # its own, and not those of another customer
    assert "Plan eco instead of Plan colo -€20.00 a month, without tax; €99.00 once" in said.replace(
        "\N{MINUS SIGN}", "-"
    )
    assert "Plan pro instead of Plan colo +€50.00 a month" in said
    assert "Plan dns beside Plan colo +€9.00 a month" in said
