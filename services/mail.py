"""Mail to people. A sandbox's mails stay in its outbox; a live provider's wait in the table for the sending job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from core.errors import NotFound
from core.ids import decode, encode, new_id
from models.providers import Mail
from services.clock import system_now
from services.context import Context
from services.paging import Slice, Window, newest_first

JOB = "mail"
LEASE = timedelta(minutes=5)
# Pauses after the first, second, … failed try; after the last the mail stays, with its error, and is not tried again.
PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 30, 120, 720))


@dataclass(frozen=True)
class Attachment:
    """A file that goes with a mail: one that is kept (`blob`, its key), or the PDF of an invoice, drawn when the mail
    leaves.
    """

    name: str
    media_type: str
    blob: bytes | None = None
    invoice_id: UUID | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is stored with its mail."""
        of = {"blob": self.blob.hex()} if self.blob else {"invoice": encode("invoice", self.invoice_id or UUID(int=0))}
        return {"name": self.name, "media_type": self.media_type, **of}

    @classmethod
    def stored(cls, value: Mapping[str, Any]) -> Attachment:
        """From what is stored."""
        blob, invoice = value.get("blob"), value.get("invoice")
        return cls(
            value["name"],
            value["media_type"],
            bytes.fromhex(blob) if blob else None,
            decode("invoice", invoice) if invoice else None,
        )


@dataclass(frozen=True)
class Letter:
    """A mail to hand to the mail server. `mail_id` makes its Message-ID, so that a second delivery is recognisable."""

    mail_id: UUID
    to: Sequence[str]
    subject: str
    body: str
    attachments: Sequence[Attachment] = ()


def send(
    ctx: Context,
    to: Sequence[str],
    subject: str,
    body: str,
    *,
    kind: str,
    account_id: UUID | None = None,
    about: tuple[str, UUID] | None = None,
    attachments: Sequence[Attachment] = (),
) -> UUID:
    """Write a plain-text mail with the change it tells of, and files beside it; it leaves after the commit.

    Args:
        kind: what it is for, stable (`"sign_in"`, `"dunning_reminder"`).
        about: the kind and id of the object it is about.
    """
    mail_id = new_id()
    ctx.session.execute(
        insert(Mail).values(
            provider_id=ctx.provider.id,
            id=mail_id,
            sandbox=ctx.provider.sandbox,
            to=list(to),
            subject=subject,
            body=body,
            kind=kind,
            account_id=account_id,
            object_kind=about[0] if about else None,
            object_id=about[1] if about else None,
            attachments=[attachment.as_json() for attachment in attachments],
            created_at=ctx.now,
            next_at=None if ctx.provider.sandbox else system_now(),
        )
    )
    if not ctx.provider.sandbox:
        ctx.wake(JOB, mail_id)
    return mail_id


def list_mails(ctx: Context, window: Window) -> Slice[Mail]:
    """The provider's mails, newest first: the outbox of a sandbox, the record of a live provider."""
    return newest_first(ctx, select(Mail).where(Mail.provider_id == ctx.provider.id), Mail.id, window)


def claim(ctx: Context, mail_id: UUID, now: datetime) -> Letter | None:
    """Take a mail that is due for sending, for the length of a lease; None where there is nothing to do.

    Args:
        now: system time.
    """
    taken = ctx.session.execute(
        update(Mail)
        .where(
            Mail.provider_id == ctx.provider.id,
            Mail.id == mail_id,
            Mail.sandbox.is_(False),
            Mail.sent_at.is_(None),
            Mail.next_at <= now,
            (Mail.lease_until.is_(None)) | (Mail.lease_until <= now),
        )
        .values(lease_until=now + LEASE, attempts=Mail.attempts + 1)
        .returning(Mail.id, Mail.to, Mail.subject, Mail.body, Mail.attachments)
    ).one_or_none()
    if taken is None:
        return None
    files = [Attachment.stored(each) for each in taken.attachments]
    return Letter(taken.id, taken.to, taken.subject, taken.body, files)


def attachment(ctx: Context, mail_id: UUID, number: int) -> Attachment:
    """A file of a mail, counted from 1.

    Raises:
        NotFound: there is no such mail, or it has no such file.
    """
    found = select(Mail.attachments).where(Mail.provider_id == ctx.provider.id, Mail.id == mail_id)
    stored = ctx.session.execute(found).scalar_one_or_none() or []
    if not 1 <= number <= len(stored):
        raise NotFound("mail", mail_id)
    return Attachment.stored(stored[number - 1])


def record(ctx: Context, mail_id: UUID, now: datetime, error: str | None) -> None:
    """Write down how the sending of a claimed mail went: sent, or when to try again.

    Args:
        now: system time.
        error: what went wrong, without addresses or content; None when it was handed over.
    """
    mail = ctx.session.execute(
        select(Mail).where(Mail.provider_id == ctx.provider.id, Mail.id == mail_id).with_for_update()
    ).scalar_one()
    mail.lease_until = None
    if error is None:
        mail.sent_at, mail.last_error = now, None
        return
    mail.last_error = error
    mail.next_at = now + PAUSES[mail.attempts - 1] if mail.attempts <= len(PAUSES) else None
