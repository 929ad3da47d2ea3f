"""The files that go with mails, read when a mail leaves."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import NotFound
from services import invoicing_pdf
from services.context import Context
from services.mail import Attachment
from stores.blobs.postgresql import PLUGIN as BLOBS


@dataclass(frozen=True)
class File:
    """A file with its name."""

    name: str
    media_type: str
    data: bytes


def read(ctx: Context, attachment: Attachment) -> File:
    """The file of an attachment.

    Raises:
        NotFound: it is kept no more.
    """
    if attachment.invoice_id is not None:
        return File(attachment.name, attachment.media_type, invoicing_pdf.pdf(ctx, attachment.invoice_id))
    stored = BLOBS.get(ctx.session, ctx.provider.id, attachment.blob) if attachment.blob else None
    if stored is None:
        raise NotFound("blob", attachment.name)
    return File(attachment.name, attachment.media_type, stored.data)
