"""A provider with its gateway accounts at a running card gateway, payers with cards, and what they owe."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from billing.bill_dates import next_bill_at
from core.ids import encode
from jobs import billing, money, reactions
from models.accounts import Account
from models.billing import Invoice
from models.payments import GatewayAccount, Payment, PaymentAttempt
from models.providers import TestClock
from services import gateway_accounts, inbound, payment_methods, runs
from services.clock import system_now
from services.context import Context
from services.payment_methods import NewPaymentMethod
from tests.builders.billing import RACK, a_plan, an_account, subscribe
from tests.standins.gateway_program import GatewayProgram

Open = Callable[..., AbstractContextManager[Context]]
FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Till:
    """One provider and the gateway it charges at."""

    open: Open
    provider_id: UUID
    gateway: GatewayProgram

    @property
    def key(self) -> str:
        """The secret key of the provider's account at the gateway."""
        with self.open() as ctx:
            return gateway_accounts.access(ctx, self._cards(ctx)).credentials["secret_key"]

    def _cards(self, ctx: Context) -> GatewayAccount:
        statement = select(GatewayAccount).where(
            GatewayAccount.provider_id == ctx.provider.id, GatewayAccount.gateway == "stripe"
        )
        return ctx.session.scalars(statement).one()

    def charges(self) -> Any:
        """What the gateway says it has charged."""
        return self.gateway.charges(self.key)

    def fault(self, route: str, fault: str, times: int = 1) -> None:
        self.gateway.fault(route, fault, times, self.key)

    def payer(self, token: str | None = "pm_card_visa", **more: Any) -> Account:
        """An account that pays for itself, with a card unless `token` is None, and a rack since the 15th."""
        with self.open() as ctx:
            account = an_account(ctx, email="ada@example.com", **more)
            subscribe(ctx, account, a_plan(ctx, RACK), start=ctx.now)
            if token is not None:
                self.attach(ctx, account, token)
        self.react()
        return account

    def attach(self, ctx: Context, account: Account, token: str) -> UUID:
        new = NewPaymentMethod(account=encode("account", account.id), token=token, is_default=True)
        return payment_methods.attach(ctx, new).id

    def set_clock(self, now: datetime) -> None:
        with self.open() as ctx:
            ctx.session.execute(update(TestClock).where(TestClock.provider_id == ctx.provider.id).values(now=now))

    def bill(self, now: datetime | None = None) -> list[UUID]:
        """Set the clock to the next bill date and do the runs that are due; gives the open invoices, newest last."""
        with self.open() as ctx:
            at = now or next_bill_at(ctx.now, "UTC")
        self.set_clock(at)
        with self.open() as ctx:
            started = runs.start_due(ctx)
        billing.work_runs(self.provider_id, started)
        return self.invoices("open")

    def invoices(self, status: str) -> list[UUID]:
        with self.open() as ctx:
            statement = select(Invoice.id).where(Invoice.provider_id == ctx.provider.id, Invoice.status == status)
            return list(ctx.session.scalars(statement.order_by(Invoice.number)))

    def invoice(self, invoice_id: UUID) -> Invoice:
        with self.open() as ctx:
            return ctx.session.get_one(Invoice, (ctx.provider.id, invoice_id))

    def attempts(self) -> list[PaymentAttempt]:
        with self.open() as ctx:
            statement = select(PaymentAttempt).where(PaymentAttempt.provider_id == ctx.provider.id)
            return list(ctx.session.scalars(statement.order_by(PaymentAttempt.id)))

    def payments(self) -> list[Payment]:
        with self.open() as ctx:
            statement = select(Payment).where(Payment.provider_id == ctx.provider.id)
            return list(ctx.session.scalars(statement.order_by(Payment.id)))

    def react(self) -> None:
        """React to everything that happened, until nothing more does."""
        reactions.run(self.provider_id, ())
        reactions.run(self.provider_id, ())

    def collect(self) -> None:
        """Work on every attempt that is due, as the queue does."""
        with self.open() as ctx:
            due = select(PaymentAttempt.id).where(
                PaymentAttempt.provider_id == ctx.provider.id, PaymentAttempt.next_at <= system_now()
            )
            ids = list(ctx.session.scalars(due))
        money.attempts(self.provider_id, ids)

    def end_leases(self) -> None:
        """As if the lease of whoever died had run out, and every pause were over."""
        with self.open() as ctx:
            ctx.session.execute(
                update(PaymentAttempt)
                .where(PaymentAttempt.provider_id == ctx.provider.id, PaymentAttempt.next_at.is_not(None))
                .values(lease_until=None, next_at=system_now())
            )

    def tell(self, headers: dict[str, str], body: bytes) -> None:
        """Deliver a webhook."""
        with self.open() as ctx:
            inbound.receive(ctx, self._cards(ctx).id, headers, body)
