"""What a subscription is offered: its plan's successors and companions, each with what it would cost beside what the
subscription costs now, a month, on its own last usage. By the functions that bill; nothing is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from billing.changes import Contract
from billing.items import USAGE, AgreedTerm, Item, PriceTerms
from billing.offers import ADD_ON, COMPONENT, OWN, AddOnRules, Part, as_charged, collisions, lacks
from billing.parts_change import PartsChange, unfit
from billing.states.subscription import PENDING
from billing.version_comparison import Monthly, monthly, requests, usage_spans
from core.errors import Refused
from core.ids import encode, new_id
from core.period import Period
from models.catalog import Plan
from models.simulations import PlanOffer
from models.subscriptions import Subscription
from services import contract_prices, contracts, indexes, lookups, plan_offers, plans, subscription_parts
from services.closing import closed_by
from services.context import Context, visible
from services.contract_changes import ENDED
from services.parts_wanted import goes_with, part_of
from services.plan_offers import COMPANION, SUCCESSOR
from services.plans import VersionView
from services.sets import among
from services.version_migration_results import Pays
from services.version_migration_steps import indexed_usage, moved
from stores.usage import slots_many


@dataclass(frozen=True)
class Offer:
    """A plan that may be taken instead of what a subscription is on, or beside it.

    Args:
        current, offered: what is paid a month, net, before coupons, in all; of a companion that is ordered by itself,
            together with it. None where it cannot be told: `obstacle` says why, as code and detail.
        once_amount: what is due once.
        usage_span: the last closed spans that the usage is of, from the first to the end of the last.
        apply: how to take it: `method`, `path`, `body`.
    """

    kind: str
    plan_id: UUID
    plan_version_id: UUID
    code: str
    name: str
    plan_kind: str
    currency: str
    apply: Mapping[str, Any]
    current: Pays | None = None
    offered: Pays | None = None
    once_amount: int | None = None
    usage_span: Period | None = None
    obstacle: tuple[str, str] | None = None

    @property
    def difference_amount(self) -> int | None:
        """What would be paid more a month; below zero it is less."""
        return self.offered.total_amount - self.current.total_amount if self.offered and self.current else None


@dataclass(frozen=True)
class _Candidate:
    """A plan that is named, as it is offered now, and the contract with it; without a change it is ordered alone."""

    kind: str
    plan: Plan
    parts: tuple[Part, ...]
    change: PartsChange | None
    after: Contract | None = None


def offers(ctx: Context, subscription_id: UUID) -> list[Offer]:
    """What a subscription is offered: successors before companions, in each what costs least more first.

    What it has already, what does not go with it and what nobody can order yet is left out.

    Raises:
        NotFound: there is no such subscription, or not for this caller.
    """
    subscription = lookups.by_id(ctx, Subscription, "subscription", subscription_id, account=Subscription.account_id)
    if subscription.status in (PENDING, *ENDED):
        return []
    standing = subscription_parts.standing(ctx, subscription)
    candidates = list(_candidates(ctx, subscription, standing))
    if not candidates:
        return []
    contract = contracts.load(ctx, subscription)
    prices = _prices(ctx, candidates, subscription.currency)
    tried = [_tried(ctx, contract, standing, each, prices, subscription.currency) for each in candidates]
    found = _compared(ctx, subscription, contract, tried)
    return sorted(found, key=_order)


@dataclass(frozen=True)
class Offered:
    """A subscription with what it is offered; `plan_name` is what it is on."""

    subscription_id: UUID
    account_id: UUID
    plan_name: str
    offers: Sequence[Offer]


def of_visible(ctx: Context, most: int) -> list[Offered]:
    """The newest subscriptions that the caller may see and that are offered something that can be priced."""
    names_any = select(PlanOffer.plan_id).where(PlanOffer.provider_id == ctx.provider.id)
    rows = ctx.session.execute(
        select(Subscription.id, Subscription.account_id, Plan.name)
        .join(Plan, and_(Plan.provider_id == Subscription.provider_id, Plan.id == Subscription.plan_id))
        .where(
            Subscription.provider_id == ctx.provider.id,
            visible(ctx, Subscription.account_id),
            Subscription.status.not_in((PENDING, *ENDED)),
            Subscription.plan_id.in_(names_any),
        )
        .order_by(Subscription.id.desc())
        .limit(most)
    ).all()
    found = (
        Offered(row.id, row.account_id, row.name, [o for o in offers(ctx, row.id) if o.obstacle is None])
        for row in rows
    )
    return [each for each in found if each.offers]


def _order(offer: Offer) -> tuple[bool, bool, int]:
    """Successors first, what can be told first, what saves most first; `sorted` keeps the plan's own order."""
    return offer.kind == COMPANION, offer.difference_amount is None, offer.difference_amount or 0


