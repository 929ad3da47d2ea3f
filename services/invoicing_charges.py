"""From contracts to charges: ask the engine what is to be billed, and store its answer in sets.

Billing again adds nothing: what is stored holds its claim, and the engine proposes only what no claim holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import Range

from billing.adjustments import ADJUSTMENT, Closed, adjust, closed_spans, correct
from billing.credited_claims import left_of_credited
from billing.drawdown import DRAWDOWN, drawn
from billing.index_spans import index_of, indexed_spans
from billing.lines import words
from billing.metered import Index
from billing.proposal import CREDIT, Parked, Proposal, ProposedCharge, ShrunkClaim, due_spans, propose
from billing.rating import shown
from billing.reductions import reduced
from core.ids import new_id
from core.period import parse_instant
from models.base import Base
from models.billing import BilledSpan
from services import contract_items, metering_missing
from services.closing import settled
from services.context import Context
from services.contract_items import Contracts
from services.indexes import load as load_indexes
from services.sets import ROWS_AT_ONCE, add_in_turn, change_rows
from stores.statements import chunks, weighed
from stores.usage import arrived, slots_many

# So many slots of billed spans are looked at together.
SLOTS_MOST = 200_000
# What was received so long before a charge was stored may have been missing when it was rated: a transaction that ran
# beside the run, or the run itself, took its time.
BEFORE_RATING = timedelta(hours=1)
PREFIXES = {CREDIT: "Credit: ", ADJUSTMENT: "Adjustment: ", DRAWDOWN: "Drawn from what is committed: "}


@dataclass(frozen=True)
class Proposed:
    """What is to be billed, with the contracts it comes from."""

    contracts: Contracts
    proposal: Proposal

    def parked_by_payer(self) -> Mapping[UUID, list[Parked]]:
        """The spans that could not be rated, by payer."""
        found: defaultdict[UUID, list[Parked]] = defaultdict(list)
        for parked in self.proposal.parked:
            found[self.contracts.owners[parked.item_id].payer_id].append(parked)
        return found


def propose_for(ctx: Context, payers: Collection[UUID], as_of: datetime, closed: datetime) -> Proposed:
    """What these payers are to be billed up to an instant, in a fixed number of queries.

    Args:
        closed: usage of spans that end later is left out, since boundary readings may still be on their way; it is
            proposed next time.
    """
    since = ctx.now - timedelta(days=ctx.provider.settings.usage_cutoff_days)
    contracts = contract_items.load(ctx, payers, since)
    indexes = load_indexes(ctx, indexed_spans(contracts.items, as_of, since))
    needed = due_spans(contracts.items, as_of, indexes)
    used = slots_many(ctx.session, ctx.provider.id, needed, now=ctx.now) if needed else {}
    proposal = propose(contracts.items, used, as_of, indexes)
    charges = settled(proposal.charges, closed)
    shrunk = {claim.claim_id for claim in proposal.shrunk}
    billed = changed(ctx, closed_spans(contracts.items, since, shrunk, indexes))
    charges += _adjustments(ctx, billed, as_of, indexes)
    charges += correct(contracts.items, since, as_of, shrunk)
    charges = left_of_credited(contracts.items, reduced(contracts.items, charges, contracts.redeemed))
    charges += drawn(contracts.items, charges, as_of)
    return Proposed(contracts, Proposal(proposal.shrunk, charges, proposal.parked))


def changed(ctx: Context, billed: Sequence[Closed]) -> list[Closed]:
    """The billed spans that may come to something else by now: those for which something has arrived since, whose price
    was corrected, or whose price follows an index, whose values are not watched.
    """
    looked = {
        span.request: span.claim.rated_at - BEFORE_RATING
        for span in billed
        if span.claim.rated_at and not span.claim.price.corrected and index_of(span.claim.price) is None
    }
    came = arrived(ctx.session, ctx.provider.id, looked)
    return [span for span in billed if span.request not in looked or span.request in came]


def _adjustments(
    ctx: Context, billed: Collection[Closed], as_of: datetime, indexes: Mapping[str, Index]
) -> tuple[ProposedCharge, ...]:
    """What changed in spans that are billed; a portion at a time, since a month may be thousands of samples."""
    portions = weighed(billed, lambda span: len(span.request.edges), SLOTS_MOST)
    return tuple(charge for some in portions for charge in _adjusted(ctx, some, as_of, indexes))


def _adjusted(
    ctx: Context, billed: Sequence[Closed], as_of: datetime, indexes: Mapping[str, Index]
) -> tuple[ProposedCharge, ...]:
    """The evidence is gathered only for spans that changed."""
    requests = [span.request for span in billed]
    quick = slots_many(ctx.session, ctx.provider.id, requests, now=ctx.now, evidence=False)
    changed = {charge.claim_id for charge in adjust(billed, quick, as_of, indexes)}
    if not changed:
        return ()
    again = [span for span in billed if span.claim.claim_id in changed]
    requests = [span.request for span in again]
    return adjust(again, slots_many(ctx.session, ctx.provider.id, requests, now=ctx.now), as_of, indexes)


def claim(ctx: Context, proposed: Proposed) -> list[dict[str, Any]]:
    """Shrink claims and make new ones. The caller holds the payers' rows.

    Returns:
        The rows of the charges, to be stored in the same transaction, with the lines of their documents.
    """
    _shrink(ctx, proposed.proposal.shrunk)
    rows: list[dict[str, Any]] = []
    add_in_turn(ctx, _rows_and_claims(ctx, proposed, rows))
    charged = list(zip(rows, proposed.proposal.charges, strict=True))
    drawing = [(row, charge.draws_on) for row, charge in charged if charge.claim_id is None and charge.draws_on]
    if drawing:
        made = {(row["item_id"], row["start_at"]): row["claim_id"] for row, charge in charged if _claims(charge)}
        for row, commitment in drawing:
            row["claim_id"] = made[row["item_id"], commitment.start]
    metering_missing.report(ctx, proposed.proposal.charges)
    return rows


def _rows_and_claims(
    ctx: Context, proposed: Proposed, rows: list[dict[str, Any]]
) -> Iterator[tuple[type[Base], Sequence[dict[str, Any]]]]:
    """The claims to make, thousands at a time, each time after the rows of their charges, which `rows` is told."""
    for some in chunks(proposed.proposal.charges, ROWS_AT_ONCE):
        made = [row_of(ctx, charge, proposed.contracts) for charge in some]
        rows += made
        yield BilledSpan, [_claim(row) for row, charge in zip(made, some, strict=True) if _claims(charge)]


def _claims(charge: ProposedCharge) -> bool:
    """Whether a charge has a claim of its own, and not that of what it corrects or draws on."""
    return charge.claim_id is None and charge.draws_on is None


def _shrink(ctx: Context, shrunk: Collection[ShrunkClaim]) -> None:
    key = {"provider_id": ctx.provider.id}
    kept = [{**key, "id": s.claim_id, "span": Range(s.keeps.start, s.keeps.end)} for s in shrunk if s.keeps]
    released = [{**key, "id": s.claim_id, "status": "released"} for s in shrunk if s.keeps is None]
    for rows in (kept, released):
        change_rows(ctx, BilledSpan, rows)


def _claim(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "provider_id": row["provider_id"],
        "id": row["claim_id"],
        "item_id": row["item_id"],
        "charge_code": row["charge_code"],
        "span": Range(row["start_at"], row["end_at"]),
    }


def row_of(ctx: Context, charge: ProposedCharge, contracts: Contracts) -> dict[str, Any]:
    """A proposed charge as the row that it would be stored as."""
    owner, price = contracts.owners[charge.item_id], contracts.prices[charge.price_id]
    corrects = charge.claim_id if charge.draws_on is None else charge.taxed_as
    return {
        "provider_id": ctx.provider.id,
        "id": new_id(),
        "item_id": charge.item_id,
        "subscription_id": charge.subscription_id,
        "charge_code": charge.charge_code,
        "kind": charge.kind,
        "claim_id": charge.claim_id or new_id(),
        "adjusts_id": contracts.originals[corrects] if corrects else None,
        "payer_id": owner.payer_id,
        "beneficiary_id": owner.beneficiary_id,
        "seller_id": owner.seller_id,
        "product_id": price.product_id,
        "price_id": charge.price_id,
        "start_at": charge.span.start,
        "end_at": charge.span.end,
        "due_at": charge.due_at,
        "quantity": charge.quantity,
        "unit": charge.unit,
        "discount": charge.discount,
        "exact": Decimal(shown(charge.exact)),
        "amount": charge.amount,
        "reductions": [reduction.as_json() for reduction in charge.reductions],
        "tax_inclusive": price.tax_inclusive,
        "currency": charge.currency,
        "description": PREFIXES.get(charge.kind, "") + words(price.words, charge.discount),
        "inputs": charge.inputs,
        "known_until": _known_until(ctx, charge),
        "created_at": ctx.now,
        "invoice_line_id": None,
        "credit_note_line_id": None,
    }


def _known_until(ctx: Context, charge: ProposedCharge) -> datetime:
    """The latest arrival that was taken into account; what counts nothing knows everything up to now."""
    rated = charge.inputs.get("used") or charge.inputs
    arrived = rated.get("usage", {}).get("known_until")
    return parse_instant(arrived) if arrived else ctx.now
