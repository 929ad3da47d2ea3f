"""What of one payer shares a document: all of it, what belongs to a subscription, or to a purchase order."""

from __future__ import annotations

from collections.abc import Iterable

from core.money import Money

PER_PAYER, PER_SUBSCRIPTION, PER_PURCHASE_ORDER = "payer", "subscription", "purchase_order"
GROUPINGS = (PER_PAYER, PER_SUBSCRIPTION, PER_PURCHASE_ORDER)


def grouping_key(by: str, subscription: str, purchase_order: str | None) -> str:
    """The key of a charge's document.

    Args:
        by: one of `GROUPINGS`.
        subscription: its id, as it is shown.
        purchase_order: the order number that the charge is billed under; None for none.
    """
    if by == PER_SUBSCRIPTION:
        return subscription
    return (purchase_order or "") if by == PER_PURCHASE_ORDER else ""


def order_number(by: str, purchase_order: str | None) -> str | None:
    """The order number of a document that is grouped; None where it follows the payer's (EN 16931 BT-13)."""
    return None if by == PER_PAYER else purchase_order


def by_cost_centre(lines: Iterable[tuple[str | None, Money]]) -> dict[str, Money]:
    """The net sums of a document's lines by cost centre, in the order of the names; what has none is under "".

    Nothing where no line has one.
    """
    sums: dict[str, Money] = {}
    for cost_centre, amount in lines:
        name = cost_centre or ""
        sums[name] = sums[name] + amount if name in sums else amount
    return {name: sums[name] for name in sorted(sums)} if any(sums) else {}
