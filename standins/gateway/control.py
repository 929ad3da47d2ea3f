"""What steers the stand-in: faults, latency, the behaviour of a card, late and repeated webhooks, all charges."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, request

from standins.gateway import cards
from standins.gateway.routes import NAMES
from standins.gateway.store import Account, Json, Store

FAULTS = {
    "no_answer": "the work is done, then the connection is dropped",
    "no_answer_before": "the connection is dropped and nothing is done",
    "server_error": "500, and nothing is done",
    "server_error_after": "500, though the work is done",
    "rate_limit": "429, and nothing is done",
}


def _error(detail: str, status: int = 422) -> tuple[Json, int]:
    return {"error": detail}, status


def _body() -> Json:
    given = request.get_json(silent=True)
    return given if isinstance(given, dict) else {}


class Control:
    """The views of `/_control`, over one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def overview(self) -> Json:
        counts = self.store.rows("SELECT kind, count(*) FROM object GROUP BY kind ORDER BY kind")
        pending = self.store.row("SELECT count(*) FROM delivery WHERE done = 0")
        return {
            "objects": dict(counts),
            "pending_deliveries": pending[0] if pending else 0,
            "base_url": self.store.setting("base_url"),
            "latency_s": self.store.setting("latency_s"),
            "webhooks_paused": self.store.setting("webhooks_paused") is not None,
        }

    def base_url(self) -> Any:
        """`{"base_url": "http://127.0.0.1:8080"}`: where webhooks for the movable host go from now on."""
        if request.method == "POST":
            value = _body().get("base_url")
            if value is not None and not str(value).startswith(("http://", "https://")):
                return _error("base_url is an address such as http://127.0.0.1:8080, or null")
            self.store.set("base_url", value)
        return {"base_url": self.store.setting("base_url")}

    def faults(self) -> Any:
        """`{"route": "payment_intents.confirm", "fault": "no_answer", "times": 1, "key"?: "sk_test_…"}`."""
        if request.method == "DELETE":
            self.store.rows("DELETE FROM fault")
        if request.method == "POST":
            given = _body()
            route, fault, times = given.get("route"), given.get("fault"), given.get("times", 1)
            if (route not in NAMES and route != "*") or fault not in FAULTS or type(times) is not int:
                return _error(f"route is * or one of {sorted(NAMES)}; fault one of {sorted(FAULTS)}; times a number")
            sql = "INSERT INTO fault (key, route, fault, times) VALUES (?, ?, ?, ?)"
            self.store.rows(sql, given.get("key"), route, fault, times)
        names = ("key", "route", "fault", "times")
        left = self.store.rows("SELECT key, route, fault, times FROM fault WHERE times > 0 ORDER BY seq")
        return {"data": [dict(zip(names, row, strict=True)) for row in left], "known": FAULTS}

    def latency(self) -> Any:
        """`{"seconds": 0.5}`: how long every request waits first."""
        seconds = _body().get("seconds")
        if not isinstance(seconds, int | float) or not 0 <= seconds <= 120:
            return _error("seconds is a number from 0 to 120")
        self.store.set("latency_s", str(seconds))
        return {"seconds": seconds}

    def card(self, ident: str) -> Any:
        """`{"behaves_as": "pm_card_visa"}`: a declined card is made good, or a good one bad."""
        token = str(_body().get("behaves_as"))
        if cards.by_token(token) is None:
            return _error("behaves_as is a test token such as pm_card_visa")
        owners = self.store.rows("SELECT key FROM object WHERE kind = 'payment_method' AND id = ?", ident)
        for (key,) in owners:
            self.store.set(f"card:{key}:{ident}", token)
        return {"id": ident, "behaves_as": token} if owners else _error("no such payment method", 404)

    def charges(self) -> Json:
        """All charges, of one key with `?key=`, of one intent with `?payment_intent=`, with their count."""
        rows = self.store.rows(
            "SELECT body FROM object WHERE kind = 'charge' AND key = coalesce(?, key) ORDER BY seq",
            request.args.get("key"),
        )
        cause = request.args.get("payment_intent")
        data = [c for c in (json.loads(body) for (body,) in rows) if cause in (None, c["payment_intent"])]
        paid = [c for c in data if c["status"] == "succeeded"]
        return {
            "count": len(data),
            "succeeded": len(paid),
            "failed": len(data) - len(paid),
            "succeeded_amount": sum(c["amount"] for c in paid),
            "refunded_amount": sum(c["amount_refunded"] for c in paid),
            "data": data,
        }

    def webhooks(self) -> Json:
        """`{"paused": true}` holds deliveries back; false lets them go."""
        if request.method == "POST":
            self.store.set("webhooks_paused", "yes" if _body().get("paused") is True else None)
        rows = self.store.rows("SELECT event, endpoint, tries, status, done FROM delivery ORDER BY seq DESC LIMIT 200")
        names = ("event", "endpoint", "tries", "status", "done")
        return {
            "paused": self.store.setting("webhooks_paused") is not None,
            "data": [dict(zip(names, row, strict=True)) for row in rows],
        }

    def resend(self, ident: str) -> Any:
        """Deliver an event once more to every endpoint of its key."""
        owner = self.store.row("SELECT key FROM object WHERE kind = 'event' AND id = ?", ident)
        if owner is None:
            return _error("no such event", 404)
        account = Account(self.store, owner[0])
        endpoints = [e["id"] for e in account.newest("webhook_endpoint")]
        for endpoint in endpoints:
            account.deliver(ident, endpoint)
        return {"event": ident, "endpoints": endpoints}


def blueprint(store: Store) -> Blueprint:
    blp, views = Blueprint("control", __name__), Control(store)
    blp.add_url_rule("", "overview", views.overview)
    blp.add_url_rule("/base_url", "base_url", views.base_url, methods=["GET", "POST"])
    blp.add_url_rule("/faults", "faults", views.faults, methods=["GET", "POST", "DELETE"])
    blp.add_url_rule("/latency", "latency", views.latency, methods=["POST"])
    blp.add_url_rule("/payment_methods/<ident>", "card", views.card, methods=["POST"])
    blp.add_url_rule("/charges", "charges", views.charges)
    blp.add_url_rule("/webhooks", "webhooks", views.webhooks, methods=["GET", "POST"])
    blp.add_url_rule("/events/<ident>/resend", "resend", views.resend, methods=["POST"])
    blp.after_request(_never_cached)
    return blp


def _never_cached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
