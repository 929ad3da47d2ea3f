"""Previews and dry runs that look ahead: what is scheduled happens, as it will when its time comes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from models.payments import PaymentMethod
from services import runs_on_request
from tests.api.conftest import Caller, app, client, new_caller
from tests.builders.catalog import ENERGY, RACK, plan_price
from tests.builders.contracts import advance, change, charged, furnish, subscribe
from tests.conftest import Open
from tests.scenarios.test_trials import attach_card, use

__all__ = ["app", "client", "new_caller"]

APRIL = "2026-04-01T00:30:00Z"


def shown(lines: Any) -> list[tuple[str, str, str, str, int]]:
    """Lines as `charged` shows charges."""
    return sorted(
        (x["charge_code"], x["kind"], x["span"]["start"][:10], x["span"]["end"][:10], x["amount"]) for x in lines
    )


def previewed(client: Caller, subscription: str, effective: Any = "now", **what: Any) -> Any:
    return shown(
        client.made(f"/v1/subscriptions/{subscription}/preview-change", {"effective": effective, **what})["lines"]
    )


def dry(client: Caller, as_of: str) -> Any:
    """The lines of a dry run."""
    found = client.made("/v1/billing-runs", {"dry_run": True, "as_of": as_of})
    return shown(line for document in found["invoices"] for line in document["lines"])


def dry_after(client: Caller, subscription: str, quantities: dict[str, str]) -> Any:
    """The lines of a dry run once quantities are changed."""
    change(client, subscription, quantities=quantities)
    return dry(client, APRIL)


def sums(lines: list[tuple[str, str, str, str, int]]) -> dict[str, int]:
    """By charge code: what was billed ahead and given back later is in no preview."""
    found: dict[str, int] = {}
    for code, *_, amount in lines:
        found[code] = found.get(code, 0) + amount
    return found


def at(day: str) -> dict[str, str]:
    return {"at": f"2026-{day}T00:00:00Z"}


def test_a_scheduled_pause_ends_in_a_preview_when_it_will(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client)
    change(client, key, at("02-10"), pause={"until": "2026-02-20T00:00:00Z"})
    promised = previewed(client, key, quantities={"rack": "2"}, as_of=APRIL)
    assert promised == dry_after(client, key, {"rack": "2"})
    advance(client, provider_id, APRIL)
    assert sums(charged(client)) == sums(promised)
    assert ("rack", "recurring", "2026-02-20", "2026-03-01", 19929) in promised  # 9 of 28 days of 620


def test_a_scheduled_change_that_will_fail_changes_nothing_in_a_preview(client: Caller, provider_id: UUID) -> None:
    """What is paused by then is not paused again, so the second pause's end comes to nothing too."""
    furnish(client, "UTC", RACK, plan_price("port"))
    key = subscribe(client)
    change(client, key, at("02-05"), pause=True)
    change(client, key, at("02-10"), pause={"until": "2026-02-20T00:00:00Z"})
    promised = previewed(client, key, quantities={"port": "2"}, as_of=APRIL)
    assert promised == dry_after(client, key, {"port": "2"}) != []
    advance(client, provider_id, APRIL)
    assert sums(charged(client)) == sums(promised)
    assert max(end for *_, end, _ in promised) == "2026-02-05"


def test_a_trial_without_its_payment_method_is_not_billed_ahead(
    client: Caller, provider_id: UUID, open_unit: Open
) -> None:
    furnish(client, "UTC", RACK)
    attach_card(open_unit)
    key = subscribe(client, trial={"days": 14, "requires_payment_method": True})
    assert previewed(client, key, quantities={"rack": "2"}, as_of=APRIL) != []
    with open_unit() as ctx:
        ctx.session.execute(update(PaymentMethod).values(status="detached"))
    assert previewed(client, key, quantities={"rack": "2"}, as_of=APRIL) == dry(client, APRIL) == []
    advance(client, provider_id, APRIL)
    assert charged(client) == []


