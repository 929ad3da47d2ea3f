"""What usage comes to so far, after what coupons take off: as it will be billed if nothing more is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from billing.coupons import Redeemed
from billing.items import USAGE, Claim, Item
from billing.proposal import propose
from billing.reductions import reduced, still_taken
from billing.so_far import SoFar
from core.money import Money


def after_coupons(items: Sequence[Item], found: Sequence[SoFar], redeemed: Mapping[UUID, Redeemed]) -> list[SoFar]:
    """The same stretches with amounts after coupons.

    An amount is used up by what falls due before: what else will be billed by then is taken into account.

    Args:
        items: all of their subscriptions, with the claims that they hold.
        redeemed: by subscription.
    """
    concerned = [each for each in found if each.item.subscription_id in redeemed and each.amount is not None]
    if not concerned:
        return list(found)
    billed = {id(each): claim for each in concerned if (claim := _claim(each)) is not None}
    amounts = _unbilled([each for each in concerned if id(each) not in billed], items, redeemed)
    for each in concerned:
        claim = billed.get(id(each))
        if claim is not None and each.amount is not None:
            taken = still_taken(each.item, claim, each.amount.minor, redeemed[each.item.subscription_id])
            amounts[id(each)] = each.amount.minor - sum(reduction.amount for reduction in taken)
    return [_at(each, amounts.get(id(each))) for each in found]


def _at(each: SoFar, amount: int | None) -> SoFar:
    if amount is None or each.amount is None:
        return each
    return replace(each, amount=Money(amount, each.amount.currency))


def _claim(each: SoFar) -> Claim | None:
    """The claim of a stretch that is billed already."""
    return next((claim for claim in each.item.claims if claim.span == each.span), None)


def _unbilled(found: Sequence[SoFar], items: Sequence[Item], redeemed: Mapping[UUID, Redeemed]) -> dict[int, int]:
    """What stretches that are not billed come to, in minor units."""
    charges = [(each, each.charge) for each in found]
    running = [charge for _, charge in charges if charge is not None]
    if not running:
        return {}
    until = max(charge.due_at for charge in running)
    subscriptions = {charge.subscription_id for charge in running}
    beside = [
        item
        for item in items
        if item.subscription_id in subscriptions and all(term.price.kind != USAGE for term in item.terms)
    ]
    others = [charge for charge in propose(beside, {}, until).charges if charge.claim_id is None]
    after = reduced(items, (*running, *others), redeemed)
    return {id(each): charge.amount for (each, _), charge in zip(charges, after, strict=False)}
