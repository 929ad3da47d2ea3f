"""The API as an integrator's program calls it: a bearer token, idempotency keys, and patience with restarts."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx

from core.errors import Refused

PATIENCE_SECONDS = 30


class Api:
    """Calls that survive a server being killed: a POST is repeated under its own idempotency key."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self._http = httpx.Client(base_url=base_url, timeout=30, headers={"Authorization": f"Bearer {key}"})

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path, params=query).json()

    def every(self, path: str, **query: Any) -> list[Any]:
        """All rows of a list, page by page."""
        rows: list[Any] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=200, **query, **({"cursor": cursor} if cursor else {}))
            rows += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return rows

    def post(self, path: str, body: Any = None) -> Any:
        answer = self._call("POST", path, json=body or {}, headers={"Idempotency-Key": str(uuid.uuid4())})
        return answer.json() if answer.content else None

    def patch(self, path: str, body: Any) -> Any:
        return self._call("PATCH", path, json=body).json()

    def put(self, path: str, body: Any) -> Any:
        return self._call("PUT", path, json=body).json()

    def bytes(self, path: str) -> bytes:
        return self._call("GET", path).content

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
                continue
            if answer.status_code in (409, 503) and _may_repeat(answer) and time.monotonic() < end:
                time.sleep(0.2)
                continue
            if answer.is_error:
                raise Refused("api_refused", f"{method} {path}: {answer.status_code} {answer.text[:500]}")
            return answer


def _may_repeat(answer: httpx.Response) -> bool:
    """A first try whose server was killed may still hold the idempotency key for a moment."""
    return answer.status_code == 503 or '"request_in_progress"' in answer.text
