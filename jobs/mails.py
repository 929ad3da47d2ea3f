"""Handing mail of live providers to the mail server. A sandbox's mail stays in its outbox."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit
from uuid import UUID

from core.ids import encode
from runtime import house as houses
from runtime.unit import unit
from services import mail, mail_files
from services.clock import system_now
from services.mail import Letter
from services.mail_files import File

ACTOR = "job:mail"
TIMEOUT_SECONDS = 20


def send(provider_id: UUID, mail_ids: Sequence[UUID]) -> None:
    """Send mails: claim one, hand it over, write down how it went. Without a mail server they wait.

    A process killed after the hand-over leaves a claim that runs out, and the mail goes twice under one Message-ID.
    """
    settings = houses.house().settings
    if settings.smtp_url is None:
        return
    for mail_id in mail_ids:
        with unit(provider_id, actor=ACTOR) as ctx:
            letter = mail.claim(ctx, mail_id, system_now())
        if letter is not None:
            with unit(provider_id, actor=ACTOR) as ctx:
                files = [mail_files.read(ctx, attachment) for attachment in letter.attachments]
            error = hand_over(settings.smtp_url, settings.mail_from, letter, files)
            with unit(provider_id, actor=ACTOR) as ctx:
                mail.record(ctx, mail_id, system_now(), error)


def hand_over(smtp_url: str, sender: str, letter: Letter, files: Sequence[File] = ()) -> str | None:
    """Give a mail to the server; what went wrong, without addresses, or None.

    Args:
        smtp_url: `smtp://user:password@host:port`, with STARTTLS where the server offers it, or `smtps://`.
    """
    server = urlsplit(smtp_url)
    host, port = server.hostname or "localhost", server.port or (465 if server.scheme == "smtps" else 25)
    tls = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=tls)
            if server.scheme == "smtps"
            else smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        ) as client:
            if server.scheme != "smtps" and client.ehlo() and client.has_extn("starttls"):
                client.starttls(context=tls)
            if server.username:
                client.login(unquote(server.username), unquote(server.password or ""))
            client.send_message(_message(sender, letter, files))
    except (OSError, smtplib.SMTPException) as error:
        return f"The mail server did not take it: {type(error).__name__}."
    return None


def _message(sender: str, letter: Letter, files: Sequence[File]) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(letter.to), letter.subject
    message["Message-ID"] = f"<{encode('mail', letter.mail_id)}@{sender.rpartition('@')[2]}>"
    message.set_content(letter.body)
    for file in files:
        main, _, sub = file.media_type.partition("/")
        message.add_attachment(file.data, maintype=main, subtype=sub, filename=file.name)
    return message
