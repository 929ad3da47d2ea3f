"""Usage as it is looked at over HTTP: hours, days and months, the amount so far, and who may see it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import update

from core.ids import decode
from core.period import parse_instant
from models import providers
from tests.api.conftest import Caller, NewCaller
from tests.builders.catalog import make_plan, plan_price
from tests.builders.usage import codes, event, reading, subscription, used
from tests.conftest import Open


@pytest.fixture
def set_clock(open_unit: Open) -> Callable[[str], None]:
    def move(now: str) -> None:
        with open_unit() as ctx:
            clock = update(providers.TestClock).where(providers.TestClock.provider_id == ctx.provider.id)
            ctx.session.execute(clock.values(now=parse_instant(now)))

    return move


def test_a_day_of_readings_becomes_usage_and_an_amount(metered: Caller) -> None:
    receipt = metered.made(
        "/v1/usage/readings",
        {"readings": [reading(f"{h:02}:00", f"{1000 + 2 * h}") for h in range(24)]},
    )
    assert receipt == {"accepted": 24, "duplicates": 0, "rejected": []}
    usage = used(metered, "from=2026-01-14T00:00:00Z&to=2026-01-15T00:00:00Z&group_by=hour")
    (item,) = usage["items"]
    assert (item["charge_code"], item["meter"], item["unit"], item["quantity"]) == ("energy", "energy", "kWh", "46")
    assert item["quality"] == {
        "measured": "46",
        "interpolated": "0",
        "estimated": "0",
        "substituted": "0",
        "invalid": "0",
    }
    assert [s["quantity"] for s in item["slots"]] == ["2"] * 23 + ["0"]
    assert item["slots"][0]["span"] == {"start": "2026-01-14T00:00:00Z", "end": "2026-01-14T01:00:00Z"}


def test_the_amount_so_far_is_what_would_be_billed_now(metered: Caller, set_clock: Callable[[str], None]) -> None:
    set_clock("2026-01-20T00:00:00Z")
    readings = [reading(f"2026-01-{d:02}T00:00:00Z", f"{(d - 15) * 40}") for d in range(15, 21)]
    metered.made("/v1/usage/readings", {"readings": readings})
    usage = used(metered)  # this month: 200 kWh, the first 100 at 0.30, the others at 0.25
    assert (usage["items"][0]["quantity"], usage["amount"], usage["currency"]) == ("200", 5500, "EUR")
    assert usage["amounts"][0]["until"] == "2026-01-20T00:00:00Z"
    february = used(metered, "from=2026-02-01T00:00:00Z")
    assert (february["amount"], february["items"][0]["quantity"]) == (0, "0")


def test_days_and_months_are_local_to_the_subscription(client: Caller, set_clock: Callable[[str], None]) -> None:
    client.made("/v1/products", {"code": "colocation", "name": "Colocation"})
    client.made("/v1/meters", {"code": "energy", "name": "Energy", "unit": "kWh", "aggregation": "sum"})
    make_plan(client, plan_price("energy", "usage"))
    account = {"name": "A", "currency": "EUR", "country": "IN", "time_zone": "Asia/Kolkata", "external_id": "acc"}
    client.made("/v1/accounts", account)
    client.made(
        "/v1/subscriptions",
        {"account": "acc", "plan": "colo", "start": {"at": "2026-01-15T00:00:00Z"}, "external_id": "sub-a"},
    )
    events = [event(str(h), at=f"2026-01-14T{h:02}:15:00Z", quantity="1") for h in range(24)]
    client.made("/v1/usage/events", {"events": events})
    days = used(client, "from=2026-01-13T18:30:00Z&to=2026-01-15T18:30:00Z&group_by=day")["items"][0]["slots"]
    assert [(s["span"]["start"], s["quantity"]) for s in days] == [
        ("2026-01-13T18:30:00Z", "19"),  # until 18:30 UTC, midnight in India
        ("2026-01-14T18:30:00Z", "5"),
    ]


def test_a_poll_lost_over_a_month_end_gives_each_month_its_part(
    metered: Caller, set_clock: Callable[[str], None]
) -> None:
    set_clock("2026-02-01T12:00:00Z")
    rows = [reading("2026-01-31T22:00:00Z", "1000"), reading("2026-02-01T04:00:00Z", "1012")]
    metered.made("/v1/usage/readings", {"readings": rows})
    slots = used(metered, "from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z&group_by=month")["items"][0]["slots"]
    # The subscription's month ends at 23:00 UTC, midnight in Amsterdam; what was asked for ends in the third.
    assert [(s["quantity"], s["quality"]["interpolated"]) for s in slots] == [("2", "2"), ("10", "10"), ("0", "0")]


def test_usage_of_others_does_not_exist(metered: Caller, stranger: Caller, new_caller: NewCaller) -> None:
    path = f"/v1/subscriptions/{subscription(metered)}/usage"
    (other,) = metered.get("/v1/accounts?external_id=acc-b").json["data"]
    neighbour = new_caller(account_id=decode("account", other["id"]))
    assert stranger.get(path).status_code == 404
    assert neighbour.get(path).status_code == 404
    assert codes(stranger.made("/v1/usage/events", {"events": [event("e1")]})) == [(0, "subscription_unknown")]
    assert neighbour.post("/v1/usage/events", {"events": [event("e1")]}).status_code == 403
    assert codes(stranger.made("/v1/usage/readings", {"readings": [reading("00:00", "1")]})) == [(0, "point_unknown")]
    assert new_caller(["usage:read"]).post("/v1/usage/events", {"events": []}).status_code == 403


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z", "span_empty"),
        ("from=2020-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&group_by=hour", "too_many_slots"),
        ("from=0001-01-01T00:00:00Z", "instant_out_of_range"),
        ("group_by=week", "not_one_of"),
        ("from=today", "instant_malformed"),
    ],
)
def test_a_stretch_that_cannot_be_shown_is_refused(metered: Caller, query: str, code: str) -> None:
    answer = metered.get(f"/v1/subscriptions/{subscription(metered)}/usage?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, code)