def _candidates(ctx: Context, subscription: Subscription, standing: Sequence[Part]) -> Iterator[_Candidate]:
    """The plans that a subscription's own plan names, as far as they can be taken now."""
    beside = plan_offers.named(ctx, [subscription.plan_id])[subscription.plan_id]
    wanted = {**dict.fromkeys(beside.successors, SUCCESSOR), **dict.fromkeys(beside.companions, COMPANION)}
    there = {part.plan_id for part in standing}
    add_ons = [part.plan_id for part in standing if part.role == ADD_ON]
    rows = {
        row.id: row
        for row in ctx.session.scalars(
            select(Plan).where(Plan.provider_id == ctx.provider.id, among(Plan.id, {*wanted, *add_ons}))
        )
    }
    rules = plans.add_on_rules(ctx, list(rows.values()))
    taken = {rules[plan_id].group for plan_id in add_ons} - {None}
    versions = plans.versions_at(ctx, wanted.keys(), ctx.now)
    contained = {component.plan_id for version in versions.values() for component in version.components}
    components = plans.versions_at(ctx, contained, ctx.now)
    for plan_id, kind in wanted.items():
        version, rule = versions.get(plan_id), rules[plan_id]
        if version is None or plan_id in there or any(c.plan_id not in components for c in version.components):
            continue
        if rows[plan_id].kind == ADD_ON:
            if not goes_with(rule, there - set(add_ons)) or rule.group in taken:
                continue
            parts: tuple[Part, ...] = (_added(version, rule),)
            change: PartsChange | None = PartsChange(adds=parts)
        else:
            parts = _whole(version, components)
            bases = {part.plan_id for part in parts}
            leave = frozenset(each for each in add_ons if not goes_with(rules[each], bases))
            instead = PartsChange(offer=parts, removes=leave, instead_of=subscription.plan_id)
            change = instead if kind == SUCCESSOR else None
        yield _Candidate(kind, rows[plan_id], parts, change)


def _added(version: VersionView, rules: AddOnRules) -> Part:
    charges = as_charged(version.prices)
    quantities = {charge.charge_code: rules.usual for charge in charges if charge.kind != USAGE}
    return Part(ADD_ON, version.plan_id, version.id, charges, quantities)


def _whole(version: VersionView, components: Mapping[UUID, VersionView]) -> tuple[Part, ...]:
    contained = (part_of(COMPONENT, components[c.plan_id], c.quantities, c.discount) for c in version.components)
    return (part_of(OWN, version), *contained)


def _prices(ctx: Context, candidates: Sequence[_Candidate], currency: str) -> dict[UUID, dict[str, PriceTerms]]:
    """The prices of all that can be priced, by version, in one query."""
    parts = [part for each in candidates for part in each.parts if not lacks(part, currency)]
    return contract_prices.version_prices(ctx, {part.version_id for part in parts}, currency)


def _tried(
    ctx: Context,
    contract: Contract,
    standing: Sequence[Part],
    candidate: _Candidate,
    prices: Mapping[UUID, Mapping[str, PriceTerms]],
    currency: str,
) -> _Candidate | Offer:
    """A candidate with the contract that it would make; an offer without amounts where it would make none."""
    if any(lacks(part, currency) for part in candidate.parts):
        return _unpriced(candidate, currency, "currency_not_offered", f"This plan has no prices in {currency}.")
    wrong = unfit(standing, candidate.change, {}) if candidate.change is not None else collisions(candidate.parts)
    if wrong:
        return _unpriced(candidate, currency, wrong[0].code, wrong[0].detail)
    own = {code: price for part in candidate.parts for code, price in prices[part.version_id].items()}
    if candidate.change is None:
        return replace(candidate, after=_alone(ctx, contract, candidate.parts, own))
    return replace(candidate, after=_fed(moved(ctx, contract, candidate.change, own), contract, own))


def _unpriced(candidate: _Candidate, currency: str, code: str, detail: str) -> Offer:
    return _offer(candidate, currency, {}, obstacle=(code, detail))


