"""From charges to drafts: what is due and on no document yet goes onto one per seller, currency and grouping key.

Charges of this run are planned before they are stored, so that each is stored once, with its line. What waited before
is read, and put on its line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased

from billing.coupons import shown
from billing.document_grouping import by_cost_centre
from billing.invoices import Billable, DocumentKey, PlannedDocument, collect
from billing.lines import quality, unit_price
from billing.states import INVOICE
from billing.tax import Tax, details_json, subtotal_json, taxed
from billing.tax.decision import OUTSIDE_SCOPE
from core.ids import new_id
from core.money import Money
from core.period import utc
from models.base import Base
from models.billing import Charge, Invoice, InvoiceLine
from models.credit_notes import CreditNoteLine
from services import credit_notes_drafts, invoicing_taxes, outbox
from services.context import Context
from services.invoicing_names import Names, names_of
from services.invoicing_view import draft_json
from services.outbox import Emission
from services.sets import ROWS_AT_ONCE, add_in_turn, add_rows, among, change_rows
from stores.statements import chunks

# What a line shows of its charge.
SHOWN = (
    "id payer_id seller_id beneficiary_id item_id subscription_id price_id product_id kind charge_code description"
    " currency amount reductions tax_inclusive start_at end_at quantity unit exact inputs"
).split()


@dataclass(frozen=True)
class Due:
    """Charges that are due and on no document yet, as rows by charge. `stored` ones have waited before."""

    charges: Mapping[UUID, Mapping[str, Any]]
    stored: Collection[UUID]
    names: Names


@dataclass(frozen=True)
class Planned:
    """Documents that are not stored yet: invoices, each as a row beside what it is made of, and, where charges come to
    less than nothing, credit notes as rows with their lines by charge.
    """

    invoices: Sequence[tuple[dict[str, Any], PlannedDocument]]
    notes: Sequence[dict[str, Any]] = ()
    note_lines: Mapping[UUID, dict[str, Any]] = field(default_factory=dict)

    def lines(self, found: Due) -> Iterator[tuple[UUID, dict[str, Any]]]:
        """The lines of all invoices in their order, each beside its charge, as rows: one by one, for there may be a
        hundred thousand."""
        for head, document in self.invoices:
            yield from _lines(head, document, found)


def due(ctx: Context, payers: Collection[UUID], as_of: datetime, fresh: Sequence[Mapping[str, Any]]) -> Due:
    """What can be put on documents of these payers: what waited, and of this run's charges what is due by now.

    A correction of this run has been stored before, and is among what waited.
    """
    waited = ctx.session.execute(_waiting(ctx).where(among(Charge.payer_id, payers), Charge.due_at <= as_of)).all()
    charges: dict[UUID, Mapping[str, Any]] = {row.id: row._asdict() for row in waited}
    stored = frozenset(charges)
    charges |= {row["id"]: row for row in fresh if row["due_at"] <= as_of}
    return Due(charges, stored, names_of(ctx, charges.values()))


def _waiting(ctx: Context) -> Any:
    corrected, billed_on, noted_on = aliased(Charge), aliased(InvoiceLine), aliased(CreditNoteLine)
    return (
        select(
            *(getattr(Charge, name) for name in SHOWN),
            # A correction is taxed as what it corrects was, whatever the rate is by now.
            *(
                func.coalesce(getattr(billed_on, name), getattr(noted_on, name)).label(label)
                for name, label in (
                    ("tax_rate", "taxed_at"),
                    ("tax_category", "taxed_in"),
                    ("tax_details", "taxed_as"),
                )
            ),
        )
        .outerjoin(corrected, and_(corrected.provider_id == Charge.provider_id, corrected.id == Charge.adjusts_id))
        .outerjoin(
            billed_on, and_(billed_on.provider_id == Charge.provider_id, billed_on.id == corrected.invoice_line_id)
        )
        .outerjoin(
            noted_on, and_(noted_on.provider_id == Charge.provider_id, noted_on.id == corrected.credit_note_line_id)
        )
        .where(
            Charge.provider_id == ctx.provider.id,
            Charge.invoice_line_id.is_(None),
            Charge.credit_note_line_id.is_(None),
            Charge.released_at.is_(None),
        )
    )


def _billable(charge: Mapping[str, Any], names: Names, tax: Tax) -> Billable:
    """A waiting charge as planning sees it."""
    beneficiary, subscription, currency = charge["beneficiary_id"], charge["subscription_id"], charge["currency"]
    return Billable(
        id=charge["id"],
        key=DocumentKey(charge["seller_id"], currency, names.grouping(charge), tax.category == OUTSIDE_SCOPE),
        amount=Money(charge["amount"], currency),
        tax=tax,
        beneficiary_id=beneficiary,
        beneficiary_name=names.accounts[beneficiary].name,
        beneficiary_is_payer=beneficiary == charge["payer_id"],
        subscription_id=subscription,
        subscription_order=names.subscriptions[subscription].created_at,
        charge_order=names.orders[charge["price_id"]],
        start=utc(charge["start_at"]),
        tax_inclusive=charge["tax_inclusive"],
    )


def _taxes(ctx: Context, found: Due, bill_on: Mapping[UUID, date]) -> dict[UUID, Tax]:
    """What each charge is taxed with; a correction as what it corrects was."""
    sellers = found.names.sellers
    fresh = [charge for charge in found.charges.values() if charge.get("taxed_in") is None]
    wanted = {charge["id"]: invoicing_taxes.wanted_of(charge) for charge in fresh}
    decided = invoicing_taxes.decided(ctx, set(wanted.values()), sellers, bill_on)
    taxes = {charge_id: decided[its] for charge_id, its in wanted.items()}
    for charge in found.charges.values():
        if charge["id"] not in taxes:
            name = sellers[charge["seller_id"]].tax_name
            taxes[charge["id"]] = taxed(charge["taxed_in"], charge["taxed_at"], charge["taxed_as"], name)
    return taxes


def draft(
    ctx: Context,
    run_id: UUID,
    bill_on: Mapping[UUID, date],
    as_of: datetime,
    charges: Sequence[dict[str, Any]],
    *,
    finalizes: bool,
) -> None:
    """Store a run's charges, and put them and what waited onto drafts, in a fixed number of statements.

    Args:
        bill_on: the payers, each with its bill date.
        charges: rows of charges that are not stored yet.
        finalizes: whether the drafts become final by themselves.
    """
    corrections = [row for row in charges if row["adjusts_id"] is not None]
    add_rows(ctx, Charge, corrections)
    fresh = [row for row in charges if row["adjusts_id"] is None]
    found = due(ctx, bill_on, as_of, fresh)
    planned = plan(ctx, run_id, bill_on, found, finalizes=finalizes)
    _store(ctx, planned, found, fresh)


def plan(ctx: Context, run_id: UUID | None, bill_on: Mapping[UUID, date], found: Due, *, finalizes: bool) -> Planned:
    """The documents that charges make, as rows; nothing is stored."""
    by_payer: defaultdict[UUID, list[Billable]] = defaultdict(list)
    taxes = _taxes(ctx, found, bill_on)
    for charge in found.charges.values():
        by_payer[charge["payer_id"]].append(_billable(charge, found.names, taxes[charge["id"]]))
    collected = {payer: collect(by_payer[payer]) for payer in sorted(by_payer)}
    invoices: list[tuple[dict[str, Any], PlannedDocument]] = []
    notes: list[dict[str, Any]] = []
    note_lines: dict[UUID, dict[str, Any]] = {}
    for payer, its in collected.items():
        for document in its.documents:
            head = _invoice(ctx, run_id, payer, bill_on[payer], document, found, finalizes)
            invoices.append((head, document))
        for document in its.negative:
            head = _invoice(ctx, run_id, payer, bill_on[payer], document, found, finalizes)
            note, mirrored = credit_notes_drafts.mirror(head, dict(_lines(head, document, found)))
            notes.append(note)
            note_lines |= mirrored
    return Planned(invoices, notes, note_lines)


def _lines(head: Mapping[str, Any], document: PlannedDocument, found: Due) -> Iterator[tuple[UUID, dict[str, Any]]]:
    """The lines of a document, each beside its charge."""
    for position, (planned, net) in enumerate(zip(document.charges, document.totals.nets, strict=True), start=1):
        yield planned.id, _line(head, position, planned, net, found.charges[planned.id], found.names)


def _store(ctx: Context, planned: Planned, found: Due, fresh: Sequence[dict[str, Any]]) -> None:
    """Documents, their lines, the charges on them."""
    add_rows(ctx, Invoice, [head for head, _ in planned.invoices])
    credit_notes_drafts.store(ctx, planned.notes, planned.note_lines)
    key = {"provider_id": ctx.provider.id}
    joined: list[dict[str, Any]] = []
    waits = {row["id"]: row for row in fresh}
    for charge, line in planned.note_lines.items():
        if charge in waits:
            waits[charge]["credit_note_line_id"] = line["id"]
    add_in_turn(ctx, _lines_and_charges(planned, found, waits, joined))
    change_rows(ctx, Charge, [key | row for row in joined])
    noted = [
        {**key, "id": charge, "credit_note_line_id": line["id"]}
        for charge, line in planned.note_lines.items()
        if charge in found.stored
    ]
    change_rows(ctx, Charge, noted)
    outbox.emit_all(
        ctx,
        [
            Emission("invoice.created", "invoice", head["id"], draft_json(head), head["account_id"])
            for head, _ in planned.invoices
        ],
    )


def _lines_and_charges(
    planned: Planned, found: Due, waits: MutableMapping[UUID, dict[str, Any]], joined: list[dict[str, Any]]
) -> Iterator[tuple[type[Base], Sequence[dict[str, Any]]]]:
    """What is to be written, in turn: some lines, then the charges on them, and at the end the charges on no invoice.

    Args:
        waits: the rows of charges that are not stored yet; each is taken out when its turn comes.
        joined: is told which stored charge is on which line.
    """
    for some in chunks(planned.lines(found), ROWS_AT_ONCE):
        yield InvoiceLine, [line for _, line in some]
        charges = []
        for charge, line in some:
            if (row := waits.pop(charge, None)) is not None:
                row["invoice_line_id"] = line["id"]
                charges.append(row)
            else:
                joined.append({"id": charge, "invoice_line_id": line["id"]})
        yield Charge, charges
    yield Charge, list(waits.values())


def _invoice(
    ctx: Context,
    run_id: UUID | None,
    payer_id: UUID,
    bill_on: date,
    document: PlannedDocument,
    found: Due,
    finalizes: bool,
) -> dict[str, Any]:
    totals = document.totals
    return {
        "provider_id": ctx.provider.id,
        "id": new_id(),
        "meta": {},
        "created_at": ctx.now,
        "seller_id": document.key.seller_id,
        "account_id": payer_id,
        "run_id": run_id,
        "status": INVOICE.initial,
        "currency": document.key.currency,
        "grouping_key": document.key.grouping,
        "bill_on": bill_on,
        "finalizes": finalizes,
        "net_amount": totals.net.minor,
        "tax_amount": totals.tax.minor,
        "rounding_amount": totals.rounding.minor,
        "total_amount": totals.total.minor,
        "settled_amount": 0,
        "credited_amount": 0,
        "taxes": [subtotal_json(tax) for tax in totals.taxes],
        "cost_centres": _cost_centres(document, found),
        "purchase_order": found.names.order_number(found.charges[document.charges[0].id]),
    }


def _cost_centres(document: PlannedDocument, found: Due) -> list[dict[str, Any]]:
    """What a document's lines come to by cost centre, as documents store and show it."""
    if not found.names.has_cost_centres:
        return []
    centres = [found.names.cost_centre(found.charges[charge.id]) for charge in document.charges]
    sums = by_cost_centre(zip(centres, document.totals.nets, strict=True))
    return [{"cost_centre": name or None, "net_amount": amount.minor} for name, amount in sums.items()]


