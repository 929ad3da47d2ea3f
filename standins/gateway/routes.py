"""Which request is which: method, path, name, handler. The name is what faults and latency are set for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from standins.gateway import customers, intents, webhooks
from standins.gateway.form import Params
from standins.gateway.store import Account, Json

Handler = Callable[[Account, Params, str], Json]


@dataclass(frozen=True)
class Route:
    name: str
    method: str
    path: re.Pattern[str]
    handler: Handler


def _route(name: str, method: str, path: str, handler: Handler) -> Route:
    return Route(name, method, re.compile(path.replace("{id}", "(?P<id>[^/]+)")), handler)


ROUTES = (
    _route("customers.create", "POST", "customers", customers.create_customer),
    _route("customers.list", "GET", "customers", customers.list_customers),
    _route("customers.retrieve", "GET", "customers/{id}", customers.retrieve_customer),
    _route("customers.update", "POST", "customers/{id}", customers.update_customer),
    _route("customers.payment_methods", "GET", "customers/{id}/payment_methods", customers.list_methods_of_customer),
    _route("payment_methods.create", "POST", "payment_methods", customers.create_method),
    _route("payment_methods.list", "GET", "payment_methods", customers.list_methods),
    _route("payment_methods.retrieve", "GET", "payment_methods/{id}", customers.retrieve_method),
    _route("payment_methods.attach", "POST", "payment_methods/{id}/attach", customers.attach_method),
    _route("payment_methods.detach", "POST", "payment_methods/{id}/detach", customers.detach_method),
    _route("payment_intents.create", "POST", "payment_intents", intents.create),
    _route("payment_intents.list", "GET", "payment_intents", intents.list_all),
    _route("payment_intents.retrieve", "GET", "payment_intents/{id}", intents.retrieve),
    _route("payment_intents.confirm", "POST", "payment_intents/{id}/confirm", intents.confirm),
    _route("payment_intents.cancel", "POST", "payment_intents/{id}/cancel", intents.cancel),
    _route("charges.list", "GET", "charges", intents.list_charges),
    _route("charges.retrieve", "GET", "charges/{id}", intents.retrieve_charge),
    _route("refunds.create", "POST", "refunds", intents.create_refund),
    _route("refunds.list", "GET", "refunds", intents.list_refunds),
    _route("refunds.retrieve", "GET", "refunds/{id}", intents.retrieve_refund),
    _route("events.list", "GET", "events", webhooks.list_events),
    _route("events.retrieve", "GET", "events/{id}", webhooks.retrieve_event),
    _route("webhook_endpoints.create", "POST", "webhook_endpoints", webhooks.create_endpoint),
    _route("webhook_endpoints.list", "GET", "webhook_endpoints", webhooks.list_endpoints),
    _route("webhook_endpoints.retrieve", "GET", "webhook_endpoints/{id}", webhooks.retrieve_endpoint),
    _route("webhook_endpoints.update", "POST", "webhook_endpoints/{id}", webhooks.update_endpoint),
    _route("webhook_endpoints.delete", "DELETE", "webhook_endpoints/{id}", webhooks.delete_endpoint),
)
NAMES = frozenset(route.name for route in ROUTES)


def find(method: str, path: str) -> tuple[Route, str] | None:
    """The route of a request below `/v1/`, and the id in its path."""
    for route in ROUTES:
        matched = route.path.fullmatch(path) if route.method == method else None
        if matched:
            return route, matched.groupdict().get("id") or ""
    return None
