"""Moving subscriptions to a new version over HTTP: previewed, started, at a date or at renewal, withdrawn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from core.ids import decode
from services import version_migration_steps, version_migrations
from tests.api.conftest import Caller, NewCaller
from tests.api.test_ordering_parts import billed, make, per_unit, wrong
from tests.builders.catalog import ENERGY, make_catalog, make_plan, plan_price
from tests.builders.sandbox import pass_time

NOW, FEBRUARY, MARCH = "2026-01-15T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
CHEAPER = plan_price("energy", "usage", {"model": "per_unit", "unit_price": "0.2"})


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


@pytest.fixture
def shop(client: Caller) -> Caller:
    """The plan `colo` (racks at 300, a cage at 90 a quarter, energy at 0.25) and two accounts, one below the other."""
    make_catalog(client)
    quarterly = plan_price("cage", price={"model": "flat", "amount_price": "90"}, interval={"unit": "quarter"})
    energy = plan_price("energy", "usage", {"model": "per_unit", "unit_price": "0.25"})
    make_plan(client, per_unit("rack", "300"), quarterly, energy)
    body = {"currency": "EUR", "country": "NL", "time_zone": "UTC"}
    client.made("/v1/accounts", {**body, "name": "Contoso", "external_id": "contoso"})
    client.made("/v1/accounts", {**body, "name": "Child", "external_id": "child", "parent": "contoso"})
    client.made("/v1/accounts", {**body, "name": "Other", "external_id": "other"})
    return client


@pytest.fixture
def advance(shop: Caller, provider_id: UUID) -> Callable[[str], None]:
    """Let time pass in the sandbox, with all that falls due."""

    def go(to: str) -> None:
        pass_time(shop, provider_id, to)

    return go


def subscribe(client: Caller, account: str = "contoso", **more: Any) -> Any:
    """A subscription that runs from today."""
    order = {"account": account, "plan": "colo", "start": {"at": NOW}, **more}
    return client.made("/v1/subscriptions", order)


def new_version(client: Caller, *prices: Any, code: str = "colo", **more: Any) -> str:
    """A further version of a plan; where moves to it are made."""
    plan = next(plan for plan in client.get("/v1/plans").json["data"] if plan["code"] == code)
    made = client.made(f"/v1/plans/{plan['id']}/versions", {"prices": list(prices), **more})
    return f"/v1/plans/{plan['id']}/versions/{made['number']}/migrations"


def results(client: Caller, migration: Any, query: str = "") -> dict[str, Any]:
    """The subscriptions of a move, by id."""
    found: Any = client.get(f"/v1/version-migrations/{migration['id']}/subscriptions{query}").json
    return {each["subscription"]: each for each in found["data"]}


def version_of(client: Caller, subscription: Any) -> int:
    shown: Any = client.get(f"/v1/subscriptions/{subscription['id']}").json
    number: int = shown["version"]
    return number


def test_a_preview_tells_who_pays_more_and_who_less_and_changes_nothing(shop: Caller, advance: Any) -> None:
    big, small = subscribe(shop, quantities={"rack": "3"}), subscribe(shop, "other")
    for subscription, kwh in ((big, "1000"), (small, "2000")):
        usage = {"id": subscription["id"], "subscription": subscription["id"], "meter": "energy", "quantity": kwh}
        shop.made("/v1/usage/events", {"events": [{**usage, "at": NOW}]})
    advance("2026-02-01T02:00:00Z")
    path = new_version(shop, per_unit("rack", "320"), CHEAPER)
    move = shop.made(path, {"effective": {"at": MARCH}, "preview": True})
    assert (move["status"], move["counts"], move["version"]) == ("previewed", {"previewed": 2}, 2)
    found = results(shop, move)
    assert found[big["id"]]["before"] == {"recurring_amount": 93000, "usage_amount": 25000, "total_amount": 118000}
    assert found[big["id"]]["after"] == {"recurring_amount": 96000, "usage_amount": 20000, "total_amount": 116000}
    assert found[small["id"]]["before"] == {"recurring_amount": 33000, "usage_amount": 50000, "total_amount": 83000}
    assert found[small["id"]]["after"] == {"recurring_amount": 32000, "usage_amount": 40000, "total_amount": 72000}
    (total,) = move["totals"]
    assert (total["paying_less"], total["paying_more"], total["difference_amount"]) == (2, 0, -13000)
    assert list(results(shop, move, "?pays=less&limit=1")) == [min(big["id"], small["id"])]
    assert results(shop, move, "?pays=more") == {}
    assert shop.get(f"/v1/subscriptions/{big['id']}/changes").json["data"] == []
    assert version_of(shop, big) == 1


def test_what_is_started_moves_at_its_date_and_is_billed_at_the_new_prices(shop: Caller, advance: Any) -> None:
    made = subscribe(shop, quantities={"rack": "3"})
    path = new_version(shop, per_unit("rack", "320"), CHEAPER)
    move = shop.made(path, {"effective": {"at": FEBRUARY}, "preview": True})
    started = shop.made(f"/v1/version-migrations/{move['id']}/start", {})
    assert (started["status"], started["counts"]) == ("done", {"scheduled": 1})
    (change,) = shop.get(f"/v1/subscriptions/{made['id']}/changes").json["data"]
    assert (change["effective_at"], change["id"]) == (FEBRUARY, results(shop, move)[made["id"]]["change"])
    advance("2026-02-01T02:00:00Z")
    assert version_of(shop, made) == 2
    assert results(shop, move)[made["id"]]["state"] == "done"
    assert ("rack", "recurring", 96000) in billed(shop, made)
    shown = shop.get(f"/v1/subscriptions/{made['id']}").json
    assert shown["quantities"] == {"rack": "3"}  # kept; the cage, which the version lacks, has ended


def test_without_a_preview_the_changes_are_scheduled_at_once(shop: Caller, advance: Any) -> None:
    made = subscribe(shop)
    path = new_version(shop, per_unit("rack", "320"))
    move = shop.made(path, {"effective": "now"})
    assert (move["status"], move["counts"], move["effective"]) == ("done", {"scheduled": 1}, "now")
    advance("2026-01-15T00:00:01Z")
    assert version_of(shop, made) == 2


def test_at_renewal_is_the_end_of_the_term_or_else_of_the_period(shop: Caller) -> None:
    term = {"interval": {"unit": "month", "count": 6}, "renewal": "renew"}
    fixed, open_ended = subscribe(shop, term=term), subscribe(shop, "other")
    path = new_version(shop, per_unit("rack", "320"), ENERGY)
    found = results(shop, shop.made(path, {"effective": "renewal"}))
    assert found[fixed["id"]]["effective_at"] == "2026-07-15T00:00:00Z"
    assert found[open_ended["id"]]["effective_at"] == "2026-04-01T00:00:00Z"  # its quarter ends last


def test_versions_and_accounts_with_all_below_them_are_chosen(shop: Caller) -> None:
    first, below, other = subscribe(shop), subscribe(shop, "child"), subscribe(shop, "other")
    second = new_version(shop, per_unit("rack", "320"))
    shop.made(second, {"effective": {"at": FEBRUARY}, "accounts": ["other"]})
    chosen = shop.made(second, {"effective": {"at": FEBRUARY}, "accounts": ["contoso"], "preview": True})
    assert set(results(shop, chosen)) == {first["id"], below["id"]}
    third = new_version(shop, per_unit("rack", "330"))
    none = shop.made(third, {"effective": {"at": FEBRUARY}, "from_versions": [2], "preview": True})
    assert (results(shop, none), none["filter"]["from_versions"]) == ({}, [2])
    assert set(results(shop, shop.made(third, {"effective": {"at": FEBRUARY}, "preview": True}))) == {
        first["id"],
        below["id"],
        other["id"],
    }


def test_a_move_is_withdrawn_for_those_that_have_not_moved(shop: Caller, advance: Any) -> None:
    make_plan(shop, per_unit("rack", "300"), code="mono")
    soon, later = subscribe(shop, plan="mono"), subscribe(shop, "other", plan="mono", anchor="anniversary")
    path = new_version(shop, per_unit("rack", "320"), code="mono")
    move = shop.made(path, {"effective": "period_end"})
    advance("2026-02-02T00:00:00Z")
    assert (version_of(shop, soon), version_of(shop, later)) == (2, 1)
    gone = shop.made(f"/v1/version-migrations/{move['id']}/withdraw", {})
    assert gone["status"] == "withdrawn"
    states = {key: each["state"] for key, each in results(shop, move).items()}
    assert states == {soon["id"]: "done", later["id"]: "withdrawn"}
    advance("2026-02-16T00:00:00Z")
    assert version_of(shop, later) == 1
    assert refused(shop.post(f"/v1/version-migrations/{move['id']}/start", {})) == (409, "migration_withdrawn")


def test_one_change_of_a_move_may_be_withdrawn_alone(shop: Caller, advance: Any) -> None:
    one, other = subscribe(shop), subscribe(shop, "other")
    path = new_version(shop, per_unit("rack", "320"))
    move = shop.made(path, {"effective": {"at": FEBRUARY}})
    change = results(shop, move)[one["id"]]["change"]
    assert shop.delete(f"/v1/subscriptions/{one['id']}/changes/{change}").status_code == 204
    advance("2026-02-01T02:00:00Z")
    assert (version_of(shop, one), version_of(shop, other)) == (1, 2)
    assert set(results(shop, move, "?state=withdrawn")) == {one["id"]}


def test_who_left_the_plan_meanwhile_is_not_brought_back(shop: Caller, advance: Any) -> None:
    made = subscribe(shop)
    make_plan(shop, per_unit("hall", "900"), code="hall")
    path = new_version(shop, per_unit("rack", "320"))
    move = shop.made(path, {"effective": {"at": FEBRUARY}})
    shop.made(f"/v1/subscriptions/{made['id']}/changes", {"effective": "now", "plan": "hall"})
    advance("2026-02-01T02:00:00Z")
    result = results(shop, move)[made["id"]]
    assert (result["state"], result["reason"]) == ("failed", "change_failed")
    assert [item["charge_code"] for item in shop.get(f"/v1/subscriptions/{made['id']}").json["items"]] == ["hall"]


def test_an_add_on_and_a_bundle_s_component_move_and_what_they_stand_on_stays(shop: Caller, advance: Any) -> None:
    make(shop, "ips", "add_on", per_unit("ips", "10"))
    make(shop, "pack", "bundle", components=[{"plan": "colo", "discount": "50"}])
    made = subscribe(shop, plan="pack", add_ons=[{"plan": "ips", "quantity": "4"}])
    for code, price in (("ips", per_unit("ips", "12")), ("colo", per_unit("rack", "320"))):
        path = new_version(shop, price, code=code)
        move = shop.made(path, {"effective": {"at": FEBRUARY}})
        result = results(shop, move)[made["id"]]
        assert (result["state"], result["from_version"]) == ("scheduled", 1)
    assert result["before"]["recurring_amount"] == 15000 + 1500 + 4000
    assert result["after"]["recurring_amount"] == 16000 + 4000
    advance("2026-02-01T02:00:00Z")
    shown = shop.get(f"/v1/subscriptions/{made['id']}").json
    assert [part["version"] for part in (*shown["components"], *shown["add_ons"])] == [2, 2]
    assert {item["charge_code"]: (item["quantity"], item["discount"]) for item in shown["items"]} == {
        "rack": ("1", "50"),
        "ips": ("4", "0"),
    }
    assert ("rack", "recurring", 16000) in billed(shop, made)
    assert ("ips", "recurring", 4800) in billed(shop, made)


def test_a_bundle_moves_as_a_whole_and_keeps_quantities(shop: Caller, advance: Any) -> None:
    make(shop, "pack", "bundle", components=[{"plan": "colo", "discount": "50"}])
    made = subscribe(shop, plan="pack", quantities={"rack": "3"})
    make_plan(shop, per_unit("traffic", "100"), code="transit")
    components = [
        {"plan": "colo", "discount": "40", "quantities": {"rack": "1"}},
        {"plan": "transit", "quantities": {"traffic": "2"}},
    ]
    path = new_version(shop, code="pack", components=components)
    result = results(shop, shop.made(path, {"effective": {"at": FEBRUARY}}))[made["id"]]
    assert result["before"]["recurring_amount"] == 45000 + 1500
    assert result["after"]["recurring_amount"] == 54000 + 1800 + 20000
    advance("2026-02-01T02:00:00Z")
    shown = shop.get(f"/v1/subscriptions/{made['id']}").json
    assert {item["charge_code"]: (item["quantity"], item["discount"]) for item in shown["items"]} == {
        "rack": ("3", "40"),
        "cage": ("1", "40"),
        "energy": ("0", "0"),
        "traffic": ("2", "0"),
    }


def test_who_cannot_move_is_named_with_the_reason_and_the_others_move(shop: Caller) -> None:
    pending = subscribe(shop, start={"on": "provisioned"})
    clash = subscribe(shop, "other")
    make(shop, "ips", "add_on", per_unit("ips", "10"))
    shop.made(f"/v1/subscriptions/{clash['id']}/changes", {"effective": "now", "add_ons": {"add": [{"plan": "ips"}]}})
    fine = subscribe(shop, "child")
    path = new_version(shop, per_unit("rack", "320"), per_unit("ips", "1"))
    found = results(shop, shop.made(path, {"effective": {"at": FEBRUARY}}))
    assert {key: each["reason"] for key, each in found.items()} == {
        pending["id"]: "subscription_not_started",
        clash["id"]: "charge_code_collision",
        fine["id"]: None,
    }


def test_chunks_that_are_killed_are_done_again_and_nothing_twice(
    shop: Caller, open_unit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [subscribe(shop, account) for account in ("contoso", "child", "other")]
    monkeypatch.setattr(version_migrations, "AT_ONCE_MOST", 0)
    monkeypatch.setattr(version_migration_steps, "CHUNK", 2)
    path = new_version(shop, per_unit("rack", "320"))
    move = shop.made(path, {"effective": {"at": FEBRUARY}})
    assert (move["status"], move["counts"]) == ("previewing", {"pending": 3})
    migration_id = decode("version_migration", move["id"])
    for _ in range(20):
        with contextlib.suppress(KeyboardInterrupt), open_unit() as ctx:
            version_migration_steps.work(ctx, migration_id)
            raise KeyboardInterrupt  # a chunk that is killed before it is committed
        with open_unit() as ctx:
            if not version_migration_steps.work(ctx, migration_id):
                break
    shown = shop.get(f"/v1/version-migrations/{move['id']}").json
    assert (shown["status"], shown["counts"]) == ("done", {"scheduled": 3})
    for subscription in made:
        assert len(shop.get(f"/v1/subscriptions/{subscription['id']}/changes").json["data"]) == 1


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"effective": "soon"}, "/effective", "effective_unknown"),
        ({"effective": {"at": "2026-01-14T00:00:00Z"}}, "/effective/at", "effective_in_past"),
        ({"effective": {"at": "2037-01-14T00:00:00Z"}}, "/effective/at", "effective_out_of_range"),
        ({"from_versions": [7]}, "/from_versions/0", "version_unknown"),
        ({"from_versions": [1, 2]}, "/from_versions/1", "version_is_target"),
        ({"accounts": ["contoso", "nobody"]}, "/accounts/1", "account_unknown"),
    ],
)
def test_a_wrong_move_is_refused_at_its_member(shop: Caller, change: Any, pointer: str, code: str) -> None:
    path = new_version(shop, per_unit("rack", "320"))
    answer = shop.post(path, {"effective": "now", **change})
    assert wrong(answer) == [(pointer, code)]
    assert shop.get(path).json["data"] == []


def test_a_version_that_is_not_offered_yet_is_moved_to_later(shop: Caller) -> None:
    subscribe(shop)
    path = new_version(shop, per_unit("rack", "320"), effective_at=MARCH)
    assert wrong(shop.post(path, {"effective": {"at": FEBRUARY}})) == [("/effective/at", "version_not_offered")]
    assert shop.made(path, {"effective": {"at": MARCH}})["counts"] == {"scheduled": 1}


def test_versions_are_named_by_number_or_id_and_others_do_not_exist(
    shop: Caller, stranger: Caller, new_caller: NewCaller
) -> None:
    path = new_version(shop, per_unit("rack", "320"))
    plan = path.split("/versions/")[0]
    second = shop.get(f"{plan}/versions").json["data"][0]["id"]
    move = shop.made(f"{plan}/versions/{second}/migrations", {"effective": "now"})
    assert shop.get(path).json["data"] == [move]
    assert refused(shop.post(f"{plan}/versions/9/migrations", {"effective": "now"})) == (404, "plan_version_not_found")
    assert stranger.post(path, {"effective": "now"}).status_code == 404
    assert stranger.get(f"/v1/version-migrations/{move['id']}").status_code == 404
    assert stranger.get(f"/v1/version-migrations/{move['id']}/subscriptions").status_code == 404
    assert new_caller(scopes=["catalog:read"]).post(path, {"effective": "now"}).status_code == 403


def test_a_credential_of_an_account_sees_no_move_since_it_sums_up_what_all_customers_pay(
    shop: Caller, new_caller: NewCaller
) -> None:
    subscribe(shop, "contoso")
    subscribe(shop, "other")
    moves = new_version(shop, per_unit("rack", "330"))
    move = shop.made(moves, {"effective": "renewal", "preview": True})
    account: Any = shop.get("/v1/accounts?external_id=contoso").json["data"][0]
    customer = new_caller(account_id=decode("account", account["id"]))
    paths = (moves, *(f"/v1/version-migrations/{move['id']}{rest}" for rest in ("", "/subscriptions")))
    assert [customer.get(path).status_code for path in paths] == [403, 403, 403]
