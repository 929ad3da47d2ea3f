"""From charges to drafts: what is due and on no document yet goes onto one per seller, currency and grouping key.

Charges of this run are planned before they are stored, so that each is stored once, with its line. What waited before
is read, and put on its line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased

from billing.coupons import shown
from billing.document_grouping import by_cost_centre, grouping_key, order_number
from billing.invoices import Billable, DocumentKey, PlannedDocument, collect
from billing.lines import quality, unit_price
from billing.offers import ADD_ON, BASE, BUNDLE
from billing.states import INVOICE
from billing.tax import Tax, details_json, subtotal_json, taxed
from billing.tax.decision import OUTSIDE_SCOPE
from core.ids import encode, new_id
from core.money import Money
from core.period import utc
from models.accounts import Account
from models.billing import Charge, Invoice, InvoiceLine
from models.catalog import Plan, PlanVersion, Price
from models.credit_notes import CreditNoteLine
from models.providers import Seller
from models.subscriptions import Subscription, SubscriptionItem
from services import credit_notes_drafts, invoicing_taxes, outbox
from services.context import Context
from services.invoicing_view import draft_json
from services.outbox import Emission
from services.sets import add_rows, among, change_rows

# Where the charges of a subscription stand, by the kind of their plan; those of no plan last.
RANKS = {BUNDLE: 0, BASE: 1, ADD_ON: 2}
# What a line shows of its charge.
SHOWN = (
    "id payer_id seller_id beneficiary_id item_id subscription_id price_id product_id kind charge_code description"
    " currency amount reductions tax_inclusive start_at end_at quantity unit exact inputs"
).split()


@dataclass(frozen=True)
class Names:
    """What lines say of whose they are, by id: accounts, sellers, subscriptions; the places of prices; the cost centres
    of items that have one of their own.
    """

    accounts: Mapping[UUID, Any]
    sellers: Mapping[UUID, Any]
    subscriptions: Mapping[UUID, Any]
    orders: Mapping[UUID, tuple[int, str, int]]
    cost_centres: Mapping[UUID, str]

    def purchase_order(self, charge: Mapping[str, Any]) -> str | None:
        """The order number that a charge is billed under: its subscription's, else its payer's."""
        own: str | None = self.subscriptions[charge["subscription_id"]].purchase_order
        return own or self.accounts[charge["payer_id"]].purchase_order

    def grouping(self, charge: Mapping[str, Any]) -> str:
        """The key of its document among those of its payer, seller and currency."""
        by = self.accounts[charge["payer_id"]].invoice_grouping
        return grouping_key(by, encode("subscription", charge["subscription_id"]), self.purchase_order(charge))

    def order_number(self, charge: Mapping[str, Any]) -> str | None:
        """The order number of the document of a charge, where that does not follow its payer's."""
        return order_number(self.accounts[charge["payer_id"]].invoice_grouping, self.purchase_order(charge))

    def cost_centre(self, charge: Mapping[str, Any]) -> str | None:
        """Of its item, else of its subscription, else of the account that received it."""
        subscription = self.subscriptions[charge["subscription_id"]].cost_centre
        return (
            self.cost_centres.get(charge["item_id"])
            or subscription
            or self.accounts[charge["beneficiary_id"]].cost_centre
        )


@dataclass(frozen=True)
class Due:
    """Charges that are due and on no document yet, as rows by charge. `stored` ones have waited before."""

    charges: Mapping[UUID, Mapping[str, Any]]
    stored: Collection[UUID]
    names: Names


@dataclass(frozen=True)
class Planned:
    """Documents as rows that are not stored yet, their lines by charge: invoices, and credit notes where charges come
    to less than nothing.
    """

    heads: Sequence[dict[str, Any]]
    lines: Mapping[UUID, dict[str, Any]]
    notes: Sequence[dict[str, Any]] = ()
    note_lines: Mapping[UUID, dict[str, Any]] = field(default_factory=dict)


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


def names_of(ctx: Context, charges: Collection[Mapping[str, Any]]) -> Names:
    """What lines say of these charges, in a fixed number of queries."""

    def wanted(member: str) -> set[UUID]:
        return {charge[member] for charge in charges}

    def rows(*columns: Any, table: Any, ids: Collection[UUID]) -> Any:
        return select(table.id, *columns).where(table.provider_id == ctx.provider.id, among(table.id, ids))

    subscription = rows(
        Plan.name.label("plan_name"),
        Subscription.created_at,
        Subscription.external_id,
        Subscription.purchase_order,
        Subscription.cost_centre,
        table=Subscription,
        ids=wanted("subscription_id"),
    ).join(Plan, and_(Plan.provider_id == Subscription.provider_id, Plan.id == Subscription.plan_id))
    read = ctx.session.execute
    account = (Account.name, Account.cost_centre, Account.purchase_order, Account.invoice_grouping)
    accounts = read(rows(*account, table=Account, ids=wanted("beneficiary_id") | wanted("payer_id")))
    sellers = read(rows(Seller.tax_rate, Seller.tax_name, Seller.tax_engine, table=Seller, ids=wanted("seller_id")))
    prices = (
        rows(Price.position, Plan.name, Plan.kind, Plan.id.label("plan_id"), table=Price, ids=wanted("price_id"))
        .outerjoin(
            PlanVersion, and_(PlanVersion.provider_id == Price.provider_id, PlanVersion.id == Price.plan_version_id)
        )
        .outerjoin(Plan, and_(Plan.provider_id == PlanVersion.provider_id, Plan.id == PlanVersion.plan_id))
    )
    return Names(
        {row.id: row for row in accounts},
        {row.id: row for row in sellers},
        {row.id: row for row in read(subscription)},
        {row.id: (RANKS.get(row.kind, len(RANKS)), f"{row.name} {row.plan_id}", row.position) for row in read(prices)},
        dict(read(_own_cost_centres(ctx, wanted("subscription_id"))).all()),
    )


