"""Signed webhooks: delivered at least once, again after a refusal, and to where the server is now."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from tests.standins.gateway_program import GatewayProgram, until


class Receiver:
    """Keeps what arrives; answers 500 as often as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, bytes]] = []
        self.refuse = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, self.headers["Stripe-Signature"], body))
                outer.refuse -= 1
                self.send_response(500 if outer.refuse >= 0 else 200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()


def endpoint(client: stripe.StripeClient, url: str, types: list[Any]) -> str:
    made = client.v1.webhook_endpoints.create({"url": url, "enabled_events": types})
    assert made.secret is not None
    assert "secret" not in client.v1.webhook_endpoints.retrieve(made.id)
    return made.secret


def test_a_webhook_is_signed_and_carries_the_object(gateway: GatewayProgram, key: str, receiver: Receiver) -> None:
    client = gateway.client(key)
    secret = endpoint(client, f"{receiver.url}/hook", ["customer.created"])
    customer = client.v1.customers.create({"name": "Ada"})
    until(lambda: receiver.got)
    path, signature, body = receiver.got[0]
    event = client.construct_event(body, signature, secret)
    assert (path, event.type, event.data.object["id"]) == ("/hook", "customer.created", customer.id)
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(body + b" ", signature, secret)


def test_only_the_wanted_types_are_delivered(gateway: GatewayProgram, key: str, receiver: Receiver) -> None:
    client = gateway.client(key)
    endpoint(client, receiver.url, ["customer.updated"])
    customer = client.v1.customers.create({"name": "Ada"})
    client.v1.customers.update(customer.id, {"name": "Grace"})
    until(lambda: receiver.got)
    assert all(b'"customer.updated"' in body for _, _, body in receiver.got)


def test_a_refused_webhook_comes_again(gateway: GatewayProgram, key: str, receiver: Receiver) -> None:
    client, receiver.refuse = gateway.client(key), 1
    endpoint(client, receiver.url, ["*"])
    client.v1.customers.create({"name": "Ada"})
    until(lambda: len(receiver.got) >= 2)
    assert receiver.got[0][2] == receiver.got[1][2]


def test_the_movable_host_is_delivered_to_where_the_server_is_now(
    gateway: GatewayProgram, key: str, receiver: Receiver
) -> None:
    client = gateway.client(key)
    endpoint(client, "http://busbar.sandbox/v1/inbound/stripe/gwa_1", ["*"])
    gateway.control("base_url", base_url=receiver.url)
    client.v1.customers.create({"name": "Ada"})
    until(lambda: receiver.got)
    assert receiver.got[0][0] == "/v1/inbound/stripe/gwa_1"


def test_a_webhook_can_be_late_and_come_twice(gateway: GatewayProgram, key: str, receiver: Receiver) -> None:
    client = gateway.client(key)
    endpoint(client, receiver.url, ["*"])
    gateway.control("webhooks", paused=True)
    client.v1.customers.create({"name": "Ada"})
    event = client.v1.events.list().data[0].id
    assert not receiver.got
    gateway.control("webhooks", paused=False)
    until(lambda: receiver.got)
    before = len(receiver.got)
    gateway.control(f"events/{event}/resend")
    until(lambda: len(receiver.got) > before)
