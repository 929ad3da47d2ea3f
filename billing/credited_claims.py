"""Changes of what credit notes gave back already: nothing is given back twice.

A credit note leaves the claims of its invoice as they are, and what they were billed at: it is no statement about what
was used. So a later change is worked out as ever, and gives back no more than credit notes left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from billing.adjustments import ADJUSTMENT
from billing.credit_notes import cap_on_giving_back
from billing.items import Claim, Item
from billing.proposal import CREDIT, ProposedCharge
from core.money import Money


def left_of_credited(items: Iterable[Item], charges: Sequence[ProposedCharge]) -> tuple[ProposedCharge, ...]:
    """The charges, those that give back of a credited claim reduced to what is left of it; in the same order.

    One that nothing is left of is dropped; its claim is shrunk all the same.

    Args:
        items: those of the charges, with the claims that they held before.
    """
    credited = {claim.claim_id: claim for item in items for claim in item.claims if claim.credited > 0}
    if not credited:
        return tuple(charges)
    found = (_capped(charge, credited) for charge in charges)
    return tuple(charge for charge in found if charge is not None)


def _capped(charge: ProposedCharge, credited: Mapping[UUID, Claim]) -> ProposedCharge | None:
    claim = credited.get(charge.claim_id) if charge.claim_id and charge.kind in (CREDIT, ADJUSTMENT) else None
    if claim is None:
        return charge
    amount = cap_on_giving_back(charge.amount, claim.net_amount, claim.credited)
    if amount == charge.amount:
        return charge
    if amount == 0:
        return None
    inputs = {**charge.inputs, "credited_amount": claim.credited}
    return charge._replace(amount=amount, exact=Money(amount, charge.currency).major, inputs=inputs)
