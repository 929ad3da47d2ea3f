"""What a provisioning system leaves unanswered is sent to it again."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from core.ids import encode
from models.outbox import Delivery
from models.subscriptions import ProvisioningRequest
from services import deliveries, provisioning, webhooks
from services.clock import system_now
from services.provisioning import Answer
from services.subscriptions import Order
from tests.builders.billing import a_plan, an_account
from tests.conftest import Open
from tests.services.test_contracts import RACK, set_clock


def asked_and_delivered(open_unit: Open) -> tuple[ProvisioningRequest, Delivery]:
    """A request whose event was delivered, and to which nobody answered."""
    with open_unit() as ctx:
        webhooks.create(ctx, {"url": "http://127.0.0.1:9/hook", "types": ["subscription.provision_requested"]})
        account, plan = an_account(ctx), a_plan(ctx, RACK)
        provisioning.order(ctx, Order(str(account.external_id), encode("plan", plan.id), ctx.now))
        deliveries.fan_out(ctx, system_now())
        ctx.session.execute(update(Delivery).values(status="delivered", delivered_at=system_now(), tries=1))
    return now_of(open_unit)


def now_of(open_unit: Open) -> tuple[ProvisioningRequest, Delivery]:
    with open_unit() as ctx:
        request = ctx.session.scalars(select(ProvisioningRequest)).one()
        return request, ctx.session.scalars(select(Delivery)).one()


def test_a_day_without_an_answer_sends_the_request_again_under_the_same_id(open_unit: Open) -> None:
    request, before = asked_and_delivered(open_unit)
    assert request.next_at == request.asked_at + timedelta(days=1)
    set_clock(open_unit, request.next_at)
    with open_unit() as ctx:
        provisioning.ask_again(ctx, request.id)
    again, delivery = now_of(open_unit)
    assert (delivery.id, delivery.event_id, delivery.status) == (before.id, request.id, "pending")
    assert again.next_at == request.asked_at + timedelta(days=2)


def test_before_its_time_and_after_its_answer_nothing_is_sent(open_unit: Open) -> None:
    request, _ = asked_and_delivered(open_unit)
    with open_unit() as ctx:
        provisioning.ask_again(ctx, request.id)
    assert now_of(open_unit)[1].status == "delivered"
    set_clock(open_unit, request.asked_at + timedelta(days=3))
    with open_unit() as ctx:
        provisioning.answer(ctx, request.subscription_id, Answer("provisioned"))
        provisioning.ask_again(ctx, request.id)
    assert now_of(open_unit)[1].status == "delivered"


def test_after_a_month_it_is_only_shown(open_unit: Open) -> None:
    request, _ = asked_and_delivered(open_unit)
    for day in range(1, 32):
        set_clock(open_unit, request.asked_at + timedelta(days=day))
        with open_unit() as ctx:
            provisioning.ask_again(ctx, request.id)
    again, _ = now_of(open_unit)
    assert (again.status, again.next_at) == ("open", None)
