"""What a plan offers to those who have it, and what that would cost a subscription, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from core.ids import decode
from tests.api.conftest import Caller, NewCaller
from tests.api.test_ordering_parts import make, per_unit, wrong
from tests.builders.catalog import make_catalog, make_plan, plan_price
from tests.builders.sandbox import pass_time

NOW = "2026-01-15T00:00:00Z"
DOLLARS = plan_price("seat") | {"currencies": {"USD": {"model": "flat", "amount_price": "1"}}}


def energy(unit_price: str, code: str = "energy") -> dict[str, Any]:
    return plan_price(code, "usage", {"model": "per_unit", "unit_price": unit_price}) | {"meter": "energy"}


@pytest.fixture
def shop(client: Caller) -> Caller:
    """The plan `colo`, two bigger ones in its place, an add-on and a plan beside it, none of them named yet."""
    make_catalog(client)
    make_plan(client, per_unit("rack", "300"), energy("0.25"))
    make_plan(client, per_unit("rack", "350"), energy("0.15"), code="pro")
    setup = plan_price("setup", "one_off", {"model": "flat", "amount_price": "99"})
    make_plan(client, per_unit("rack", "310"), energy("0.2", "power"), setup, code="max")
    make(client, "ips", "add_on", per_unit("ips", "15"), base_plans=["colo"], quantity={"least": "2", "most": "8"})
    make_plan(client, per_unit("zone", "9"), code="dns")
    make(client, "pack", "bundle", per_unit("pack", "400"), components=[{"plan": "colo", "discount": "100"}])
    body = {"currency": "EUR", "country": "NL", "time_zone": "UTC"}
    client.made("/v1/accounts", {**body, "name": "Contoso", "external_id": "contoso"})
    client.made("/v1/accounts", {**body, "name": "Other", "external_id": "other"})
    return client


@pytest.fixture
def advance(shop: Caller, provider_id: UUID) -> Callable[[str], None]:
    def go(to: str) -> None:
        pass_time(shop, provider_id, to)

    return go


def plan(client: Caller, code: str) -> Any:
    return next(each for each in client.get("/v1/plans?limit=200").json["data"] if each["code"] == code)


def name(client: Caller, code: str, **named: list[str]) -> Any:
    return client.patch(f"/v1/plans/{plan(client, code)['id']}", named)


def offers(client: Caller, subscription: Any) -> dict[str, Any]:
    """By code, in order."""
    answer = client.get(f"/v1/subscriptions/{subscription['id']}/offers")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    shown: Any = answer.json
    assert shown["next_cursor"] is None
    return {each["code"]: each for each in shown["data"]}


def subscribe(client: Caller, account: str = "contoso", **more: Any) -> Any:
    return client.made("/v1/subscriptions", {"account": account, "plan": "colo", "start": {"at": NOW}, **more})


def use(client: Caller, subscription: Any, kwh: str) -> None:
    event = {"id": "1", "subscription": subscription["id"], "meter": "energy", "quantity": kwh, "at": NOW}
    client.made("/v1/usage/events", {"events": [event]})


@pytest.fixture
def offered(shop: Caller, advance: Any) -> tuple[Caller, Any]:
    """A subscription with a month of usage, on a plan that offers what there is."""
    assert name(shop, "colo", successors=["pro", "max"], companions=["dns", "ips"]).status_code == 200
    made = subscribe(shop, quantities={"rack": "2"})
    use(shop, made, "1000")
    advance("2026-02-01T02:00:00Z")
    return shop, made


def test_a_plan_shows_what_it_offers_in_its_order(shop: Caller) -> None:
    ids = {code: plan(shop, code)["id"] for code in ("pro", "max", "dns", "ips")}
    made: Any = name(shop, "colo", successors=["max", "pro"], companions=["ips", "dns"]).json
    assert made["successors"] == [ids["max"], ids["pro"]]
    assert made["companions"] == [ids["ips"], ids["dns"]]
    again: Any = name(shop, "colo", successors=["pro"]).json
    assert (again["successors"], again["companions"]) == ([ids["pro"]], [ids["ips"], ids["dns"]])
    assert name(shop, "colo", companions=[]).json["companions"] == []
    fresh = make(shop, "fresh", "base", per_unit("rack", "1"), successors=["pro"])
    assert fresh["successors"] == [ids["pro"]]
    assert plan(shop, "pro")["successors"] == []


def test_offers_cost_what_the_last_usage_would_come_to(offered: tuple[Caller, Any]) -> None:
    client, made = offered
    found = offers(client, made)
    assert list(found) == ["max", "pro", "dns", "ips"]
    now = {"recurring_amount": 60000, "usage_amount": 25000, "total_amount": 85000}
    assert found["pro"]["current"] == found["max"]["current"] == now
    assert found["pro"]["offered"] == {"recurring_amount": 70000, "usage_amount": 15000, "total_amount": 85000}
    assert found["pro"]["difference_amount"] == 0
    # The usage of `energy` is that of `power`: both count by one meter.
    assert found["max"]["offered"] == {"recurring_amount": 62000, "usage_amount": 20000, "total_amount": 82000}
    assert (found["max"]["difference_amount"], found["max"]["once_amount"]) == (-3000, 9900)
    assert (found["dns"]["kind"], found["dns"]["difference_amount"]) == ("companion", 900)
    assert (found["ips"]["plan_kind"], found["ips"]["difference_amount"]) == ("add_on", 3000)
    assert found["pro"]["usage_span"] == {"start": NOW, "end": "2026-02-01T00:00:00Z"}


def test_each_offer_is_taken_by_the_request_that_it_names(offered: tuple[Caller, Any]) -> None:
    client, made = offered
    for code in ("dns", "ips", "max"):
        request = offers(client, made)[code]["apply"]
        answer = client(request["method"], request["path"], request["body"])
        assert answer.status_code in (200, 201), answer.get_data(as_text=True)
    taken: Any = client.get(f"/v1/subscriptions/{made['id']}").json
    assert taken["plan"] == plan(client, "max")["id"]
    assert len(client.get("/v1/subscriptions").json["data"]) == 2


def test_what_a_subscription_has_or_nobody_sells_yet_is_not_offered(offered: tuple[Caller, Any]) -> None:
    client, made = offered
    make(client, "later", "base", per_unit("rack", "1"))
    later = plan(client, "later")
    client.made("/v1/plans", {"code": "soon", "name": "Soon", "version": {
        "prices": [per_unit("rack", "1")], "effective_at": "2027-01-01T00:00:00Z"}})  # fmt: skip
    assert name(client, "colo", successors=["pro", "soon", "later"]).status_code == 200
    assert later["id"] in {offer["plan"] for offer in offers(client, made).values()}
    assert "soon" not in offers(client, made)
    ips = offers(client, made)["ips"]["apply"]
    client.made(ips["path"], ips["body"])
    assert "ips" not in offers(client, made)


def test_a_successor_that_an_add_on_does_not_go_with_leaves_it(offered: tuple[Caller, Any]) -> None:
    client, made = offered
    ips = offers(client, made)["ips"]["apply"]
    client.made(ips["path"], ips["body"])
    pro = offers(client, made)["pro"]
    assert pro["apply"]["body"]["add_ons"] == {"remove": [plan(client, "ips")["id"]]}
    assert pro["current"]["recurring_amount"] - 3000 == 60000
    assert pro["offered"]["recurring_amount"] == 70000
    assert client.post(pro["apply"]["path"], pro["apply"]["body"]).status_code == 201


def test_a_bundle_may_take_a_plans_place(offered: tuple[Caller, Any]) -> None:
    client, made = offered
    assert name(client, "colo", successors=["pack"], companions=[]).status_code == 200
    found = offers(client, made)["pack"]
    assert found["offered"] == {"recurring_amount": 40000, "usage_amount": 25000, "total_amount": 65000}
    assert client.post(found["apply"]["path"], found["apply"]["body"]).status_code == 201


def test_an_offer_that_cannot_be_priced_says_why_and_comes_last(offered: tuple[Caller, Any]) -> None:
    client, made = offered
    steps = {"model": "stairstep", "tiers": [{"up_to": "1", "flat_price": "99"}]}
    make_plan(client, plan_price("rack", price=steps), code="small")
    assert name(client, "colo", successors=["small", "pro"]).status_code == 200
    found = offers(client, made)
    assert list(found)[:2] == ["pro", "small"]
    assert found["small"]["obstacle"]["code"] == "quantity_beyond_last_step"
    assert (found["small"]["difference_amount"], found["small"]["apply"]) == (None, None)


def test_what_is_not_running_is_offered_nothing(offered: tuple[Caller, Any]) -> None:
    client, made = offered
    waiting = subscribe(client, start={"on": "provisioned"})
    assert offers(client, waiting) == {}
    client.made(f"/v1/subscriptions/{made['id']}/changes", {"effective": "now", "cancel": True})
    assert offers(client, made) == {}


def test_a_customer_sees_what_its_own_subscriptions_are_offered(
    offered: tuple[Caller, Any], new_caller: NewCaller, stranger: Caller
) -> None:
    client, made = offered
    accounts = {a["external_id"]: a["id"] for a in client.get("/v1/accounts").json["data"]}
    scopes = ["subscriptions:read"]
    own = new_caller(scopes=scopes, account_id=decode("account", accounts["contoso"]))
    other = new_caller(scopes=scopes, account_id=decode("account", accounts["other"]))
    assert list(offers(own, made)) == ["max", "pro", "dns", "ips"]
    path = f"/v1/subscriptions/{made['id']}/offers"
    assert other.get(path).status_code == 404
    assert stranger.get(path).status_code == 404
    assert new_caller(scopes=["catalog:read"]).get(path).status_code == 403


def test_what_cannot_be_offered_is_refused_at_its_place(shop: Caller) -> None:
    make_plan(shop, DOLLARS, code="usd")
    assert wrong(name(shop, "colo", successors=["pro", "nope"])) == [("/successors/1", "plan_unknown")]
    assert wrong(name(shop, "colo", successors=["colo"])) == [("/successors/0", "plan_offers_itself")]
    assert wrong(name(shop, "colo", successors=["pro", "pro"])) == [("/successors/1", "plan_repeated")]
    assert wrong(name(shop, "colo", successors=["pro"], companions=["pro"])) == [("/companions/0", "plan_repeated")]
    assert wrong(name(shop, "colo", successors=["ips"])) == [("/successors/0", "successor_not_allowed")]
    assert wrong(name(shop, "pro", companions=["ips"])) == [("/companions/0", "companion_not_allowed")]
    assert wrong(name(shop, "colo", successors=["usd"])) == [("/successors/0", "currencies_differ")]
    assert wrong(name(shop, "ips", companions=["dns"])) == [("/companions", "offers_not_allowed")]
    assert name(shop, "pack", companions=["ips"]).status_code == 200  # it goes with what the bundle contains
    assert name(shop, "pro", successors=["max"]).status_code == 200
    assert name(shop, "max", successors=["pro"]).status_code == 200  # there and back
    assert plan(shop, "colo")["successors"] == []
