"""The page that stands in for the bank's: a customer lets a charge pass, or refuses it, and is sent back."""

from __future__ import annotations

import json
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Blueprint, Response, redirect, request

from standins.gateway import intents
from standins.gateway.store import Account, Json, Store

PATH = "/authenticate"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Test bank</title><body style="font: 1rem system-ui; max-width: 24rem; margin: 4rem auto; padding: 0 1rem">
<h1>Test bank</h1><p>{words}</p>{form}</body></html>"""
FORM = (
    '<form method="post"><button name="answer" value="approve">Approve</button>'
    ' <button name="answer" value="refuse">Refuse</button></form>'
)


def blueprint(store: Store) -> Blueprint:
    """The page, over one store."""
    pages = Blueprint("authentication", __name__)

    @pages.get("/<secret>")
    def ask(secret: str) -> Any:
        found = _find(store, secret)
        if found is None:
            return Response(PAGE.format(words="There is no such charge.", form=""), 404)
        _, intent = found
        if intent["status"] != "requires_action":
            return PAGE.format(words="There is nothing to approve any more.", form="")
        amount = f"{intent['amount'] / 100:.2f} {intent['currency'].upper()}"
        words = f"{escape(str(intent['description'] or 'A charge'))}: {amount}. This is a test; no money moves."
        return PAGE.format(words=words, form=FORM)

    @pages.post("/<secret>")
    def decide(secret: str) -> Any:
        with store.transaction():
            found = _find(store, secret)
            if found is None:
                return Response(PAGE.format(words="There is no such charge.", form=""), 404)
            account, intent = found
            back = ((intent["next_action"] or {}).get("redirect_to_url") or {}).get("return_url")
            if intent["status"] == "requires_action":
                intents.authenticated(account, intent, approved=request.form.get("answer") == "approve")
        if back is None:
            return PAGE.format(words="Thank you. You may close this page.", form="")
        return redirect(_with(back, payment_intent=intent["id"]), 303)

    return pages


def _find(store: Store, secret: str) -> tuple[Account, Json] | None:
    sql = "SELECT key, body FROM object WHERE kind = 'payment_intent' AND json_extract(body, '$.client_secret') = ?"
    row = store.row(sql, secret)
    return (Account(store, row[0]), json.loads(row[1])) if row else None


def _with(url: str, **query: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, urlencode(query)]))))
