"""Gateway accounts: which credentials may live where, which account is used for what."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from core.errors import Invalid, Unavailable
from core.ids import encode
from models.payments import GatewayAccount
from runtime.house import House
from runtime.unit import unit
from services import gateway_accounts, sellers
from services.gateway_accounts import NewGatewayAccount
from tests.builders.payments import Till
from tests.conftest import make_provider

LIVE = {"secret_key": "sk_live_abc"}


def test_a_live_provider_takes_live_credentials_and_reaches_the_real_gateway(paying_house: House) -> None:
    provider_id = make_provider(paying_house, sandbox=False)
    with unit(provider_id, actor="test", within=paying_house) as ctx:
        with pytest.raises(Invalid, match="test_credentials_in_live"):
            gateway_accounts.create(ctx, NewGatewayAccount("stripe", "Cards", {"secret_key": "sk_test_abc"}))
        row = gateway_accounts.create(ctx, NewGatewayAccount("stripe", "Cards", LIVE, webhook_secret="whsec_1234"))
        access = gateway_accounts.access(ctx, row)
        assert (access.base_url, access.webhook_secrets, dict(access.credentials)) == (None, ("whsec_1234",), LIVE)
        ident = encode("gateway_account", row.id)
        assert gateway_accounts.inbound_url(ctx, row) == f"http://busbar.test/v1/inbound/stripe/{ident}"


def test_a_live_provider_begins_with_an_account_for_what_is_recorded(paying_house: House) -> None:
    provider_id = make_provider(paying_house, sandbox=False)
    with unit(provider_id, actor="test", within=paying_house) as ctx:
        gateway_accounts.create_first_accounts(ctx)
        rows = ctx.session.scalars(select(GatewayAccount).where(GatewayAccount.provider_id == provider_id)).all()
        assert [row.gateway for row in rows] == ["manual"]
        with pytest.raises(Invalid, match="gateway_account_missing"):
            gateway_accounts.resolve(ctx, None, rows[0].seller_id, automatic=True)


def test_a_sandbox_never_reaches_a_live_gateway(till: Till) -> None:
    with till.open() as ctx:
        with pytest.raises(Invalid, match="live_credentials_in_sandbox"):
            gateway_accounts.create(ctx, NewGatewayAccount("stripe", "Cards", LIVE))
        row = gateway_accounts.create(ctx, NewGatewayAccount("stripe", "Two", {"secret_key": "sk_test_two"}))
        assert gateway_accounts.access(ctx, row).base_url == till.gateway.url
        with pytest.raises(Invalid, match="live_credentials_in_sandbox"):
            gateway_accounts.change(ctx, row.id, {"credentials": LIVE})


def test_other_credentials_come_with_a_webhook_endpoint_of_their_own(till: Till) -> None:
    with till.open() as ctx:
        row = gateway_accounts.create(ctx, NewGatewayAccount("stripe", "Two", {"secret_key": "sk_test_four"}))
        (before,) = gateway_accounts.access(ctx, row).webhook_secrets
        gateway_accounts.change(ctx, row.id, {"credentials": {"secret_key": "sk_test_five"}})
        after, kept = gateway_accounts.access(ctx, row).webhook_secrets
        assert (kept, after != before) == (before, True)
        assert len(till.gateway.client("sk_test_five").v1.webhook_endpoints.list().data) == 1


def test_one_account_of_a_seller_is_its_default_and_that_can_change(till: Till) -> None:
    with till.open() as ctx:
        seller = sellers.default(ctx)
        first = gateway_accounts.resolve(ctx, None, seller.id, automatic=True)
        second = gateway_accounts.create(ctx, NewGatewayAccount("stripe", "Two", {"secret_key": "sk_test_two"}))
        assert gateway_accounts.resolve(ctx, None, seller.id, automatic=True).id == first.id
        gateway_accounts.change(ctx, second.id, {"is_default": True})
        assert gateway_accounts.resolve(ctx, None, seller.id, automatic=True).id == second.id
        assert gateway_accounts.resolve(ctx, None, seller.id, automatic=False).gateway == "manual"
        other = sellers.create(ctx, {"name": "Other"})
        with pytest.raises(Invalid, match="gateway_account_of_other_seller"):
            gateway_accounts.resolve(ctx, encode("gateway_account", second.id), other.id, automatic=True)


def test_while_the_gateway_is_away_no_account_is_half_made(till: Till) -> None:
    till.gateway.fault("webhook_endpoints.create", "server_error", key="sk_test_three")
    with pytest.raises(Unavailable), till.open() as ctx:
        gateway_accounts.create(ctx, NewGatewayAccount("stripe", "Three", {"secret_key": "sk_test_three"}))
    with till.open() as ctx:
        named = select(GatewayAccount).where(GatewayAccount.provider_id == ctx.provider.id)
        assert "Three" not in [row.name for row in ctx.session.scalars(named)]
