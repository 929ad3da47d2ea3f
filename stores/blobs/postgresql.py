"""Files in the database: they commit with the rows that name them, and are in its backups."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.billing import Blob
from stores.blobs.port import StoredBlob, key_of


class PostgresqlBlobs:
    """The table `blob`."""

    name = "postgresql"

    def put(self, session: Session, provider_id: UUID, data: bytes, content_type: str) -> bytes:
        """Keep a file and return its key. The same file twice is kept once, with its first content type."""
        key = key_of(data)
        row = {"provider_id": provider_id, "sha256": key, "content_type": content_type, "data": data}
        session.execute(insert(Blob).values(row).on_conflict_do_nothing())
        return key

    def get(self, session: Session, provider_id: UUID, key: bytes) -> StoredBlob | None:
        """The file of that key, or None where this provider has none."""
        row = session.execute(
            select(Blob.data, Blob.content_type).where(Blob.provider_id == provider_id, Blob.sha256 == key)
        ).one_or_none()
        return StoredBlob(row.data, row.content_type) if row else None


PLUGIN = PostgresqlBlobs()
