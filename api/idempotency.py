"""`Idempotency-Key` on POST: claimed, answered and remembered in the request's one transaction."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson
from flask import Response, g, request

from api.problems import Malformed
from api.transaction import caller, context
from services import idempotency
from services.idempotency import Answer, Claim

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def claim_key() -> Response | None:
    """Claim the request's key in its transaction; the stored answer if there is one.

    Raises:
        Malformed: `idempotency_key_malformed`.
        Conflict: `idempotency_key_reused`, `request_in_progress`.
    """
    key = request.headers.get(HEADER)
    if request.method != "POST" or key is None or g.get("caller") is None:
        return None
    if not _KEY.fullmatch(key):
        raise Malformed("idempotency_key_malformed", "An idempotency key is 1 to 255 visible ASCII characters.")
    g.claim = Claim(caller().id, request.method, request.path, key, _fingerprint())
    found = idempotency.claim(context(), g.claim)
    if found is None:
        return None
    answer = Response(found.body, status=found.status, headers=dict(found.headers))
    answer.headers["Idempotent-Replayed"] = "true"
    return answer


def remember(answer: Response) -> None:
    """Store a good answer in the request's transaction."""
    if "claim" not in g:
        return
    kept = {name: answer.headers[name] for name in ("Content-Type", "Location") if name in answer.headers}
    idempotency.remember(context(), g.claim, Answer(answer.status_code, kept, _without_secrets(answer)))


def _fingerprint() -> bytes:
    # The same JSON written another way is the same body.
    raw = request.get_data(cache=True)
    if request.mimetype == "application/json" and not request.headers.get("Content-Encoding"):
        try:
            raw = orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS)
        except (orjson.JSONDecodeError, TypeError):
            return hashlib.sha256(raw).digest()
    return hashlib.sha256(request.query_string + b"\n" + raw).digest()


def _without_secrets(answer: Response) -> bytes:
    names: set[str] = g.get("shown_once", set())
    raw = answer.get_data()
    return orjson.dumps(_pruned(orjson.loads(raw), names)) if names and answer.is_json else raw


def _pruned(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(inner, names) for key, inner in value.items() if key not in names}
    return [_pruned(inner, names) for inner in value] if isinstance(value, list) else value
