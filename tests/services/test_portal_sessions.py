"""One-time links and sessions of the customer pages."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from core.errors import NotFound, UnknownReference
from core.ids import encode
from jobs import due
from jobs.finding import due_now
from models.access import PortalLink, PortalSession
from models.providers import Mail, Membership
from runtime.house import House
from runtime.unit import dispatch, unit
from services import portal_sessions
from services.clock import system_now
from services.context import Context
from tests.builders.portal import make_account
from tests.conftest import Open, make_provider

NOW = system_now()
URL = "https://billing.example"


def mails(ctx: Context) -> list[Mail]:
    return list(ctx.session.scalars(select(Mail).where(Mail.provider_id == ctx.provider.id).order_by(Mail.id)))


def link_for(ctx: Context, account_id: UUID) -> str:
    return portal_sessions.make_link(ctx, encode("account", account_id), NOW).token


def test_a_link_opens_a_session_of_its_account(ctx: Context) -> None:
    account_id = make_account(ctx)
    session = portal_sessions.redeem(ctx, link_for(ctx, account_id), NOW)
    visitor = portal_sessions.visitor(ctx, session, NOW)
    assert visitor is not None
    assert visitor.account_id == account_id


def test_a_link_works_once(ctx: Context) -> None:
    token = link_for(ctx, make_account(ctx))
    portal_sessions.redeem(ctx, token, NOW)
    with pytest.raises(NotFound):
        portal_sessions.redeem(ctx, token, NOW)


def test_looking_at_a_link_does_not_use_it_up(ctx: Context) -> None:
    token = link_for(ctx, make_account(ctx, name="Lumen"))
    assert [portal_sessions.preview(ctx, token, NOW) for _ in range(3)] == ["Lumen"] * 3
    assert portal_sessions.redeem(ctx, token, NOW)


def test_a_link_expires(ctx: Context) -> None:
    token = link_for(ctx, make_account(ctx))
    with pytest.raises(NotFound):
        portal_sessions.redeem(ctx, token, NOW + portal_sessions.LINK_LIFE)


def test_a_session_expires_and_ends(ctx: Context) -> None:
    session = portal_sessions.redeem(ctx, link_for(ctx, make_account(ctx)), NOW)
    visitor = portal_sessions.visitor(ctx, session, NOW)
    assert visitor is not None
    assert portal_sessions.visitor(ctx, session, NOW + portal_sessions.SESSION_LIFE) is None
    portal_sessions.end(ctx, visitor.session_id, NOW)
    assert portal_sessions.visitor(ctx, session, NOW + timedelta(seconds=1)) is None


def test_tokens_are_stored_as_hashes_only(ctx: Context) -> None:
    token = link_for(ctx, make_account(ctx))
    session = portal_sessions.redeem(ctx, token, NOW)
    rows = ctx.session.execute(text("SELECT l::text FROM portal_link l UNION ALL SELECT s::text FROM portal_session s"))
    stored = "".join(rows.scalars())
    assert len(stored) > 100
    assert token not in stored
    assert session not in stored


def test_the_link_of_another_provider_opens_nothing(ctx: Context, open_unit: Open, house: object) -> None:
    with open_unit(make_provider(house)) as other:  # type: ignore[arg-type]
        token = link_for(other, make_account(other))
    with pytest.raises(NotFound):
        portal_sessions.redeem(ctx, token, NOW)


def test_an_integrator_with_a_scope_makes_links_only_inside_it(provider_id: UUID, open_unit: Open) -> None:
    with open_unit() as ctx:
        mine, other = make_account(ctx), make_account(ctx)
    with open_unit(scope=frozenset({mine})) as scoped:
        assert link_for(scoped, mine)
        with pytest.raises(UnknownReference):
            link_for(scoped, other)


def test_an_address_is_mailed_a_link_to_its_account(ctx: Context) -> None:
    account_id = make_account(ctx, email="Ada@Lumen.example")
    portal_sessions.ask(ctx, " ada@lumen.EXAMPLE ", NOW, URL)
    (letter,) = mails(ctx)
    token = re.search(r"https://billing\.example/portal/prov_\w{26}/enter/(\S+)", letter.body)
    assert (letter.to, letter.kind, letter.sandbox, letter.account_id) == (
        ["ada@lumen.EXAMPLE"],
        "sign_in",
        True,
        account_id,
    )
    assert token is not None
    session = portal_sessions.visitor(ctx, portal_sessions.redeem(ctx, token[1], NOW), NOW)
    assert session is not None
    assert session.user_id is not None, "who came in by mail is known as a person"


def test_an_unknown_address_gets_nothing_and_is_told_nothing(ctx: Context) -> None:
    make_account(ctx, email="ada@lumen.example")
    portal_sessions.ask(ctx, "eve@elsewhere.example", NOW, URL)
    assert mails(ctx) == []


def test_a_member_may_sign_in_though_the_account_carries_another_address(ctx: Context) -> None:
    account_id = make_account(ctx, email="ap@lumen.example")
    person = portal_sessions._member(ctx, "ada@lumen.example", account_id)
    portal_sessions.ask(ctx, "ADA@lumen.example", NOW, URL)
    assert len(mails(ctx)) == 1
    assert ctx.session.scalars(select(Membership.user_id)).one() == person


def test_asking_again_and_again_fills_no_mailbox(ctx: Context) -> None:
    make_account(ctx, email="ada@lumen.example")
    for _ in range(portal_sessions.LINKS_WAITING_MAX + 3):
        portal_sessions.ask(ctx, "ada@lumen.example", NOW, URL)
    assert len(mails(ctx)) == portal_sessions.LINKS_WAITING_MAX
    portal_sessions.ask(ctx, "ada@lumen.example", NOW + portal_sessions.LINK_LIFE, URL)
    assert len(mails(ctx)) == portal_sessions.LINKS_WAITING_MAX + 1


def test_what_opens_nothing_any_more_is_forgotten_and_the_rest_is_kept(house: House, provider_id: UUID) -> None:
    """The schedule finds it by the machine's clock, whatever the sandbox's shows."""
    now = system_now()
    with unit(provider_id, actor="test", within=house) as ctx:
        account = encode("account", make_account(ctx))
        for age in (portal_sessions.SESSION_LIFE, portal_sessions.LINK_LIFE, timedelta(0)):
            used = portal_sessions.make_link(ctx, account, now - age)
            portal_sessions.redeem(ctx, used.token, now - age)
            kept = portal_sessions.make_link(ctx, account, now - age)
    kind = due.KINDS["ended_visits"]
    with dispatch(within=house) as session:
        assert len(due_now(session, kind, provider_id, 10)) == 5  # four links, and the oldest session
    kind.run(provider_id, [provider_id])
    with dispatch(within=house) as session:
        assert due_now(session, kind, provider_id, 10) == []
    with unit(provider_id, actor="test", within=house) as ctx:
        counts = [ctx.session.scalar(select(func.count()).select_from(t)) for t in (PortalLink, PortalSession)]
        assert counts == [2, 2]
        assert portal_sessions.preview(ctx, kept.token, now)


def test_an_address_of_two_accounts_gets_a_link_to_each(ctx: Context) -> None:
    make_account(ctx, name="Lumen", email="ada@lumen.example")
    make_account(ctx, name="Lumen Labs", email="ada@lumen.example")
    portal_sessions.ask(ctx, "ada@lumen.example", NOW, URL)
    assert len(mails(ctx)) == 2
