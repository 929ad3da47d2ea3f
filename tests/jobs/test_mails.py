"""Mail of live providers leaves by a real SMTP conversation, once."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select

from jobs import mails
from models.providers import Mail
from runtime.house import House
from services import mail
from tests.conftest import Open, make_provider

Inbox = list[str]


class SmtpSession(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a sender needs; keeps what it is given."""

    def handle(self) -> None:
        self._say("220 test")
        while word := self.rfile.readline().decode().strip().upper():
            if word == "DATA":
                self._say("354 go on")
                self.server.inbox.append(self._content())  # type: ignore[attr-defined]
            self._say("221 bye" if word == "QUIT" else "250 ok")
            if word == "QUIT":
                return

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _content(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
            lines.append(line)
        return "\n".join(lines)


@pytest.fixture
def post_office(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """A mail server that the house is configured with; gives what it has received."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SmtpSession) as server:
        server.inbox = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _configure(house, monkeypatch, f"smtp://127.0.0.1:{server.server_address[1]}")
        yield server.inbox  # type: ignore[attr-defined]
        server.shutdown()


def _configure(house: House, monkeypatch: pytest.MonkeyPatch, smtp_url: str | None) -> None:
    settings = replace(house.settings, smtp_url=smtp_url, mail_from="billing@northgate.example")
    monkeypatch.setattr("runtime.house.house", lambda: replace(house, settings=settings))


@pytest.fixture
def live(house: House) -> UUID:
    return make_provider(house, sandbox=False)


def write(open_unit: Open, provider: UUID) -> UUID:
    with open_unit(provider) as ctx:
        return mail.send(ctx, ["ada@lumen.example"], "Ihre Rechnung – März", "Grüße", kind="greeting")


def stored(open_unit: Open, provider: UUID, mail_id: UUID) -> Mail:
    with open_unit(provider) as ctx:
        return ctx.session.scalars(select(Mail).where(Mail.id == mail_id)).one()


def test_a_mail_is_handed_over_once(post_office: Inbox, live: UUID, open_unit: Open) -> None:
    mail_id = write(open_unit, live)
    mails.send(live, [mail_id])
    mails.send(live, [mail_id])
    (message,) = post_office
    assert "To: ada@lumen.example" in message
    assert "From: billing@northgate.example" in message
    assert "Message-ID: <mail_" in message
    assert stored(open_unit, live, mail_id).sent_at is not None


def test_a_server_that_is_down_costs_time_and_not_the_mail(
    house: House, monkeypatch: pytest.MonkeyPatch, live: UUID, open_unit: Open
) -> None:
    _configure(house, monkeypatch, "smtp://127.0.0.1:1")
    mail_id = write(open_unit, live)
    mails.send(live, [mail_id])
    kept = stored(open_unit, live, mail_id)
    assert kept.sent_at is None
    assert kept.last_error == "The mail server did not take it: ConnectionRefusedError."
    assert kept.next_at is not None


def test_without_a_mail_server_mail_waits_untouched(
    house: House, monkeypatch: pytest.MonkeyPatch, live: UUID, open_unit: Open
) -> None:
    _configure(house, monkeypatch, None)
    mail_id = write(open_unit, live)
    mails.send(live, [mail_id])
    assert stored(open_unit, live, mail_id).attempts == 0
