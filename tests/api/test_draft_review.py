"""A draft that is held shows what speaks against it; drafts are made final together, or dropped."""

from __future__ import annotations

from typing import Any

import pytest

from core.ids import decode
from tests.api.conftest import Caller, NewCaller
from tests.builders.sandbox import Sandbox

UNIT = {"model": "per_unit", "unit_price": "0.5"}
POINT = "rack-12/pdu-a/outlet-1"


@pytest.fixture
def sandbox(client: Caller) -> Sandbox:
    """A provider that looks at its drafts, with one payer."""
    made = Sandbox(client)
    assert client.patch("/v1/provider", {"draft_review": True}).status_code == 200
    return made


def metered(sandbox: Sandbox) -> str:
    """A subscription to metered energy, and the place that counts for it."""
    client = sandbox.client
    subscription = sandbox.subscribe(sandbox.plan(UNIT))
    client.made("/v1/sites", {"code": "ams", "name": "Amsterdam", "time_zone": "UTC"})
    client.made("/v1/points", {"site": "ams", "path": POINT, "kind": "outlet"})
    assigned = {"point": POINT, "subscription": subscription, "charge_code": "energy", "from": "2026-01-01T00:00:00Z"}
    client.made("/v1/assignments", assigned)
    return subscription


def read(sandbox: Sandbox, at: str, value: str, serial: str = "ZA20") -> None:
    reading = {"point": POINT, "register": "active_energy", "unit": "kWh", "at": at, "value": value}
    body = {"readings": [{**reading, "evidence": {"serial": serial}}]}
    assert sandbox.client.made("/v1/usage/readings", body)["accepted"] == 1


def drafts(sandbox: Sandbox) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sandbox.client.get("/v1/invoices?awaiting_approval=true").json["data"]
    return found