def _alone(ctx: Context, contract: Contract, parts: Sequence[Part], own: Mapping[str, PriceTerms]) -> Contract:
    """A contract of its own, as it would be ordered now."""
    first = contract.items[0]
    fresh = replace(first, terms=(), claims=(), usage_zone=None, anchors=(), anchored_at=ctx.now)
    return Contract(
        tuple(
            replace(
                fresh,
                item_id=new_id(),
                charge_code=code,
                terms=(AgreedTerm(ctx.now, None, own[code], quantity, part.off(own[code].kind)),),
            )
            for part in parts
            for code, quantity in part.agreed.items()
        )
    )


def _fed(after: Contract, before: Contract, own: Mapping[str, PriceTerms]) -> Contract:
    """The contract with charges for usage that are new reading what the only one that counted by their meter did."""
    known = {item.item_id for item in before.items}
    gone = [item for item in before.items if item.charge_code not in own]
    return replace(
        after,
        items=tuple(item if item.item_id in known else _reading(item, gone) for item in after.items),
    )


def _reading(item: Item, gone: Sequence[Item]) -> Item:
    meter = _meter(item)
    alike = [each for each in gone if meter is not None and _meter(each) == meter]
    return replace(item, item_id=alike[0].item_id, usage_zone=alike[0].usage_zone) if len(alike) == 1 else item


def _meter(item: Item) -> UUID | None:
    meter = item.terms[-1].price.meter if item.terms else None
    return meter.meter_id if meter is not None else None


def _compared(
    ctx: Context, subscription: Subscription, contract: Contract, tried: Sequence[_Candidate | Offer]
) -> list[Offer]:
    """What everything costs, on usage that is read once."""
    now, closed = ctx.now, closed_by(ctx, ctx.now)
    contracts_of = [contract, *(each.after for each in tried if isinstance(each, _Candidate) and each.after)]
    everything = [item for each in contracts_of for item in each.items]
    known = indexes.load(ctx, indexed_usage(everything, now, closed))
    needed = list(dict.fromkeys(requests(everything, now, closed, known)))
    used = slots_many(ctx.session, ctx.provider.id, needed, now=now, evidence=False) if needed else {}
    had = {item.item_id for item in contract.items if item.terms}
    spans = [span for _, _, span in usage_spans(contract.items, now, closed)]
    usage_span = Period(min(s.start for s in spans), max(s.end for s in spans)) if spans else None

    def cost(items: Sequence[Item]) -> Monthly:
        return monthly(items, now, closed, used, known, had)

    found = []
    for each in tried:
        if isinstance(each, Offer):
            found.append(each)
            continue
        assert each.after is not None  # or it is an offer without amounts
        try:
            before, after = cost(contract.items), cost(each.after.items)
        except Refused as refused:
            found.append(_unpriced(each, subscription.currency, refused.code, refused.detail))
            continue
        total = _together(before, after) if each.change is None else after
        amounts = {"current": _pays(before), "offered": _pays(total), "once_amount": after.once}
        found.append(_offer(each, subscription.currency, _apply(subscription, each), usage_span=usage_span, **amounts))
    return found


def _together(one: Monthly, other: Monthly) -> Monthly:
    known = [each.usage for each in (one, other) if each.usage is not None]
    return Monthly(one.recurring + other.recurring, sum(known) if known else None, other.once)


def _pays(found: Monthly) -> Pays:
    return Pays(found.recurring, found.usage)


def _offer(candidate: _Candidate, currency: str, apply: Mapping[str, Any], **more: Any) -> Offer:
    plan = candidate.plan
    version = next(part.version_id for part in candidate.parts if part.plan_id == plan.id)
    return Offer(candidate.kind, plan.id, version, plan.code, plan.name, plan.kind, currency, apply, **more)


def _apply(subscription: Subscription, candidate: _Candidate) -> dict[str, Any]:
    """How an offer is taken: by a change, or by an order of its own."""
    plan = encode("plan", candidate.plan.id)
    if candidate.change is None:
        account = encode("account", subscription.account_id)
        body = {"account": account, "plan": plan, "start": {"on": "provisioned"}, "anchor": subscription.anchor}
        return {"method": "POST", "path": "/v1/subscriptions", "body": body | {"currency": subscription.currency}}
    path = f"/v1/subscriptions/{encode('subscription', subscription.id)}/changes"
    if candidate.plan.kind == ADD_ON:
        return {"method": "POST", "path": path, "body": {"effective": "now", "add_ons": {"add": [{"plan": plan}]}}}
    body = {"effective": "now", "plan": plan}
    if candidate.change.removes:
        body["add_ons"] = {"remove": [encode("plan", each) for each in sorted(candidate.change.removes)]}
    return {"method": "POST", "path": path, "body": body}
