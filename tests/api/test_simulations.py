"""Prices tried on what was really used, over HTTP: per customer and in total, as JSON and CSV, storing nothing else."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from core.ids import decode
from jobs import simulations as job
from models.billing import BilledSpan, Charge, Invoice
from models.outbox import OutboxEvent
from runtime.house import House
from runtime.unit import unit
from services import simulation_prices, simulations
from tests.api.conftest import Caller, NewCaller
from tests.api.test_ordering_parts import per_unit
from tests.api.test_version_migrations import CHEAPER, new_version, shop, subscribe  # noqa: F401  (a fixture)
from tests.builders.catalog import make_plan, plan_price
from tests.builders.sandbox import pass_time

MONTHS = {"from": "2026-01", "to": "2026-02"}
TRAFFIC = plan_price("traffic", "usage", {"model": "per_unit", "unit_price": "2"}) | {"meter": "traffic"}


def used(client: Caller, subscription: Any, kwh: str, at: str = "2026-01-20T00:00:00Z", meter: str = "energy") -> None:
    event = {"id": f"{subscription['id']}-{at}-{meter}", "subscription": subscription["id"], "meter": meter}
    answer = client.made("/v1/usage/events", {"events": [{**event, "quantity": kwh, "at": at}]})
    assert answer["accepted"] == 1, answer


def traffic_meter(client: Caller) -> None:
    client.made("/v1/meters", {"code": "traffic", "name": "Traffic", "unit": "GB", "aggregation": "sum"})


@pytest.fixture
def lived(shop: Caller, provider_id: UUID) -> Caller:  # noqa: F811
    """Two months of three subscriptions: two of Contoso and its child, one of another; the last has ended."""
    client = shop
    made = [
        subscribe(client, "contoso", quantities={"rack": "3"}, external_id="big"),
        subscribe(client, "child", external_id="small"),
        subscribe(client, "other", external_id="gone"),
    ]
    pass_time(client, provider_id, "2026-01-25T00:00:00Z")
    for subscription, kwh in zip(made, ("1000", "2000", "50"), strict=True):
        used(client, subscription, kwh)
    pass_time(client, provider_id, "2026-02-11T00:00:00Z")
    used(client, made[0], "400", "2026-02-10T00:00:00Z")
    client.made(f"/v1/subscriptions/{made[2]['id']}/changes", {"effective": "now", "cancel": True})
    pass_time(client, provider_id, "2026-03-05T00:00:00Z")
    return client


def simulated(client: Caller, **body: Any) -> Any:
    return client.made("/v1/simulations", {"months": MONTHS, **body})


def results(client: Caller, simulation: Any) -> Any:
    return client.get(f"/v1/simulations/{simulation['id']}/results").json


def lines(client: Caller, simulation: Any) -> dict[str, Any]:
    """The subscriptions of a simulation by external id."""
    customers = results(client, simulation)["customers"]
    return {line["external_id"]: line for customer in customers for line in customer["lines"]}


def wrong(client: Caller, **body: Any) -> list[tuple[str, str]]:
    answer = client.post("/v1/simulations", {"months": MONTHS, **body})
    assert answer.status_code == 422, answer.get_data(as_text=True)
    shown: Any = answer.json
    assert all(error["detail"] for error in shown["errors"])
    return [(error["pointer"], error["code"]) for error in shown["errors"]]


def test_the_version_that_everybody_is_on_costs_what_was_invoiced(lived: Caller) -> None:
    found = simulated(lived, plan="colo", version=1)
    assert (found["status"], found["progress"]) == ("done", {"subscriptions": 3, "done": 3})
    (total,) = found["totals"]
    assert (total["same"], total["winners"], total["losers"], total["difference_amount"]) == (3, 0, 0, 0)
    charges = lived.get("/v1/charges?limit=200").json["data"]
    charged = [c for c in charges if c["charge_code"] != "cage" and c["span"]["start"] < "2026-03-01T00:00:00Z"]
    # A cage is 90.00 for the 90 days from January to March: two have it for 45 days of the months, one for 27.
    assert total["current_amount"] == sum(charge["amount"] for charge in charged) + 2 * 4500 + 2700


def test_another_version_tells_who_would_pay_more_and_who_less(lived: Caller) -> None:
    new_version(lived, per_unit("rack", "320"), CHEAPER)
    found = simulated(lived, plan="colo", subscriptions=["big", "small"])
    told = lines(lived, found)
    by_code = {each["charge_code"]: each for each in told["big"]["charges"]}
    assert by_code["energy"] == {"charge_code": "energy", "current_amount": 35000, "simulated_amount": 28000}
    assert by_code["cage"]["simulated_amount"] is None
    # Three racks from 15 January: 17 of 31 days, and February.
    assert by_code["rack"] == {"charge_code": "rack", "current_amount": 139355, "simulated_amount": 148645}
    assert told["small"]["outcome"] == "winner"
    (total,) = found["totals"]
    assert total["difference_amount"] == sum(line["difference_amount"] for line in told.values())
    assert {c["external_id"] for c in total["most_winning"]} <= {"contoso", "child"}


def test_prices_that_nobody_sells_yet_may_be_tried(lived: Caller) -> None:
    rack = per_unit("rack", "100")
    found = simulated(lived, prices=[rack, CHEAPER], accounts=["other"])
    assert (found["plan_version"], found["prices"][0]["charge_code"]) == (None, "rack")
    charges = {each["charge_code"]: each["simulated_amount"] for each in lines(lived, found)["gone"]["charges"]}
    assert charges["energy"] == 1000
    assert lived.get(f"/v1/simulations/{found['id']}").json == found
    assert len(lived.get("/v1/plans").json["data"]) == 1


def test_who_is_chosen_is_named_by_account_with_all_below_by_plan_and_by_version(lived: Caller) -> None:
    def chosen(**body: Any) -> set[str]:
        return set(lines(lived, simulated(lived, plan="colo", **body)))

    version = lived.get("/v1/plans").json["data"][0]["version"]["id"]
    assert chosen() == chosen(plans=["colo"]) == chosen(plan_versions=[version]) == {"big", "small", "gone"}
    assert chosen(accounts=["contoso"]) == {"big", "small"}
    assert chosen(accounts=["contoso"], subscriptions=["small", "gone"]) == {"small"}


def test_a_customer_is_the_sum_of_its_subscriptions_and_the_total_of_customers_however_it_is_portioned(
    lived: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(lived, "other", start={"at": "2026-02-20T00:00:00Z"}, external_id="late")
    new_version(lived, per_unit("rack", "320"), CHEAPER)
    whole = results(lived, simulated(lived, plan="colo"))
    monkeypatch.setattr(simulation_prices, "MONTHS_AT_ONCE", 1)
    again = simulated(lived, plan="colo")
    read = results(lived, again)
    assert (read["customers"], read["totals"]) == (whole["customers"], whole["totals"])
    assert again["totals"] == whole["totals"]
    assert [c["subscriptions"] for c in whole["customers"]] == [1, 1, 2]
    for customer in whole["customers"]:
        for name in ("current_amount", "simulated_amount", "difference_amount"):
            assert customer[name] == sum(line[name] for line in customer["lines"])
    for name in ("current_amount", "simulated_amount", "difference_amount"):
        assert whole["totals"][0][name] == sum(customer[name] for customer in whole["customers"])


def test_results_come_as_csv_by_customer_or_by_subscription(lived: Caller) -> None:
    lived.patch(f"/v1/accounts/{lived.get('/v1/accounts?external_id=other').json['data'][0]['id']}", {"name": "=Other"})
    path = f"/v1/simulations/{simulated(lived, plan='colo')['id']}/results?format=csv"
    answer = lived.get(path)
    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    customers = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert [row["row"] for row in customers] == ["customer"] * 3 + ["total"]
    assert customers[2]["account_name"] == "'=Other"
    assert int(customers[3]["current_amount"]) == sum(int(row["current_amount"]) for row in customers[:3])
    by_subscription = list(csv.DictReader(io.StringIO(lived.get(f"{path}&rows=subscriptions").get_data(as_text=True))))
    assert [row["subscription_reference"] for row in by_subscription] == ["big", "small", "gone", ""]
    assert by_subscription[3]["current_amount"] == customers[3]["current_amount"]


def test_what_cannot_be_priced_is_told_and_the_others_go_on(lived: Caller) -> None:
    traffic_meter(lived)
    used(lived, {"id": lived.get("/v1/subscriptions?external_id=big").json["data"][0]["id"]}, "10",
         "2026-02-12T00:00:00Z", "traffic")  # fmt: skip
    steps = {"model": "stairstep", "tiers": [{"up_to": "1", "flat_price": "99"}]}
    found = simulated(lived, prices=[plan_price("rack", price=steps), TRAFFIC])
    told = lines(lived, found)
    assert [(o["charge_code"], o["code"]) for o in told["big"]["obstacles"]] == [("rack", "quantity_beyond_last_step")]
    assert [(o["charge_code"], o["code"]) for o in told["small"]["obstacles"]] == [("traffic", "usage_unknown")]
    assert told["big"]["current_amount"] is None
    (total,) = found["totals"]
    assert (total["subscriptions"], total["unpriced"], total["unpriced_customers"]) == (3, 3, 3)
    assumed = simulated(lived, prices=[plan_price("rack", price=steps), TRAFFIC], quantities={"traffic": "0"})
    assert assumed["totals"][0]["unpriced"] == 1


def test_prices_with_their_tax_in_them_are_not_held_against_prices_without(lived: Caller) -> None:
    found = simulated(lived, prices=[per_unit("rack", "100", tax_inclusive=True)])
    assert found["prices"][0]["tax_inclusive"] is True
    obstacles = [line["obstacles"] for line in lines(lived, found).values()]
    assert [[each["code"] for each in some] for some in obstacles] == [["tax_inclusive_differs"]] * 3


def test_a_bundle_is_tried_with_what_it_contains(lived: Caller) -> None:
    body = {"code": "pack", "name": "Pack", "kind": "bundle"}
    half = [{"plan": "colo", "discount": "50"}]
    lived.made("/v1/plans", {**body, "version": {"prices": [per_unit("pack", "10")], "components": half}})
    found = lines(lived, simulated(lived, plan="pack", months={"from": "2026-02", "to": "2026-02"}))["big"]
    charges = {each["charge_code"]: each["simulated_amount"] for each in found["charges"]}
    # Racks at half of 300.00, energy in full, one of the bundle's own; the cage is 28 of 76 days of half of 76.00.
    assert charges == {"rack": 45000, "energy": 10000, "pack": 1000, "cage": 1400}


def test_usage_goes_on_under_another_code(lived: Caller) -> None:
    power = plan_price("power", "usage", {"model": "per_unit", "unit_price": "1"}) | {"meter": "energy"}
    found = lines(lived, simulated(lived, prices=[power]))
    assert {each["charge_code"]: each["simulated_amount"] for each in found["big"]["charges"]}["power"] == 140000
    named = simulated(lived, prices=[power], charges_from={"power": "energy"}, quantities={"power": "7"})
    assert (named["charges_from"], named["quantities"]) == ({"power": "energy"}, {"power": "7"})
    assert lines(lived, named)["big"]["simulated_amount"] == found["big"]["simulated_amount"]


def test_many_are_left_to_the_workers_and_the_progress_is_told(
    lived: Caller, provider_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulations, "AT_ONCE_MOST", 1)
    monkeypatch.setattr(simulation_prices, "MONTHS_AT_ONCE", 4)
    found = simulated(lived, plan="colo")
    assert (found["status"], found["progress"]) == ("running", {"subscriptions": 3, "done": 0})
    ids = [decode("simulation", found["id"])]
    with unit(provider_id, actor="test") as ctx:
        assert simulations.work(ctx, *ids)
    path = f"/v1/simulations/{found['id']}"
    assert lived.get(path).json["progress"] == {"subscriptions": 3, "done": 2}
    job.work(provider_id, ids)
    done = lived.get(path).json
    assert (done["status"], done["progress"]["done"]) == ("done", 3)
    assert done["totals"] == results(lived, found)["totals"]
    job.work(provider_id, ids)
    assert lived.get(path).json == done


def test_nothing_is_stored_but_the_simulation(lived: Caller, house: House, provider_id: UUID) -> None:
    def stored() -> list[int | None]:
        with unit(provider_id, actor="test", within=house) as ctx:
            tables = (Charge, BilledSpan, Invoice, OutboxEvent)
            counts = [select(func.count()).where(table.provider_id == provider_id) for table in tables]
            return [ctx.session.scalar(count) for count in counts]

    before = stored()
    results(lived, simulated(lived, plan="colo", external_id="try-1"))
    assert stored() == before
    assert [s["external_id"] for s in lived.get("/v1/simulations").json["data"]] == ["try-1"]
    assert lived.get("/v1/simulations?external_id=try-2").json["data"] == []
    assert lived.post("/v1/simulations", {"months": MONTHS, "plan": "colo", "external_id": "try-1"}).status_code == 409


def test_what_is_tried_is_one_thing_that_exists(lived: Caller) -> None:
    unknown = "pver_01h455vb4pex5vsknk084sn02q"
    assert wrong(lived) == [("", "target_expected")]
    assert wrong(lived, plan="colo", prices=[per_unit("rack", "1")]) == [("/prices", "target_expected")]
    assert wrong(lived, plan_version=unknown) == [("/plan_version", "plan_version_unknown")]
    assert wrong(lived, plan_version="v2") == [("/plan_version", "plan_version_unknown")]
    assert wrong(lived, plan="nope") == [("/plan", "plan_unknown")]
    assert wrong(lived, plan="colo", version=9) == [("/version", "version_unknown")]
    assert wrong(lived, prices=[per_unit("rack", "1") | {"product": "nope"}]) == [
        ("/prices/0/product", "product_unknown")
    ]


def test_months_are_over_and_have_data(lived: Caller) -> None:
    def refused(first: str, last: str, **body: Any) -> list[tuple[str, str]]:
        target = {} if "prices" in body else {"plan": "colo"}
        return wrong(lived, months={"from": first, "to": last}, **target, **body)

    assert refused("2026-02", "2026-03") == [("/months/to", "months_not_over")]
    assert refused("2027-01", "2027-02") == [("/months/to", "months_not_over")]
    assert refused("2026-02", "2026-01") == [("/months/to", "months_reversed")]
    assert refused("2022-01", "2026-01") == [("/months/to", "too_many_months")]
    assert refused("2025-12", "2026-01") == [("/months/from", "months_without_data")]
    assert refused("0001-01", "9999-12") == [("/months/from", "month_malformed"), ("/months/to", "month_malformed")]
    assert refused("2999-12", "2999-12") == [("/months/to", "months_not_over")]
    assert refused("2000-01", "2000-01") == [("/months/from", "months_without_data")]
    assert refused("2026-1", "2026-13") == [("/months/from", "month_malformed"), ("/months/to", "month_malformed")]
    traffic_meter(lived)
    assert refused("2026-01", "2026-02", prices=[TRAFFIC]) == [("/months", "months_without_data")]
    assert refused("2026-02", "2026-02", subscriptions=["gone"]) == [("/months", "months_without_data")]
    subscribe(lived, "other", start={"at": "2026-03-01T00:00:00Z"}, external_id="late")
    assert refused("2026-02", "2026-02", subscriptions=["big", "late"]) == [("/subscriptions/1", "months_without_data")]


def test_who_is_chosen_exists(lived: Caller) -> None:
    body = {"plan": "colo", "subscriptions": ["big", "nope"], "accounts": ["nope"], "plans": ["colo", "nope"]}
    assert wrong(lived, **body) == [
        ("/subscriptions/1", "subscription_unknown"),
        ("/accounts/0", "account_unknown"),
        ("/plans/1", "plan_unknown"),
    ]
    make_plan(lived, per_unit("other", "1"), code="unsold")
    assert wrong(lived, plan="colo", plans=["unsold"]) == [("/plans", "nothing_chosen")]


def test_prices_are_in_the_currency_of_the_contracts(lived: Caller) -> None:
    dollars = per_unit("rack", "1") | {"currencies": {"USD": {"model": "flat", "amount_price": "1"}}}
    assert wrong(lived, prices=[dollars]) == [("/prices", "currency_not_offered")]
    assert wrong(lived, prices=[dollars], subscriptions=["big"]) == [("/subscriptions/0", "currency_not_offered")]


def test_what_is_assumed_is_about_what_is_tried(lived: Caller) -> None:
    tariff = {
        "model": "time_of_use",
        "time_zone": "UTC",
        "bands": [{"name": "day", "from": "07:00", "to": "23:00", "unit_price": "1"}],
        "otherwise": {"name": "night", "unit_price": "1"},
    }
    body = {"plan": "colo", "quantities": {"nope": "1"}, "charges_from": {"a/b": "energy"}}
    assert wrong(lived, **body) == [
        ("/quantities/nope", "charge_code_unknown"),
        ("/charges_from/a~1b", "charge_code_unknown"),
    ]
    assert wrong(lived, plan="colo", quantities={"rack": "-1"}) == [("/quantities/rack", "quantity_negative")]
    assert wrong(lived, prices=[plan_price("energy", "usage", tariff)], quantities={"energy": "5"}) == [
        ("/quantities/energy", "usage_needs_time")
    ]


def test_a_simulation_is_about_the_provider_as_a_whole(lived: Caller, new_caller: NewCaller, stranger: Caller) -> None:
    found = simulated(lived, plan="colo")
    account = lived.get("/v1/accounts?external_id=contoso").json["data"][0]["id"]
    customer = new_caller(account_id=decode("account", account))
    for path in ("/v1/simulations", f"/v1/simulations/{found['id']}", f"/v1/simulations/{found['id']}/results"):
        assert customer.get(path).status_code == 403
    assert customer.post("/v1/simulations", {"months": MONTHS, "plan": "colo"}).status_code == 403
    assert stranger.get(f"/v1/simulations/{found['id']}").status_code == 404
    assert stranger.get(f"/v1/simulations/{found['id']}/results").status_code == 404
    assert new_caller(scopes=["catalog:read"]).post("/v1/simulations", {}).status_code == 403
