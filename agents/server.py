"""The server as the agent sees it: enrolment, short-lived tokens, configuration, heartbeat, readings."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from core.period import parse_instant, rfc3339

TIMEOUT = httpx.Timeout(30, connect=5)
# A token is renewed this long before it ends, or at half of a shorter life.
RENEW_BEFORE_S = 60
GZIP_FROM_BYTES = 1024


class ServerError(Exception):
    """The server did not do what it was asked.

    Args:
        status: the HTTP status; None when there was no usable answer at all.
        retry_after_s: how long the server asks to wait, if it says so.
    """

    def __init__(self, message: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Credentials:
    """What enrolment gave: where the server is, and who the agent is there."""

    server: str
    agent: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class Heartbeat:
    """The server's answer: its time, whose clock that is, and which configuration holds (None if it does not say)."""

    now: datetime
    clock: str
    configuration: int | None
    round_trip_s: float


@dataclass(frozen=True)
class Receipt:
    """The server has committed a batch. `refused` are (index, code, detail)."""

    accepted: int
    duplicates: int
    refused: list[tuple[int, str, str]]


async def enrol(url: str, token: str, version: str) -> Credentials:
    """Trade a one-time token for a client id and secret.

    Raises:
        ServerError: the token is wrong, used or too old, or the server cannot be reached.
    """
    base = url.rstrip("/")
    async with httpx.AsyncClient(base_url=base, timeout=TIMEOUT) as client:
        try:
            response = await client.post("/v1/agents/enrol", json={"token": token, "version": version})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerError(f"{url} does not answer: {error or type(error).__name__}") from error
    answer = _checked(response)
    try:
        return Credentials(base, answer["agent"], answer["client_id"], answer["client_secret"])
    except KeyError as error:
        raise ServerError(f"{url} does not answer as a Busbar server: no {error.args[0]}") from error


class Server:
    """One connection pool with a bearer token that renews itself."""

    def __init__(self, credentials: Credentials, version: str) -> None:
        self._credentials = credentials
        self._version = version
        self._client = httpx.AsyncClient(base_url=credentials.server, timeout=TIMEOUT)
        self._token = ""
        self._renew_at = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def configuration(self, known_tag: str | None) -> tuple[dict[str, Any], str] | None:
        """The configuration and its ETag, or None when that of `known_tag` still holds."""
        headers = {"If-None-Match": known_tag} if known_tag else {}
        response = await self._send("GET", "/v1/agents/self/config", headers=headers)
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return None
        return _checked(response), response.headers.get("ETag", "")

    async def heartbeat(
        self, at: datetime, queue_depth: int, reached: datetime | None, configuration: int | None
    ) -> Heartbeat:
        """Tell how far the agent is; learn the time."""
        members = {
            "at": rfc3339(at),
            "version": self._version,
            "queue_depth": queue_depth,
            "reached": reached and rfc3339(reached),
            "config_version": configuration,
        }
        body = {name: value for name, value in members.items() if value is not None}
        started = time.monotonic()
        answer = _checked(await self._send("POST", "/v1/agents/self/heartbeat", json=body))
        try:
            now = parse_instant(answer["now"])
            return Heartbeat(now, answer["clock"], answer.get("config_version"), time.monotonic() - started)
        except (KeyError, ValueError, TypeError) as error:
            raise ServerError(f"not a heartbeat's answer: {error!r}") from error

    async def deliver(self, readings: list[dict[str, Any]]) -> Receipt:
        """Hand over a batch. It is safe to repeat: a reading is known by point, register and instant.

        Raises:
            ServerError: it is not certain that the server has committed it.
        """
        content = json.dumps({"readings": readings}, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"}
        if len(content) >= GZIP_FROM_BYTES:
            content, headers["Content-Encoding"] = gzip.compress(content, 5), "gzip"
        answer = _checked(await self._send("POST", "/v1/usage/readings", content=content, headers=headers))
        try:
            refused = [(int(r["index"]), str(r["code"]), str(r.get("detail", ""))) for r in answer["rejected"]]
            return Receipt(int(answer["accepted"]), int(answer["duplicates"]), refused)
        except (KeyError, ValueError, TypeError) as error:
            raise ServerError(f"not an answer to readings: {error!r}") from error

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request with a good token; a token that the server no longer knows is renewed once."""
        for last in (False, True):
            headers = {**options.get("headers", {}), "Authorization": f"Bearer {await self._bearer()}"}
            try:
                response = await self._client.request(method, path, **{**options, "headers": headers})
            except httpx.HTTPError as error:
                raise ServerError(f"no answer: {error or type(error).__name__}") from error
            if response.status_code != httpx.codes.UNAUTHORIZED or last:
                break
            self._renew_at = 0.0
        return response

    async def _bearer(self) -> str:
        if time.monotonic() < self._renew_at:
            return self._token
        try:
            response = await self._client.post(
                "/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(self._credentials.client_id, self._credentials.client_secret),
            )
        except httpx.HTTPError as error:
            raise ServerError(f"no answer: {error or type(error).__name__}") from error
        answer = _checked(response)
        try:
            self._token, life_s = str(answer["access_token"]), float(answer.get("expires_in", 2 * RENEW_BEFORE_S))
        except (KeyError, ValueError) as error:
            raise ServerError(f"not a token's answer: {error!r}") from error
        self._renew_at = time.monotonic() + max(life_s / 2, life_s - RENEW_BEFORE_S)
        return self._token


def _checked(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a 2xx answer; anything else is a `ServerError`."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.is_success and isinstance(body, dict):
        return body
    raise ServerError(_reason(response, body), response.status_code, _retry_after_s(response.headers))


def _reason(response: httpx.Response, body: Any) -> str:
    """The server's own words, where it has some."""
    if isinstance(body, dict):
        words = body.get("detail") or body.get("error_description") or body.get("error")
        if words:
            return f"{response.status_code}: {words}"
    return f"{response.status_code}: the answer is no JSON object" if response.is_success else str(response.status_code)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None
