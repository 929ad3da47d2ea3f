"""Webhook endpoints and events, as the API shows them."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from standins.gateway.form import Params
from standins.gateway.lists import PAGING, page
from standins.gateway.problems import invalid, missing
from standins.gateway.store import Account, Json

ENDPOINT = ("url", "enabled_events", "description", "metadata", "disabled", "api_version")


def create_endpoint(account: Account, params: Params, _: str) -> Json:
    """The answer holds the signing secret; no later answer does."""
    params.only(ENDPOINT)
    events = params.strings("enabled_events")
    if not events:
        raise invalid("Missing required param: enabled_events.", "enabled_events", "parameter_missing")
    made = account.add(
        "webhook_endpoint",
        "we",
        {
            "url": _url(params.needed("url")),
            "enabled_events": events,
            "description": params.text("description"),
            "metadata": params.metadata(),
            "api_version": params.text("api_version"),
            "application": None,
            "status": "enabled",
        },
    )
    secret = f"whsec_{secrets.token_hex(24)}"
    account.store.set(f"secret:{account.key}:{made['id']}", secret)
    return {**made, "secret": secret}


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise invalid("Invalid URL: An explicit scheme (such as https) must be provided.", "url", "url_invalid")
    return text


def _endpoint(account: Account, ident: str) -> Json:
    found = account.get("webhook_endpoint", ident)
    if found is None:
        raise missing("webhook endpoint", ident, "webhook_endpoint", 404)
    return found


def retrieve_endpoint(account: Account, params: Params, ident: str) -> Json:
    params.only(())
    return _endpoint(account, ident)


def update_endpoint(account: Account, params: Params, ident: str) -> Json:
    params.only(ENDPOINT)
    found = _endpoint(account, ident)
    if "url" in params.values:
        found["url"] = _url(params.needed("url"))
    if "enabled_events" in params.values:
        found["enabled_events"] = params.strings("enabled_events")
    if "disabled" in params.values:
        found["status"] = "disabled" if params.flag("disabled") else "enabled"
    return account.save(found)


def delete_endpoint(account: Account, params: Params, ident: str) -> Json:
    params.only(())
    found = _endpoint(account, ident)
    account.delete(found["id"])
    return {"id": found["id"], "object": "webhook_endpoint", "deleted": True}


def list_endpoints(account: Account, params: Params, _: str) -> Json:
    params.only(PAGING)
    return page(account, "webhook_endpoint", params, "/v1/webhook_endpoints")


def retrieve_event(account: Account, params: Params, ident: str) -> Json:
    params.only(())
    found = account.get("event", ident)
    if found is None:
        raise missing("event", ident, "event", 404)
    return found


def list_events(account: Account, params: Params, _: str) -> Json:
    params.only((*PAGING, "type", "types"))
    types = params.strings("types") or [t for t in [params.text("type")] if t]
    return page(account, "event", params, "/v1/events", lambda e: not types or e["type"] in types)
