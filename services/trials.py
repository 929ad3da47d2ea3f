"""Trials: the reminder before their end, and what becomes of the contract then."""

from __future__ import annotations

from uuid import UUID

from billing.contract_terms import CANCEL, Trial
from billing.states.subscription import END_TRIAL, SUBSCRIPTION
from core.period import utc
from models.accounts import Account
from models.subscriptions import Subscription
from services import change_effects, contracts, provisioning, subscription_steps, subscriptions
from services.context import Context
from services.lookups import by_id

ENDED, NO_METHOD = "trial_ended", "payment_method_missing"


def work(ctx: Context, subscription_id: UUID) -> None:
    """Do what is due about a trial: tell that its end is coming, or end it. Nothing due: nothing happens."""
    subscription = subscriptions.find(ctx, subscription_id, lock=True)
    due, ends_at = subscription.trial_next_at, subscription.trial_ends_at
    if due is None or ends_at is None or due > ctx.now:
        return
    trial = contracts.agreed(subscription).trial
    if subscription.ended_at is not None or trial is None:
        subscription.trial_next_at = None
    elif ends_at > ctx.now:
        subscription.trial_next_at = ends_at
        ctx.session.flush()
        subscription_steps.tell(ctx, subscription, "subscription.trial_ending")
    else:
        _end(ctx, subscription, trial)
    ctx.session.flush()


def _end(ctx: Context, subscription: Subscription, trial: Trial) -> None:
    """Convert or end the contract. What is billed from here on was agreed when the trial began."""
    assert subscription.trial_ends_at is not None  # a trial has an end
    at = utc(subscription.trial_ends_at)
    subscription.trial_next_at = None
    reason = ENDED if trial.at_end == CANCEL else None
    account = by_id(ctx, Account, "account", subscription.account_id)
    if reason is None and trial.requires_payment_method and not subscriptions.has_payment_method(ctx, account):
        reason = NO_METHOD
    if reason is not None:
        provisioning.end(ctx, subscription, at, reason)
        change_effects.withdraw_others(ctx, subscription)
    elif SUBSCRIPTION.allows(subscription.status, END_TRIAL):  # one that is suspended meanwhile stays so
        subscription.status = SUBSCRIPTION.apply(subscription.status, END_TRIAL)
        ctx.session.flush()
        subscription_steps.tell(ctx, subscription, "subscription.activated")
