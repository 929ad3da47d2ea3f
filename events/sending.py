"""One HTTP request to an address that a customer gave us.

The name is resolved here and the connection goes to the very address that was checked, so a name that answers
differently the second time gains nothing. Redirects are not followed, little of the answer is read, and time is short.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
TOTAL_SECONDS = 15.0
ANSWER_BYTES_MAX = 65_536
ASKED_BYTES_MAX = 8_388_608

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(Exception):
    """We do not send there; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """How a try went: the status of the answer, or why there was none."""

    status: int | None
    error: str | None
    took_ms: int

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def check_url(url: str, *, private: bool) -> None:
    """Refuse an address that nothing will ever be sent to.

    Args:
        private: whether private addresses, and plain HTTP, are allowed.

    Raises:
        AddressRefused: not http(s), no host, a password in it, plain HTTP, or a private address written as a number.
    """
    parts = _parts(url)
    if parts.scheme != "https" and not private:
        raise AddressRefused("Webhooks go to https:// addresses.")
    try:
        literal = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return
    _check_address(literal, private)


def send(url: str, headers: Mapping[str, str], body: bytes, *, private: bool) -> Outcome:
    """POST a JSON body; never raises for what the other side or the network does."""
    began = time.monotonic()
    try:
        status = _post(url, headers, body, private, began + TOTAL_SECONDS)
        error = None if 200 <= status < 300 else f"answered {status}"
    except AddressRefused as refused:
        status, error = None, str(refused)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failed:
        status, error = None, f"{type(failed).__name__}: {failed}"[:300]
    return Outcome(status, error, round((time.monotonic() - began) * 1000))


class NoAnswer(Exception):
    """A question was not answered with success; the message says how."""


def ask(url: str, headers: Mapping[str, str], body: bytes, *, private: bool) -> bytes:
    """POST a JSON body and give the body of a successful answer, up to a bound.

    Raises:
        NoAnswer: refused, unreachable, too late, too long, or any status but 2xx.
    """
    began = time.monotonic()
    try:
        status, answer = _exchange(url, headers, body, private, began + TOTAL_SECONDS, ASKED_BYTES_MAX)
    except (AddressRefused, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failed:
        raise NoAnswer(f"{type(failed).__name__}: {failed}"[:300]) from None
    if not 200 <= status < 300:
        raise NoAnswer(f"answered {status}")
    if answer is None:
        raise NoAnswer("answered too much, or too slowly")
    return answer


def _post(url: str, headers: Mapping[str, str], body: bytes, private: bool, deadline: float) -> int:
    """Of the answer the status alone: what it says beside that does not matter."""
    return _exchange(url, headers, body, private, deadline, ANSWER_BYTES_MAX)[0]


def _exchange(
    url: str, headers: Mapping[str, str], body: bytes, private: bool, deadline: float, most: int
) -> tuple[int, bytes | None]:
    """The status, and the body if it came whole."""
    parts = _parts(url)
    host = parts.hostname or ""
    address = resolve(host, parts.port or (443 if parts.scheme == "https" else 80), private=private)
    shown = f"[{address}]" if address.version == 6 else str(address)
    port = f":{parts.port}" if parts.port else ""
    target = parts._replace(netloc=shown + port, fragment="").geturl()
    sent = {**headers, "host": _host_header(parts), "content-type": "application/json", "user-agent": "Busbar/1"}
    timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    with httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False) as client:
        request = client.build_request("POST", target, content=body, headers=sent, extensions={"sni_hostname": host})
        answer = client.send(request, stream=True)
        try:
            return answer.status_code, _read_some(answer, deadline, most)
        finally:
            answer.close()


def _read_some(answer: httpx.Response, deadline: float, most: int) -> bytes | None:
    """Read the answer, or its beginning, so that a receiver which writes it can finish; None for what is cut off."""
    read = bytearray()
    for chunk in answer.iter_raw():
        read += chunk
        if len(read) > most or time.monotonic() > deadline:
            return None
    return bytes(read)


def resolve(host: str, port: int, *, private: bool) -> Address:
    """The address of a host, if it is one we send to.

    Raises:
        AddressRefused: any of its addresses is private, and that is not allowed; or there is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AddressRefused(f"The name {host} cannot be resolved: {error}") from None
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        _check_address(address, private)
    return addresses[0]


def _check_address(address: Address, private: bool) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    never = address.is_link_local or address.is_multicast or address.is_unspecified
    if never or (not private and not address.is_global):
        raise AddressRefused(f"{address} is a private address; webhooks do not go there.")


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise AddressRefused("That is no address.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressRefused("An address begins with https:// and names a host.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("An address holds no user name or password.")
    return parts


def _host_header(parts: SplitResult) -> str:
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{parts.port}" if parts.port else shown
