"""What changed in a span that is billed: late readings and events, mended doubts, corrected prices. Domain rule 8.

The whole span is rated again and compared with all that was billed on it, earlier adjustments included; a difference
of at least a minor unit is a charge of its own, on the next document. A final document never changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from billing import rating
from billing.items import USAGE, Claim, Item
from billing.metered import Index
from billing.metering.slots import SlotRequest, Usage
from billing.proposal import ProposedCharge
from billing.rating import NO_INDEXES
from core.decimals import EXACT
from core.errors import Refused

ADJUSTMENT = "adjustment"


@dataclass(frozen=True)
class Closed:
    """A billed span of usage, and the request that asks for what was used in it."""

    item: Item
    claim: Claim
    request: SlotRequest


def closed_spans(
    items: Iterable[Item],
    since: datetime,
    apart_from: Collection[UUID] = (),
    indexes: Mapping[str, Index] = NO_INDEXES,
) -> tuple[Closed, ...]:
    """The billed spans of usage that may have changed.

    Args:
        since: nothing arrives any more for spans that ended before.
        apart_from: claims that are being shrunk now; they are rated anew with that.
    """
    found = []
    for item in items:
        for claim in item.claims:
            if claim.span.end <= since or claim.claim_id in apart_from:
                continue
            request = _request(item, claim, indexes)
            if request is not None:
                found.append(Closed(item, claim, request))
    return tuple(found)


def _request(item: Item, claim: Claim, indexes: Mapping[str, Index]) -> SlotRequest | None:
    try:
        return rating.slot_request(item, claim.price, claim.span, indexes)
    except Refused:
        return None  # it cannot be rated now, so it stays as it was billed


def adjust(
    closed: Iterable[Closed],
    usage: Mapping[SlotRequest, Usage],
    as_of: datetime,
    indexes: Mapping[str, Index] = NO_INDEXES,
) -> tuple[ProposedCharge, ...]:
    """A charge for each span that comes to something else now; what cannot be rated now is left for the next time.

    Args:
        usage: must answer each span's request.
        as_of: when the charges are due.
    """
    found = (_adjustment(each.item, each.claim, usage, as_of, indexes) for each in closed)
    return tuple(charge for charge in found if charge is not None)


def correct(
    items: Iterable[Item], since: datetime, as_of: datetime, apart_from: Collection[UUID] = ()
) -> tuple[ProposedCharge, ...]:
    """A charge for each billed span of a recurring or one-off price that comes to something else since that price was
    corrected. Usage is rated again anyhow.

    Args:
        since, apart_from: as in `closed_spans`.
        as_of: when the charges are due.
    """
    found = (
        _adjustment(item, claim, {}, as_of, NO_INDEXES)
        for item in items
        for claim in item.claims
        if claim.price.corrected and claim.price.kind != USAGE and not claim.price.price.needs.draws
        if claim.span.end > since and claim.claim_id not in apart_from
    )
    return tuple(charge for charge in found if charge is not None)


def _adjustment(
    item: Item, claim: Claim, usage: Mapping[SlotRequest, Usage], as_of: datetime, indexes: Mapping[str, Index]
) -> ProposedCharge | None:
    try:
        rated = rating.rate_used_part(item, claim, claim.span, usage, indexes)
    except Refused:
        return None
    if rated.amount.minor == 0:
        return None
    return ProposedCharge(
        item_id=item.item_id,
        subscription_id=item.subscription_id,
        charge_code=item.charge_code,
        kind=ADJUSTMENT,
        price_id=claim.price.price_id,
        span=claim.span,
        quantity=EXACT.subtract(Decimal(rated.inputs["used"]["quantity"]), claim.quantity),
        unit=rated.unit,
        exact=rated.exact,
        amount=rated.amount.minor,
        currency=claim.price.currency,
        inputs=rated.inputs,
        due_at=as_of,
        claim_id=claim.claim_id,
        discount=claim.discount,
    )
