"""What every backend for files does."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session


@dataclass(frozen=True)
class StoredBlob:
    """A file as it was stored."""

    data: bytes
    content_type: str


class BlobStore(Protocol):
    """A backend. `session` is the transaction of the caller; a file put is there once that commits."""

    name: str

    def put(self, session: Session, provider_id: UUID, data: bytes, content_type: str) -> bytes:
        """Keep a file and return its key, the 32 bytes of its SHA-256. The same file twice is kept once."""
        ...

    def get(self, session: Session, provider_id: UUID, key: bytes) -> StoredBlob | None:
        """The file of that key, or None where this provider has none."""
        ...


def key_of(data: bytes) -> bytes:
    """The key a file is stored under."""
    return hashlib.sha256(data).digest()
