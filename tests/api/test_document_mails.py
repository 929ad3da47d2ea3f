"""Documents that are mailed: an invoice when it is final, a statement on the days that a payer chose."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from pypdf import PdfReader

from tests.api.conftest import Caller
from tests.builders.sandbox import Sandbox

UNIT = {"model": "per_unit", "unit_price": "0.5"}


@pytest.fixture
def sandbox(client: Caller) -> Sandbox:
    """A payer with an address, in Amsterdam, that uses energy."""
    made = Sandbox(client, zone="Europe/Amsterdam")
    assert client.patch(f"/v1/accounts/{made.account}", {"email": "ap@contoso.example"}).status_code == 200
    return made


def mails(sandbox: Sandbox, kind: str) -> list[dict[str, Any]]:
    """The mails of a kind, the oldest first."""
    found = sandbox.client.get("/v1/test-clock/outbox?limit=200").json["data"]
    return [mail for mail in reversed(found) if mail["kind"] == kind]


def attached(sandbox: Sandbox, mail: dict[str, Any], number: int = 1) -> bytes:
    data: bytes = sandbox.client.get(f"/v1/test-clock/outbox/{mail['id']}/attachments/{number}").data
    return data


def printed(data: bytes) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages))


def test_an_invoice_is_mailed_with_the_very_file_that_can_be_fetched(sandbox: Sandbox) -> None:
    assert sandbox.client.patch("/v1/provider", {"mail_invoices": True}).json["mail_invoices"] is True
    sandbox.use(sandbox.subscribe(sandbox.plan(UNIT)), "2026-01-01T00:00:00Z", "100")
    sandbox.advance("2026-02-01T02:00:00Z")
    (invoice,) = sandbox.invoices()
    (mail,) = mails(sandbox, "invoice")
    assert mail["to"] == ["ap@contoso.example"]
    assert invoice["number"] in mail["subject"]
    assert f"{invoice['total_amount'] / 100:.2f} EUR is attached" in mail["body"]
    assert mail["attachments"] == [{"name": f"{invoice['number']}.pdf", "media_type": "application/pdf"}]
    assert attached(sandbox, mail) == sandbox.client.get(f"/v1/invoices/{invoice['id']}/pdf").data
    missing = sandbox.client.get(f"/v1/test-clock/outbox/{mail['id']}/attachments/2")
    assert missing.status_code == 404


def test_without_being_asked_no_invoice_is_mailed(sandbox: Sandbox) -> None:
    sandbox.use(sandbox.subscribe(sandbox.plan(UNIT)), "2026-01-01T00:00:00Z", "100")
    sandbox.advance("2026-02-01T02:00:00Z")
    assert mails(sandbox, "invoice") == []


def test_a_statement_goes_out_each_week_with_all_that_is_not_billed(sandbox: Sandbox) -> None:
    path = f"/v1/accounts/{sandbox.account}"
    changed = sandbox.client.patch(path, {"statement_schedule": {"every": "week", "day": 1}}).json
    assert changed["next_statement_at"] == "2026-01-04T23:30:00Z"  # Monday, half an hour past midnight
    subscription = sandbox.subscribe(sandbox.plan(UNIT))
    sandbox.use(subscription, "2026-01-01T00:00:00Z", "100")
    sandbox.advance("2026-01-06T00:00:00Z")
    (mail,) = mails(sandbox, "statement")
    assert "50.00 EUR without tax" in mail["body"]
    names = [each["name"] for each in mail["attachments"]]
    assert names == ["unbilled-2026-01-05.eur.pdf", "unbilled-2026-01-05.csv"]
    said = printed(attached(sandbox, mail))
    assert "This is not an invoice" in said
    assert "€50.00" in said
    assert attached(sandbox, mail, 2).decode().splitlines()[1].startswith("so_far,usage,")
    (event,) = sandbox.client.get("/v1/events?type=account.statement_made").json["data"]
    assert event["data"]["sums"] == [{"currency": "EUR", "net_amount": 5000}]
    sandbox.advance("2026-01-20T00:00:00Z")
    assert len(mails(sandbox, "statement")) == 3
    assert sandbox.client.get(path).json["next_statement_at"] == "2026-01-25T23:30:00Z"


def test_a_statement_on_a_day_of_each_month_follows_the_payers_zone(sandbox: Sandbox) -> None:
    path = f"/v1/accounts/{sandbox.account}"
    changed = sandbox.client.patch(path, {"statement_schedule": {"every": "month", "day": 15}}).json
    assert changed["next_statement_at"] == "2026-01-14T23:30:00Z"
    moved = sandbox.client.patch(path, {"time_zone": "America/New_York"}).json
    assert moved["next_statement_at"] == "2026-01-15T05:30:00Z"
    stopped = sandbox.client.patch(path, {"statement_schedule": None}).json
    assert (stopped["statement_schedule"], stopped["next_statement_at"]) == (None, None)


def test_nothing_unbilled_is_no_statement(sandbox: Sandbox) -> None:
    sandbox.client.patch(f"/v1/accounts/{sandbox.account}", {"statement_schedule": {"every": "month", "day": 15}})
    sandbox.advance("2026-02-20T00:00:00Z")
    assert mails(sandbox, "statement") == []
    assert sandbox.client.get("/v1/events?type=account.statement_made").json["data"] == []


@pytest.mark.parametrize(
    ("schedule", "code", "pointer"),
    [
        ({"every": "week", "day": 8}, "day_out_of_range", "/statement_schedule/day"),
        ({"every": "month", "day": 29}, "too_large", "/statement_schedule/day"),
        ({"every": "month", "day": 0}, "too_small", "/statement_schedule/day"),
        ({"every": "day", "day": 1}, None, "/statement_schedule/every"),
        ({"every": "week"}, None, "/statement_schedule/day"),
    ],
)
def test_a_day_that_a_week_or_a_month_lacks_is_refused(
    sandbox: Sandbox, schedule: dict[str, Any], code: str | None, pointer: str
) -> None:
    refused = sandbox.client.patch(f"/v1/accounts/{sandbox.account}", {"statement_schedule": schedule})
    assert refused.status_code == 422
    assert refused.json["errors"][0]["pointer"] == pointer
    assert code is None or refused.json["errors"][0]["code"] == code
