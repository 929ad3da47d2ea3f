"""Fixed terms: the reminder before the last day of notice, and their end: renewed, expired or open-ended."""

from __future__ import annotations

from uuid import UUID

from billing.beginnings import next_step
from billing.contract_terms import EXPIRE, RENEW, RunningTerm
from models.subscriptions import Subscription
from services import change_effects, provisioning, subscription_steps, subscriptions
from services.change_dates import running_term
from services.context import Context

ENDED = "term_ended"


def work(ctx: Context, subscription_id: UUID) -> None:
    """Do what is due about a fixed term: tell of its end while notice can be given, or end it."""
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    due, running = subscription.term_next_at, running_term(subscription)
    if due is None or due > ctx.now:
        return
    if running is None or subscription.ended_at is not None:
        subscription.term_next_at = None
    elif running.ends_at > ctx.now:
        subscription.term_next_at = running.ends_at
        ctx.session.flush()
        subscription_steps.tell(ctx, subscription, "subscription.term_ending")
    else:
        _end(ctx, subscription, running)
    ctx.session.flush()


def _end(ctx: Context, subscription: Subscription, running: RunningTerm) -> None:
    if running.term.renewal == EXPIRE:
        _expire(ctx, subscription, running)
        return
    if running.term.renewal == RENEW:
        ends_at = running.term.end_after(running.started_at, running.ends_at, running.time_zone)
        subscription.term_ends_at = ends_at
        subscription.term_next_at = next_step(running.term, ctx.now, ends_at, running.time_zone)
        event = "subscription.renewed"
    else:
        subscription.term_next_at = None
        event = "subscription.term_ended"
    ctx.session.flush()
    subscription_steps.tell(ctx, subscription, event)


def _expire(ctx: Context, subscription: Subscription, running: RunningTerm) -> None:
    """The contract is over. What is agreed ends with it; billing knew that from the beginning."""
    subscription.term_next_at = None
    subscription_steps.expire(ctx, subscription, running.ends_at)
    provisioning.request(ctx, subscription, "deprovision", ENDED)
    change_effects.withdraw_others(ctx, subscription)
