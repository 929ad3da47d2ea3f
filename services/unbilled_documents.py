"""What is no invoice, on paper: pro formas of the next bill and of an order, statements of what is not billed yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from billing.bill_dates import due_at
from billing.document_grouping import PER_SUBSCRIPTION, by_cost_centre
from billing.periods import local_date
from core.errors import Conflict, Invalid
from core.ids import encode
from core.money import Money
from core.period import Period, utc
from exports import lines_csv
from exports.document import BeneficiaryGroup, DocumentLine, InvoiceDocument, Kind, SubscriptionGroup
from exports.invoice_pdf import PLUGIN as PDF
from models.accounts import Account
from models.billing import Invoice, InvoiceLine
from models.providers import Seller
from services import invoicing_lines, invoicing_pdf, previews, runs_on_request, subscription_steps, subscriptions
from services.context import Context
from services.invoicing_snapshots import buyer_snapshot, seller_snapshot
from services.runs_on_request import DryDocument, DryRun
from services.savepoints import taken_back
from services.subscriptions import Order
from services.unbilled import Unbilled, paying

DUE, SO_FAR = "due", "so_far"
NOTHING: Mapping[str, Any] = {"card": None, "bank": {}, "reference": ""}


def next_bill(ctx: Context, account_id: UUID, as_of: datetime | None = None) -> DryRun:
    """What a payer's next bill would be, if nothing more happened until then.

    Args:
        as_of: by default the instant of its next bill date.

    Raises:
        NotFound. Conflict: `account_does_not_pay`. Invalid: `as_of_out_of_range`, `too_many_changes`.
    """
    payer = paying(ctx, account_id)
    until = as_of or payer.next_bill_at or ctx.now
    if not ctx.now <= until <= ctx.now + previews.AHEAD_MOST:
        raise Invalid("as_of_out_of_range", "A pro forma looks ahead, at most five years.", "?as_of")
    return runs_on_request.dry_run(ctx, as_of=until, accounts=[encode("account", payer.id)], pointer="?as_of")


def pro_forma_pdf(ctx: Context, account_id: UUID, as_of: datetime | None, number: int) -> bytes:
    """One of the documents of the next bill as a PDF that is marked as none.

    Args:
        number: which of them, counted from 1 in their order.

    Raises:
        As `next_bill`. Invalid: `document_unknown`.
    """
    documents = next_bill(ctx, account_id, as_of).documents
    if number > len(documents):
        raise Invalid("document_unknown", f"This bill would have {len(documents)} documents.", "?document")
    return PDF.render(_pro_forma(ctx, documents[number - 1]))


def order_pdf(ctx: Context, order: Order, as_of: datetime | None) -> bytes:
    """What an order would bring by itself, as a PDF that is marked as no invoice: it is placed, started and billed, and
    all of that is taken back.

    Args:
        as_of: by default the start. An order that starts when it is provisioned is taken to start now.

    Raises:
        As `subscriptions.check`. Invalid: `as_of_out_of_range`. Conflict: `nothing_to_bill`.
    """
    start = order.start_at or ctx.now
    until = as_of or max(start, ctx.now)
    if not max(start, ctx.now) <= until <= ctx.now + previews.AHEAD_MOST:
        raise Invalid("as_of_out_of_range", "A preview looks ahead from the start on, at most five years.", "/as_of")
    with taken_back(ctx):
        ordered = subscriptions.create(ctx, order)
        if ordered.start_at is None or ordered.start_at > ctx.now:
            subscription_steps.start(replace(ctx, now=max(start, ctx.now)), ordered, start)
        payer = ctx.session.get_one(Account, (ctx.provider.id, _payer_of(ctx, ordered.account_id)))
        payer.invoice_grouping = PER_SUBSCRIPTION
        ctx.session.flush()
        key = encode("subscription", ordered.id)
        dry = runs_on_request.tried(ctx, until, [encode("account", payer.id)])
        found = [document for document in dry.documents if document.invoice.grouping_key == key]
        drawn = [_pro_forma(ctx, document) for document in found]
    if not drawn:
        raise Conflict("nothing_to_bill", "This order would not be billed anything by then.")
    return PDF.render(drawn[0])


def _payer_of(ctx: Context, account_id: UUID) -> UUID:
    return ctx.session.get_one(Account, (ctx.provider.id, account_id)).payer_id


def _pro_forma(ctx: Context, dry: DryDocument) -> InvoiceDocument:
    said = invoicing_pdf.groups(dry.lines, dry.tiers)
    return _drawn(ctx, dry.invoice, dry.lines, said, "pro_forma")


def statement_pdf(ctx: Context, found: Unbilled, currency: str | None) -> bytes:
    """What is not billed yet in one currency, without tax.

    Args:
        currency: by default the payer's.
    """
    money = currency or found.payer.currency
    due = [line for line, its in found.due if its == money]
    running = [each.line for each in found.running if each.currency == money]
    lines = [*due, *running]
    still = (_still(group) for group in invoicing_pdf.groups(running, found.tiers))
    said = merged([*invoicing_pdf.groups(due, found.tiers), *still])
    net = sum(line.amount for line in lines)
    sums = by_cost_centre((line.cost_centre, Money(line.amount, money)) for line in lines)
    statement = Invoice(
        provider_id=ctx.provider.id,
        account_id=found.payer.id,
        seller_id=found.payer.seller_id,
        currency=money,
        net_amount=net,
        total_amount=net,
        rounding_amount=0,
        taxes=[],
        cost_centres=[{"cost_centre": name or None, "net_amount": sums[name].minor} for name in sums],
    )
    return PDF.render(_drawn(ctx, statement, lines, said, "statement"))


def statement_csv(found: Unbilled) -> bytes:
    """Every line that is not billed yet, what is due before what is running."""
    due = [(line, currency, DUE) for line, currency in found.due]
    running = [(each.line, each.currency, SO_FAR) for each in found.running]
    rows = [{**invoicing_lines.row(line, currency), "state": state} for line, currency, state in [*due, *running]]
    return lines_csv.write(rows, names=True, columns=lines_csv.UNBILLED)


def _drawn(
    ctx: Context, invoice: Invoice, lines: Sequence[InvoiceLine], said: Sequence[BeneficiaryGroup], kind: Kind
) -> InvoiceDocument:
    """A document that is none, with its parties as they are now."""
    account = ctx.session.get_one(Account, (ctx.provider.id, invoice.account_id))
    seller = ctx.session.get_one(Seller, (ctx.provider.id, invoice.seller_id))
    invoice.seller_snapshot, invoice.buyer_snapshot = seller_snapshot(ctx, seller), buyer_snapshot(account)
    invoice.payment_instructions = dict(NOTHING)
    invoice.purchase_order = invoice.purchase_order or account.purchase_order
    invoice.issued_on = local_date(ctx.now, account.time_zone)
    invoice.due_at = due_at(invoice.issued_on, seller.payment_terms_days, account.time_zone)
    many = len(lines) > invoicing_lines.SHOWN_MOST
    if many:
        said = summed(said)
    apart = len(lines) if many else 0
    drawn = invoicing_pdf.written(ctx, invoice, said, _supply(lines), lines_apart=apart, kind=kind)
    return replace(drawn, due_on=None)


def _supply(lines: Sequence[InvoiceLine]) -> Period | None:
    spans = [line for line in lines if line.start_at < line.end_at]
    if not spans:
        return None
    return Period(utc(min(line.start_at for line in spans)), utc(max(line.end_at for line in spans)))


def _still(group: BeneficiaryGroup) -> BeneficiaryGroup:
    def running(sub: SubscriptionGroup) -> SubscriptionGroup:
        return replace(sub, lines=tuple(replace(line, so_far=True) for line in sub.lines))

    return replace(group, subscriptions=tuple(map(running, group.subscriptions)))


def merged(found: Iterable[BeneficiaryGroup]) -> tuple[BeneficiaryGroup, ...]:
    """The same lines with each beneficiary and each of its subscriptions once, in the order in which they come."""
    by_name: dict[str, dict[tuple[str, str, str], list[DocumentLine]]] = {}
    for group in found:
        subscriptions_of = by_name.setdefault(group.name, {})
        for sub in group.subscriptions:
            subscriptions_of.setdefault((sub.name, sub.reference, sub.purchase_order), []).extend(sub.lines)
    return tuple(
        BeneficiaryGroup(
            name,
            tuple(
                SubscriptionGroup(title, tuple(lines), reference=reference, purchase_order=order)
                for (title, reference, order), lines in subs.items()
            ),
        )
        for name, subs in by_name.items()
    )


def summed(found: Iterable[BeneficiaryGroup]) -> tuple[BeneficiaryGroup, ...]:
    """What very many lines come to, by plan and charge."""
    plans: dict[str, dict[tuple[str, str, str, bool], list[DocumentLine]]] = {}
    for sub in chain.from_iterable(group.subscriptions for group in found):
        for line in sub.lines:
            key = (line.description, line.charge_code, line.unit, line.so_far)
            plans.setdefault(sub.name, {}).setdefault(key, []).append(line)
    subs = tuple(SubscriptionGroup(name, tuple(map(_sum, lines.values()))) for name, lines in plans.items())
    return (BeneficiaryGroup("", subs),)


def _sum(lines: Sequence[DocumentLine]) -> DocumentLine:
    first = lines[0]
    quantities = [line.quantity for line in lines if line.quantity is not None]
    spans = [line.span for line in lines if line.span]
    return replace(
        first,
        amount=sum(line.amount for line in lines),
        quantity=sum(quantities[1:], quantities[0]) if quantities else None,
        unit_price=None,
        price_note=f"{len(lines)}\N{MULTIPLICATION SIGN}",
        quality_note="",
        span=Period(min(s.start for s in spans), max(s.end for s in spans)) if spans else None,
        cost_centre="",
    )
