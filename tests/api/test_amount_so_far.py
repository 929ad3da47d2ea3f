"""The amount so far is what billing makes of the running span: whole, by its own rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.builders.sandbox import Sandbox

UNIT = {"model": "per_unit", "unit_price": "0.5"}


@pytest.fixture
def sandbox(client: Caller) -> Sandbox:
    return Sandbox(client, zone="Europe/Amsterdam")


def amount(sandbox: Sandbox, subscription: str, query: str = "") -> int:
    found: int = sandbox.client.get(f"/v1/subscriptions/{subscription}/usage{query}").json["amount"]
    return found


@pytest.mark.parametrize(
    ("price", "so_far", "billed"),
    [
        (UNIT, 5000, 10000),
        (UNIT | {"included": "60"}, 2000, 7000),
        (UNIT | {"minimum_amount_price": "80"}, 8000, 10000),
        (UNIT | {"maximum_amount_price": "70"}, 5000, 7000),
        (UNIT | {"multiplier": "1.4", "round_quantity": {"mode": "up", "to": "100"}}, 10000, 15000),
        (UNIT | {"commitment": {"quantity": "150", "overage": UNIT, "take_or_pay": True}}, 7500, 10000),
        (
            {"model": "graduated", "tiers": [{"up_to": "100", "unit_price": "1"}, {"up_to": None, "unit_price": "2"}]},
            10000,
            30000,
        ),
        (
            {
                "model": "time_of_use",
                "time_zone": "Europe/Amsterdam",
                "bands": [{"name": "peak", "days": ["wed"], "from": "07:00", "to": "23:00", "unit_price": "0.4"}],
                "otherwise": {"name": "off_peak", "unit_price": "0.2"},
            },
            4000,
            6000,
        ),
    ],
)
def test_a_running_span_is_rated_whole_and_grows_into_what_is_billed(
    sandbox: Sandbox, price: dict[str, Any], so_far: int, billed: int
) -> None:
    subscription = sandbox.subscribe(sandbox.plan(price), "2025-12-31T23:00:00Z")
    sandbox.advance("2026-01-14T12:00:00Z")
    sandbox.use(subscription, "2026-01-14T12:00:00Z", "100")
    assert amount(sandbox, subscription) == so_far
    sandbox.advance("2026-01-31T22:59:00Z")
    sandbox.use(subscription, "2026-01-31T22:00:00Z", "100")
    assert amount(sandbox, subscription) == billed
    sandbox.advance("2026-02-01T02:00:00Z")
    assert sandbox.amounts() == [[("usage", billed)]]
    january = "?from=2025-12-31T23:00:00Z&to=2026-01-31T23:00:00Z"
    assert amount(sandbox, subscription, january) == billed


def test_a_span_that_is_to_end_early_is_rated_with_its_share(sandbox: Sandbox) -> None:
    """Half of January is agreed: half of what is included is free, now as when it is billed."""
    plan = sandbox.plan(UNIT | {"included": "62"}, proration="second")
    subscription = sandbox.subscribe(plan, "2025-12-31T23:00:00Z")
    end = {"effective": {"at": "2026-01-16T11:00:00Z"}, "cancel": True}
    assert sandbox.client.post(f"/v1/subscriptions/{subscription}/changes", end).status_code in (200, 201)
    sandbox.advance("2026-01-14T12:00:00Z")
    sandbox.use(subscription, "2026-01-14T12:00:00Z", "100")
    running = amount(sandbox, subscription)
    sandbox.advance("2026-02-01T02:00:00Z")
    ((line,),) = sandbox.amounts()
    assert line == ("usage", 3450)
    assert running == 1900  # an end that is put down counts when it has come


def test_what_lies_ahead_of_the_clock_does_not_count_yet(sandbox: Sandbox) -> None:
    subscription = sandbox.subscribe(sandbox.plan(UNIT), "2025-12-31T23:00:00Z")
    sandbox.advance("2026-01-14T12:00:00Z")
    sandbox.use(subscription, "2026-01-14T12:00:01Z", "100")
    assert amount(sandbox, subscription) == 0
    sandbox.advance("2026-01-14T12:00:01Z")
    assert amount(sandbox, subscription) == 5000