@pytest.mark.parametrize(
    "scheduled",
    [{"cancel": True}, {"quantities": {"rack": "3"}}, {"pause": {"until": "2026-03-05T00:00:00Z"}}],
    ids=lambda what: next(iter(what)),
)
def test_a_dry_run_ahead_does_what_is_scheduled_until_then(
    client: Caller, provider_id: UUID, scheduled: dict[str, Any]
) -> None:
    furnish(client)
    key = subscribe(client)
    later = subscribe(client, start=at("02-20"))
    advance(client, provider_id, "2026-02-05T00:00:00Z")  # February is billed, beyond the change
    billed = sums(charged(client))
    change(client, key, at("02-10"), **scheduled)
    expected = dry(client, APRIL)
    assert client.get(f"/v1/subscriptions/{later}").json["status"] == "pending"  # nothing of it was done
    assert len(client.get(f"/v1/subscriptions/{key}/changes").json["data"]) == 1
    advance(client, provider_id, APRIL)
    come = sums(charged(client))
    assert {code: come[code] - billed.get(code, 0) for code in come} == sums(expected)
    assert ("rack", "recurring", "2026-02-20", "2026-03-01", 9964) in expected  # 9 of 28 days
    assert any(kind == "credit" for _, kind, *_ in expected)


def test_a_dry_run_ahead_is_refused_where_too_much_would_change(
    client: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each change is done as it will be, which takes its time; what is due now needs none of it."""
    furnish(client)
    for key in (subscribe(client), subscribe(client)):
        change(client, key, at("02-10"), cancel=True)
    monkeypatch.setattr(runs_on_request, "CHANGING_MOST", 1)
    assert sums(dry(client, "2026-02-09T00:00:00Z"))["setup"] == 19800
    answers = (
        client.post("/v1/billing-runs", {"dry_run": True, "as_of": APRIL}),
        client.get(f"/v1/accounts/{client.get('/v1/accounts').json['data'][0]['id']}/pro-forma?as_of={APRIL}"),
    )
    refused = [(answer.status_code, answer.json["code"]) for answer in answers]
    assert refused == [(422, "too_many_changes")] * 2
    assert [answer.json["errors"][0].get("pointer") for answer in answers] == ["/as_of", None]


def test_a_term_that_expires_ends_what_is_scheduled_beyond_it(client: Caller, provider_id: UUID) -> None:
    furnish(client, "UTC", RACK)
    key = subscribe(client, term={"interval": {"unit": "month"}, "renewal": "expire"})
    change(client, key, at("02-14"), pause=True)
    change(client, key, at("02-20"), resume=True)
    promised = previewed(client, key, quantities={"rack": "2"}, as_of=APRIL)
    change(client, key, quantities={"rack": "2"})
    advance(client, provider_id, APRIL)
    assert sums(charged(client)) == sums(promised)


def test_a_preview_and_a_dry_run_of_one_instant_agree_on_usage_that_is_not_closed(
    client: Caller, provider_id: UUID
) -> None:
    """Half an hour is left for the last readings: neither bills usage before that, and both do when they look ahead."""
    furnish(client, "UTC", RACK, ENERGY)
    key = subscribe(client)
    use(client, key, "2026-01-15T00:00:00Z", "50")
    february = "2026-02-01T00:00:00Z"
    ahead = previewed(client, key, quantities={"rack": "1"}, as_of=february)
    assert ahead == dry(client, february)
    assert ("energy", "usage", "2026-01-15", "2026-02-01", 1500) in ahead
    advance(client, provider_id, february)
    now = previewed(client, key, quantities={"rack": "1"}, as_of=february)
    assert now == dry(client, february)
    assert {code for code, *_ in now} == {"rack"}


def test_a_preview_of_an_end_shows_the_usage_that_ends_with_it(client: Caller, provider_id: UUID) -> None:
    """Asked for no other instant, it shows all that the change brings, though the last readings may be on their way."""
    furnish(client, "UTC", RACK, ENERGY)
    key = subscribe(client)
    use(client, key, "2026-01-15T00:00:00Z", "50")
    advance(client, provider_id, "2026-01-20T00:00:00Z")
    promised = previewed(client, key, cancel=True)
    assert ("energy", "usage", "2026-01-15", "2026-01-20", 1500) in promised
    change(client, key, cancel=True)
    advance(client, provider_id, APRIL)
    assert charged(client) == promised
