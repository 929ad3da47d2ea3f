"""Webhooks, as a receiver meets them: signed, at least once, in order, retried for three days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from standardwebhooks import Webhook, WebhookVerificationError

from core.errors import Invalid
from core.ids import decode
from events.sending import AddressRefused, check_url, resolve, send
from jobs import deliveries as jobs
from models.outbox import Delivery
from runtime.house import House
from runtime.unit import unit
from services import deliveries, webhooks
from services.clock import system_now
from services.paging import Window
from tests.builders.house import Receiver, receiver, tell
from tests.conftest import Open


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def secret(open_unit: Open, hook: Receiver) -> str:
    """The secret of an endpoint that wants everything."""
    with open_unit() as ctx:
        return webhooks.create(ctx, {"url": hook.url}).secret


def pass_on(provider_id: UUID) -> None:
    jobs.fan_out(provider_id, [])
    jobs.deliver(provider_id, [])


def all_deliveries(open_unit: Open) -> list[Delivery]:
    with open_unit() as ctx:
        return list(ctx.session.scalars(select(Delivery).where(Delivery.provider_id == ctx.provider.id)))


def set_back(open_unit: Open, seconds: float) -> None:
    """As if so much system time had passed."""
    with open_unit() as ctx:
        ctx.session.execute(
            text(
                "UPDATE delivery SET next_at = next_at - make_interval(secs => :s),"
                " first_try_at = first_try_at - make_interval(secs => :s),"
                " lease_until = lease_until - make_interval(secs => :s) WHERE provider_id = :p"
            ),
            {"s": seconds, "p": ctx.provider.id},
        )


def test_a_delivery_carries_a_signature_that_the_secret_verifies(
    house: House, provider_id: UUID, hook: Receiver, secret: str
) -> None:
    about = tell(house, provider_id, "account.created")
    pass_on(provider_id)
    (got,) = hook.requests
    event: Any = Webhook(secret).verify(got.body, got.headers)
    assert event["type"] == "account.created"
    assert event["sequence"] == 1
    assert decode("account", event["object"]["id"]) == about
    assert event["created_at"] == "2026-01-15T00:00:00Z"
    assert got.headers["webhook-id"] == event["id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(got.body.replace(b"created", b"updated"), got.headers)


def test_an_endpoint_gets_only_what_it_asked_for_and_only_from_then_on(
    house: House, provider_id: UUID, open_unit: Open, hook: Receiver
) -> None:
    tell(house, provider_id, "account.created")
    with open_unit() as ctx:
        webhooks.create(ctx, {"url": hook.url, "types": ["account.*", "invoice.paid"]})
    tell(house, provider_id, "account.updated", "invoice.paid", "invoice.finalized")
    pass_on(provider_id)
    assert sorted(hook.events()) == ["account.updated", "invoice.paid"]


def test_while_keys_are_rotated_both_secrets_verify_and_later_only_the_new_one(
    house: House, provider_id: UUID, open_unit: Open, hook: Receiver, secret: str
) -> None:
    with open_unit() as ctx:
        (endpoint,) = webhooks.list_endpoints(ctx, Window()).rows
        fresh = webhooks.rotate(ctx, endpoint.id).secret
    tell(house, provider_id, "account.created")
    pass_on(provider_id)
    for key in (secret, fresh):
        Webhook(key).verify(hook.requests[0].body, hook.requests[0].headers)
    with open_unit() as ctx:
        row = webhooks.get(ctx, endpoint.id)
        row.previous_until = system_now() - timedelta(seconds=1)
    tell(house, provider_id, "account.created")
    pass_on(provider_id)
    Webhook(fresh).verify(hook.requests[1].body, hook.requests[1].headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(hook.requests[1].body, hook.requests[1].headers)


@pytest.mark.usefixtures("secret")
def test_a_refused_delivery_is_tried_again_after_growing_pauses_and_holds_up_later_events_of_its_object_only(
    house: House, provider_id: UUID, open_unit: Open, hook: Receiver
) -> None:
    failing = tell(house, provider_id, "account.created", "account.updated")
    hook.answer = lambda got: 503 if decode("account", got.event["object"]["id"]) == failing else 200
    other = tell(house, provider_id, "account.created")
    pass_on(provider_id)
    assert [(decode("account", r.event["object"]["id"]), r.event["sequence"]) for r in hook.requests] == [
        (failing, 1),
        (other, 1),
    ] or len(hook.requests) == 2
    pauses = []
    for _ in range(3):
        row = next(d for d in all_deliveries(open_unit) if d.status == "retrying")
        pauses.append(row.next_at - system_now())
        set_back(open_unit, 4 * 3600)
        jobs.deliver(provider_id, [])
    assert pauses == sorted(pauses)
    assert pauses[-1] > timedelta(minutes=1)
    assert all(r.event["sequence"] == 1 for r in hook.requests)
    hook.answer = lambda _: 200
    set_back(open_unit, 4 * 3600)
    jobs.deliver(provider_id, [])
    sent = [r.event["sequence"] for r in hook.requests if decode("account", r.event["object"]["id"]) == failing]
    assert sent[-2:] == [1, 2]
    assert {d.status for d in all_deliveries(open_unit)} == {"delivered"}
    assert len({r.headers["webhook-id"] for r in hook.requests}) == 3


@pytest.mark.usefixtures("secret")
def test_after_three_days_a_delivery_is_dead_and_the_next_of_its_object_goes_out(
    house: House, provider_id: UUID, open_unit: Open, hook: Receiver
) -> None:
    tell(house, provider_id, "account.created", "account.updated")
    hook.answer = lambda got: 500 if got.event["sequence"] == 1 else 200
    pass_on(provider_id)
    for _ in range(8):
        set_back(open_unit, 12 * 3600)
        jobs.deliver(provider_id, [])
    by_sequence = {d.sequence: d for d in all_deliveries(open_unit)}
    assert by_sequence[1].status == "dead"
    assert by_sequence[1].last_status == 500
    assert by_sequence[2].status == "delivered"


@pytest.mark.usefixtures("secret")
def test_a_dead_delivery_can_be_replayed(house: House, provider_id: UUID, open_unit: Open, hook: Receiver) -> None:
    tell(house, provider_id, "account.created")
    hook.answer = lambda _: 500
    pass_on(provider_id)
    set_back(open_unit, 4 * 86400)
    jobs.deliver(provider_id, [])
    (dead,) = all_deliveries(open_unit)
    assert dead.status == "dead"
    hook.answer = lambda _: 204
    with open_unit() as ctx:
        deliveries.replay(ctx, dead.id)
    jobs.deliver(provider_id, [])
    (sent,) = all_deliveries(open_unit)
    assert sent.status == "delivered"
    assert len({r.headers["webhook-id"] for r in hook.requests}) == 1


@pytest.mark.usefixtures("secret")
def test_a_worker_killed_after_taking_a_delivery_costs_a_minute_not_the_event(
    house: House, provider_id: UUID, open_unit: Open, hook: Receiver
) -> None:
    tell(house, provider_id, "account.created")
    jobs.fan_out(provider_id, [])
    with open_unit() as ctx:
        assert len(deliveries.claim(ctx, system_now())) == 1
    jobs.deliver(provider_id, [])
    assert hook.requests == []
    set_back(open_unit, 61)
    jobs.deliver(provider_id, [])
    assert len(hook.requests) == 1


@pytest.mark.usefixtures("secret")
def test_a_disabled_endpoint_gets_nothing(house: House, provider_id: UUID, open_unit: Open, hook: Receiver) -> None:
    tell(house, provider_id, "account.created")
    jobs.fan_out(provider_id, [])
    with open_unit() as ctx:
        (endpoint,) = webhooks.list_endpoints(ctx, Window()).rows
        webhooks.change(ctx, endpoint.id, {"status": "disabled"})
    tell(house, provider_id, "account.updated")
    pass_on(provider_id)
    assert hook.requests == []
    assert [d.status for d in all_deliveries(open_unit)] == ["dead"]


def test_a_redirect_is_not_followed(hook: Receiver) -> None:
    with receiver() as elsewhere:
        hook.answer, hook.location = lambda _: 307, elsewhere.url
        outcome = send(hook.url, {}, b"{}", private=True)
        assert (outcome.status, outcome.delivered) == (307, False)
        assert elsewhere.requests == []


def test_an_endless_answer_is_not_read_to_its_end(hook: Receiver) -> None:
    hook.says = b"x" * 50_000_000
    outcome = send(hook.url, {}, b"{}", private=True)
    assert outcome.delivered
    assert outcome.took_ms < 5_000


def test_a_receiver_that_is_not_there_is_an_outcome_not_an_error() -> None:
    outcome = send("http://127.0.0.1:9/x", {}, b"{}", private=True)
    assert outcome.status is None
    assert outcome.error
    assert not outcome.delivered


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "https://10.1.2.3/hook",
        "https://192.168.0.1:8443/hook",
        "https://[::1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://0.0.0.0/hook",
        "https://user:password@example.com/hook",
        "ftp://example.com/hook",
        "https:///hook",
        "https://example.com:99999/hook",
        "nonsense",
    ],
)
def test_a_live_installation_sends_only_to_public_https_addresses(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, private=False)


def test_a_name_that_means_this_machine_is_refused_where_private_addresses_are(hook: Receiver) -> None:
    with pytest.raises(AddressRefused):
        resolve("localhost", 443, private=False)
    outcome = send(hook.url.replace("127.0.0.1", "localhost"), {}, b"{}", private=False)
    assert (outcome.status, hook.requests) == (None, [])
    assert send(hook.url.replace("127.0.0.1", "localhost"), {}, b"{}", private=True).delivered


def test_cloud_metadata_is_refused_even_where_private_addresses_are_allowed() -> None:
    with pytest.raises(AddressRefused):
        check_url("http://169.254.169.254/latest/meta-data", private=True)


def test_an_unknown_event_type_and_a_bad_address_are_named_each(open_unit: Open) -> None:
    with open_unit() as ctx, pytest.raises(Invalid) as refused:
        webhooks.create(ctx, {"url": "ftp://x", "types": ["invoice.paid", "invoice.eaten"]})
    assert [(e.pointer, e.code) for e in refused.value.errors] == [
        ("/url", "url_refused"),
        ("/types/1", "event_type_unknown"),
    ]


def test_a_secret_is_stored_encrypted(house: House, provider_id: UUID, open_unit: Open, secret: str) -> None:
    with open_unit() as ctx:
        stored = ctx.session.execute(
            text("SELECT secret FROM webhook_endpoint WHERE provider_id = :p"), {"p": provider_id}
        )
        assert secret.removeprefix("whsec_").encode() not in bytes(stored.scalar_one())
    with unit(provider_id, actor="test", within=house) as ctx:
        (endpoint,) = webhooks.list_endpoints(ctx, Window()).rows
        assert webhooks.live_secrets(ctx, endpoint, system_now()) == [secret]