def review(sandbox: Sandbox, invoice: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.client.get(f"/v1/invoices/{invoice['id']}/review").json
    return found


def test_open_doubts_about_the_points_of_its_lines_stand_beside_a_draft(sandbox: Sandbox) -> None:
    metered(sandbox)
    sandbox.client.made("/v1/points", {"site": "ams", "path": "rack-13/pdu-a/outlet-1", "kind": "outlet"})
    read(sandbox, "2026-01-01T00:00:00Z", "1000")
    sandbox.advance("2026-01-20T00:00:00Z")
    read(sandbox, "2026-01-20T00:00:00Z", "1456")
    sandbox.advance("2026-01-20T01:00:00Z")
    read(sandbox, "2026-01-20T01:00:00Z", "3", serial="ZB30")
    sandbox.advance("2026-02-01T02:00:00Z")
    (draft,) = drafts(sandbox)
    found = review(sandbox, draft)
    (line,) = sandbox.lines(draft)
    kinds = {each["kind"]: each for each in found["anomalies"]}
    assert set(kinds) == {"swap", "readings_missing"}
    assert (kinds["swap"]["path"], kinds["swap"]["lines"]) == (POINT, [line["id"]])
    assert kinds["swap"]["suggestion"]
    (doubtful,) = found["doubtful_lines"]
    assert (doubtful["line"], doubtful["quality"]) == (line["id"], line["quality"])
    assert doubtful["quality"]["estimated"] != "0"
    for anomaly in found["anomalies"]:
        assert sandbox.client.post(f"/v1/anomalies/{anomaly['id']}/dismiss").status_code == 200
    after = review(sandbox, draft)
    assert (after["anomaly_count"], after["doubtful_line_count"]) == (0, 1)


def test_a_draft_is_compared_with_the_invoice_before(sandbox: Sandbox) -> None:
    subscription = sandbox.subscribe(sandbox.plan(UNIT))
    sandbox.use(subscription, "2026-01-01T00:00:00Z", "100")
    sandbox.advance("2026-02-01T02:00:00Z")
    (first,) = drafts(sandbox)
    before = review(sandbox, first)
    assert (before["previous"], before["anomalies"], before["doubtful_lines"]) == (None, [], [])
    assert before["differences"] == [
        {
            "subscription_name": "spot",
            "charge_code": "energy",
            "amount": 5000,
            "previous_amount": 0,
            "difference_amount": 5000,
        }
    ]
    sandbox.client.made(f"/v1/invoices/{first['id']}/finalize", {})
    sandbox.use(subscription, "2026-02-01T00:00:00Z", "130")
    sandbox.advance("2026-03-01T02:00:00Z")
    (second,) = drafts(sandbox)
    found = review(sandbox, second)
    assert (found["previous"]["invoice"], found["previous"]["difference_net_amount"]) == (first["id"], 1500)
    assert found["differences"][0]["difference_amount"] == 1500


def test_drafts_that_wait_are_told_of_once_and_made_final_together(sandbox: Sandbox, new_caller: NewCaller) -> None:
    client = sandbox.client
    subscription = sandbox.subscribe(sandbox.plan(UNIT))
    sandbox.use(subscription, "2026-01-01T00:00:00Z", "100")
    sandbox.advance("2026-02-01T02:00:00Z")
    (run,) = [each for each in client.get("/v1/billing-runs").json["data"] if each["awaiting_approval_count"]]
    (event,) = client.get("/v1/events?type=billing_run.awaiting_approval").json["data"]
    assert event["data"] == {"billing_run": run["id"], "awaiting_approval_count": 1}
    (draft,) = drafts(sandbox)
    unknown = "inv_01h455vb4pex5vsknk084sn02q"
    made = client.made("/v1/invoices/finalize", {"invoices": [draft["id"], unknown]})
    assert [each["number"] for each in made["finalized"]] == ["INV-2026-000001"]
    assert [(each["invoice"], each["code"]) for each in made["refused"]] == [(unknown, "invoice_unknown")]
    again = client.made("/v1/invoices/finalize", {"invoices": [draft["id"]]})
    assert (again["finalized"], again["refused"][0]["code"]) == ([], "illegal_transition")
    assert drafts(sandbox) == []
    assert [each["id"] for each in client.get("/v1/invoices?awaiting_approval=false").json["data"]] == [draft["id"]]
    refused = client.get(f"/v1/invoices/{draft['id']}/review")
    assert (refused.status_code, refused.json["code"]) == (409, "invoice_not_draft")


def test_all_drafts_of_a_run_are_made_final_in_order(sandbox: Sandbox) -> None:
    client = sandbox.client
    plan = sandbox.plan(UNIT)
    for name in ("Beta", "Alpha", "Gamma"):
        account = client.made("/v1/accounts", {"name": name, "currency": "EUR", "country": "NL"})["id"]
        sandbox.use(sandbox.subscribe(plan, account=account), "2026-01-01T00:00:00Z", "10")
    sandbox.advance("2026-02-01T02:00:00Z")
    waiting = drafts(sandbox)
    assert len(waiting) == 3
    (run,) = {draft["billing_run"] for draft in waiting}
    discarded = waiting[0]["id"]
    assert client.post(f"/v1/invoices/{discarded}/discard").json["status"] == "discarded"
    done = client.made(f"/v1/billing-runs/{run}/finalize", {})
    assert (done["status"], done["awaiting_approval_count"]) == ("done", 0)
    final = {invoice["account"]: invoice["number"] for invoice in sandbox.invoices() if invoice["number"]}
    assert [final[account] for account in sorted(final)] == ["INV-2026-000001", "INV-2026-000002"]
    assert client.made(f"/v1/billing-runs/{run}/finalize", {})["status"] == "done"


def test_a_review_is_for_the_provider_alone(sandbox: Sandbox, new_caller: NewCaller, stranger: Caller) -> None:
    sandbox.use(sandbox.subscribe(sandbox.plan(UNIT)), "2026-01-01T00:00:00Z", "1")
    sandbox.advance("2026-02-01T02:00:00Z")
    (draft,) = drafts(sandbox)
    own = new_caller(["invoices:read"], account_id=decode("account", sandbox.account))
    assert own.get(f"/v1/invoices/{draft['id']}/review").status_code == 403
    assert stranger.get(f"/v1/invoices/{draft['id']}/review").status_code == 404
    refused = stranger.post("/v1/invoices/finalize", {"invoices": [draft["id"]]})
    assert refused.json["refused"][0]["code"] == "invoice_unknown"
    assert stranger.post(f"/v1/billing-runs/{draft['billing_run']}/finalize").status_code == 404