def _line(
    head: Mapping[str, Any], position: int, planned: Billable, net: Money, charge: Mapping[str, Any], names: Names
) -> dict[str, Any]:
    contract = names.subscriptions[planned.subscription_id]
    return {
        "provider_id": head["provider_id"],
        "id": new_id(),
        "invoice_id": head["id"],
        "position": position,
        "kind": charge["kind"],
        "charge_code": charge["charge_code"],
        "subscription_id": planned.subscription_id,
        "subscription_name": contract.plan_name,
        "subscription_reference": contract.reference,
        "beneficiary_id": planned.beneficiary_id,
        "beneficiary_name": planned.beneficiary_name,
        "description": charge["description"],
        "start_at": charge["start_at"],
        "end_at": charge["end_at"],
        "quantity": charge["quantity"],
        "unit": charge["unit"],
        "unit_price": unit_price(charge["inputs"]),
        "exact": charge["exact"],
        "amount": net.minor,
        "charged_amount": charge["amount"],
        "tax_inclusive": planned.tax_inclusive,
        "tax_category": planned.tax.category,
        "tax_rate": planned.tax.rate,
        "tax_details": details_json(planned.tax),
        "quality": quality(charge["inputs"]),
        "reductions": shown(charge["reductions"]),
        "purchase_order": contract.purchase_order,
        "cost_centre": names.cost_centre(charge),
    }
