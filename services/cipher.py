"""Secrets of others, encrypted with keys that can be rotated.

AES-256-GCM. A stored secret is: key id, a zero byte, 12 bytes of nonce, the ciphertext. What it belongs to is
authenticated, so a secret copied to another provider or purpose does not open.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import Misconfigured

NONCE_BYTES = 12


class Cipher:
    """Keys by id, in order: the first writes, all read."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        if not keys:
            raise Misconfigured("BUSBAR_SECRET_KEYS needs at least one key.")
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self.writing = next(iter(keys))

    @classmethod
    def parse(cls, text: str) -> Cipher:
        """Read `id:key,id:key`, each key 32 bytes in base64.

        Raises:
            Misconfigured: not of that form.
        """
        keys: dict[str, bytes] = {}
        for part in text.split(","):
            name, _, encoded = part.strip().partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                key = b""
            if not name or len(key) != 32 or name in keys:
                raise Misconfigured("BUSBAR_SECRET_KEYS is id:key[,id:key…], each key 32 bytes in base64.")
            keys[name] = key
        return cls(keys)

    def seal(self, secret: object, *, provider_id: UUID, purpose: str) -> bytes:
        """Encrypt a JSON value for one purpose of one provider."""
        nonce = os.urandom(NONCE_BYTES)
        clear = json.dumps(secret).encode()
        sealed = self._keys[self.writing].encrypt(nonce, clear, _bound_to(provider_id, purpose))
        return self.writing.encode() + b"\0" + nonce + sealed

    def open(self, stored: bytes, *, provider_id: UUID, purpose: str) -> Any:
        """The JSON value that `seal` was given.

        Raises:
            Misconfigured: its key is not among the configured ones, or it belongs to something else.
        """
        name, _, rest = stored.partition(b"\0")
        key = self._keys.get(name.decode(errors="replace"))
        if key is None:
            raise Misconfigured(f"BUSBAR_SECRET_KEYS lacks the key {name.decode(errors='replace')!r}.")
        try:
            clear = key.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _bound_to(provider_id, purpose))
        except InvalidTag:
            raise Misconfigured("A stored secret does not open with its key.") from None
        return json.loads(clear)

    def knows(self, stored: bytes) -> bool:
        """Whether the key of a stored secret is among the configured ones."""
        return stored.partition(b"\0")[0].decode(errors="replace") in self._keys

    def is_current(self, stored: bytes) -> bool:
        """Whether a stored secret was written with the key that writes now."""
        return stored.partition(b"\0")[0].decode(errors="replace") == self.writing


def _bound_to(provider_id: UUID, purpose: str) -> bytes:
    return f"{provider_id}/{purpose}".encode()