def _own_cost_centres(ctx: Context, subscriptions: Collection[UUID]) -> Any:
    item = SubscriptionItem
    return select(item.id, item.cost_centre).where(
        item.provider_id == ctx.provider.id, item.cost_centre.is_not(None), among(item.subscription_id, subscriptions)
    )


def _billable(charge: Mapping[str, Any], names: Names, tax: Tax) -> Billable:
    """A waiting charge as planning sees it."""
    return Billable(
        id=charge["id"],
        key=DocumentKey(charge["seller_id"], charge["currency"], names.grouping(charge), tax.category == OUTSIDE_SCOPE),
        amount=Money(charge["amount"], charge["currency"]),
        tax=tax,
        beneficiary_id=charge["beneficiary_id"],
        beneficiary_name=names.accounts[charge["beneficiary_id"]].name,
        beneficiary_is_payer=charge["beneficiary_id"] == charge["payer_id"],
        subscription_id=charge["subscription_id"],
        subscription_order=utc(names.subscriptions[charge["subscription_id"]].created_at),
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
    _store(ctx, planned, fresh, found.stored)


def plan(ctx: Context, run_id: UUID | None, bill_on: Mapping[UUID, date], found: Due, *, finalizes: bool) -> Planned:
    """The documents that charges make, as rows; nothing is stored."""
    by_payer: defaultdict[UUID, list[Billable]] = defaultdict(list)
    taxes = _taxes(ctx, found, bill_on)
    for charge in found.charges.values():
        by_payer[charge["payer_id"]].append(_billable(charge, found.names, taxes[charge["id"]]))
    collected = {payer: collect(by_payer[payer]) for payer in sorted(by_payer)}
    invoices: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    lines: dict[UUID, dict[str, Any]] = {}
    note_lines: dict[UUID, dict[str, Any]] = {}
    for payer, its in collected.items():
        for document in its.documents:
            head = _invoice(ctx, run_id, payer, bill_on[payer], document, found.names, finalizes)
            invoices.append(head)
            lines |= _lines(head, document, found)
        for document in its.negative:
            head = _invoice(ctx, run_id, payer, bill_on[payer], document, found.names, finalizes)
            note, mirrored = credit_notes_drafts.mirror(head, _lines(head, document, found))
            notes.append(note)
            note_lines |= mirrored
    return Planned(invoices, lines, notes, note_lines)


def _lines(head: dict[str, Any], document: PlannedDocument, found: Due) -> dict[UUID, dict[str, Any]]:
    """The lines of a document, by charge; its head tells what follows from them."""
    lines = {
        planned.id: _line(head, position, planned, net, found.charges[planned.id], found.names)
        for position, (planned, net) in enumerate(zip(document.charges, document.totals.nets, strict=True), start=1)
    }
    head["cost_centres"] = _cost_centres(head["currency"], list(lines.values()))
    head["purchase_order"] = found.names.order_number(found.charges[document.charges[0].id])
    return lines


def _store(ctx: Context, planned: Planned, fresh: Sequence[dict[str, Any]], stored: Collection[UUID]) -> None:
    """Documents, their lines, the charges on them."""
    add_rows(ctx, Invoice, planned.heads)
    add_rows(ctx, InvoiceLine, list(planned.lines.values()))
    credit_notes_drafts.store(ctx, planned.notes, planned.note_lines)
    placed = (("invoice_line_id", planned.lines), ("credit_note_line_id", planned.note_lines))
    for member, lines in placed:
        for row in fresh:
            if (line := lines.get(row["id"])) is not None:
                row[member] = line["id"]
    add_rows(ctx, Charge, fresh)
    for member, lines in placed:
        joined = [
            {"provider_id": ctx.provider.id, "id": charge, member: lines[charge]["id"]}
            for charge in stored
            if charge in lines
        ]
        change_rows(ctx, Charge, joined)
    outbox.emit_all(
        ctx,
        [
            Emission("invoice.created", "invoice", head["id"], draft_json(head), head["account_id"])
            for head in planned.heads
        ],
    )


def _invoice(
    ctx: Context,
    run_id: UUID | None,
    payer_id: UUID,
    bill_on: date,
    document: PlannedDocument,
    names: Names,
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
    }


def _cost_centres(currency: str, lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a document's lines come to by cost centre, as documents store and show it."""
    sums = by_cost_centre((line["cost_centre"], Money(line["amount"], currency)) for line in lines)
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
        "subscription_reference": contract.external_id or encode("subscription", planned.subscription_id),
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
