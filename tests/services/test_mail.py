"""Mail: a sandbox's stays, a live provider's is claimed, sent once, tried again."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from models.providers import Mail
from runtime.house import House
from services import mail
from services.clock import system_now
from services.context import Context
from services.paging import Window
from tests.conftest import Open, make_provider

LATER = timedelta(seconds=1)


def row(ctx: Context, mail_id: UUID) -> Mail:
    return ctx.session.scalars(select(Mail).where(Mail.id == mail_id).execution_options(populate_existing=True)).one()


def test_a_sandbox_keeps_its_mail_and_sends_none(ctx: Context) -> None:
    mail_id = mail.send(ctx, ["ada@lumen.example"], "Hello", "Text", kind="greeting")
    assert [m.subject for m in mail.list_mails(ctx, Window()).rows] == ["Hello"]
    assert mail.claim(ctx, mail_id, system_now() + LATER) is None
    assert ctx.hints == []


def test_a_live_mail_is_claimed_by_one_and_sent_once(house: House, open_unit: Open) -> None:
    with open_unit(make_provider(house, sandbox=False)) as ctx:
        mail_id = mail.send(ctx, ["ada@lumen.example"], "Hello", "Text", kind="greeting")
        now = system_now() + LATER
        assert ctx.hints == [("mail", (str(mail_id),))]
        letter = mail.claim(ctx, mail_id, now)
        assert letter is not None
        assert letter.subject == "Hello"
        assert mail.claim(ctx, mail_id, now) is None, "another sender finds it taken"
        mail.record(ctx, mail_id, now, None)
        assert row(ctx, mail_id).sent_at == now
        assert mail.claim(ctx, mail_id, now + mail.LEASE) is None, "what is sent is not sent again"


def test_a_sender_that_died_leaves_the_mail_to_the_next(house: House, open_unit: Open) -> None:
    with open_unit(make_provider(house, sandbox=False)) as ctx:
        mail_id = mail.send(ctx, ["ada@lumen.example"], "Hello", "Text", kind="greeting")
        now = system_now() + LATER
        assert mail.claim(ctx, mail_id, now)
        assert mail.claim(ctx, mail_id, now + mail.LEASE)


def test_a_failed_mail_is_tried_with_growing_pauses_and_then_kept(house: House, open_unit: Open) -> None:
    with open_unit(make_provider(house, sandbox=False)) as ctx:
        mail_id = mail.send(ctx, ["ada@lumen.example"], "Hello", "Text", kind="greeting")
        now = system_now() + LATER
        for pause in mail.PAUSES:
            assert mail.claim(ctx, mail_id, now)
            mail.record(ctx, mail_id, now, "the mail server is down")
            assert mail.claim(ctx, mail_id, now + pause - LATER) is None
            now += pause
        assert mail.claim(ctx, mail_id, now)
        mail.record(ctx, mail_id, now, "the mail server is down")
        stored = row(ctx, mail_id)
        assert (stored.next_at, stored.last_error, stored.sent_at) == (None, "the mail server is down", None)
