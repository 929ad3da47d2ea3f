"""Mail of live providers: claimed, handed to the mail server, recorded. A sandbox's mail never leaves its outbox."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Sequence
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit
from uuid import UUID

from runtime import house as houses
from runtime.unit import unit
from services import mail
from services.clock import system_now
from services.mail import Letter

log = logging.getLogger(__name__)

ACTOR = "job:mail"
SMTP_SECONDS = 20


def send(provider_id: UUID, mail_ids: Sequence[UUID]) -> None:
    """Send mails that are due. Without a mail server configured they wait."""
    settings = houses.house().settings
    if settings.smtp_url is None:
        return
    for mail_id in mail_ids:
        with unit(provider_id, actor=ACTOR) as ctx:
            letter = mail.claim(ctx, mail_id, system_now())
        if letter is None:
            continue
        error = _hand_over(settings.smtp_url, settings.mail_from, letter)
        with unit(provider_id, actor=ACTOR) as ctx:
            mail.record(ctx, mail_id, system_now(), error)


def _hand_over(url: str, sender: str, letter: Letter) -> str | None:
    """Give a letter to the mail server; returns what went wrong."""
    parts = urlsplit(url)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(letter.to), letter.subject
    message["Message-ID"] = f"<{letter.mail_id}@{sender.rpartition('@')[2]}>"
    message.set_content(letter.body)
    try:
        with smtplib.SMTP(parts.hostname or "localhost", parts.port or 25, timeout=SMTP_SECONDS) as server:
            if server.has_extn("starttls"):
                server.starttls()
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as failed:
        return type(failed).__name__
    return None
