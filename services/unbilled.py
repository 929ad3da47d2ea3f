"""What a payer has not been billed yet: what a billing run would bill now, and what running usage comes to so far.

The first is a dry run of exactly that, the second the functions that bill with the usage known by now. Nothing is
stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from billing.drawdown import drawn
from billing.periods import local_date
from billing.reductions import reduced
from billing.so_far import SoFar
from core.errors import Conflict
from core.ids import encode
from core.money import Money
from core.period import Period, rfc3339
from models.accounts import Account
from models.billing import BillingRunPayer, Invoice, InvoiceLine
from models.credit_notes import CreditNote, CreditNoteLine
from services import contract_items, invoicing_charges, invoicing_documents, lookups, runs_on_request
from services.closing import closed_by
from services.context import Context
from services.contract_items import Contracts
from services.credit_notes_drafts import SHARED
from services.invoicing_documents import Due
from services.invoicing_names import names_of
from services.runs_on_request import DryCreditNote, DryDocument
from services.savepoints import taken_back
from services.so_far import so_far

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Running:
    """A line of usage whose span runs, as it would be if nothing more were used."""

    line: InvoiceLine
    currency: str
    until: datetime


@dataclass(frozen=True)
class Sums:
    """What is not billed in one currency, in minor units: what is due now, and running usage."""

    currency: str
    due_net_amount: int = 0
    due_tax_amount: int = 0
    due_total_amount: int = 0
    usage_net_amount: int = 0
    usage_tax_amount: int = 0
    usage_total_amount: int = 0

    @property
    def net_amount(self) -> int:
        """Both together, without tax."""
        return self.due_net_amount + self.usage_net_amount


@dataclass(frozen=True)
class Unbilled:
    """What a payer has not been billed yet.

    Args:
        documents: what a billing run would make now; `credit_notes`, where charges come to less than nothing.
        run: what that run would say of the payer.
        running: usage that is not due yet, and the documents it would make by itself, for their taxes.
        running_notes: those of them that would be below zero, as prices that follow an index may be.
        unrated: usage that has no amount by now, since its price has none for what was used.
        tiers: how many prices made a line's amount, where there were several.
    """

    payer: Account
    as_of: datetime
    documents: Sequence[DryDocument]
    credit_notes: Sequence[DryCreditNote]
    run: BillingRunPayer
    running: Sequence[Running]
    running_documents: Sequence[Invoice]
    running_notes: Sequence[CreditNote]
    unrated: Sequence[SoFar]
    tiers: Mapping[UUID, int]

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """What could not be billed now and why, and usage that has no amount yet."""
        unrated = [
            {
                "code": "no_amount_yet",
                "detail": "The price has no amount for what was used so far.",
                "subscription": encode("subscription", each.item.subscription_id),
                "charge_code": each.item.charge_code,
                "span": {"start": rfc3339(each.span.start), "end": rfc3339(each.span.end)},
            }
            for each in self.unrated
        ]
        return [*waiting_of(self.run), *unrated]

    @property
    def due(self) -> list[tuple[InvoiceLine, str]]:
        """The lines that a billing run would bill now, each with its currency; those of credit notes as they would be
        on an invoice.
        """
        lines = [(line, each.invoice.currency) for each in self.documents for line in each.lines]
        return lines + [
            (_turned(line, each.note.currency), each.note.currency) for each in self.credit_notes for line in each.lines
        ]

    @property
    def sums(self) -> list[Sums]:
        """By currency, in the order of their codes."""
        found: defaultdict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        signed: list[tuple[str, int, Invoice | CreditNote]] = [
            *(("due", 1, document.invoice) for document in self.documents),
            *(("due", -1, credited.note) for credited in self.credit_notes),
            *(("usage", 1, invoice) for invoice in self.running_documents),
            *(("usage", -1, note) for note in self.running_notes),
        ]
        for kind, sign, document in signed:
            for member in ("net_amount", "tax_amount", "total_amount"):
                found[document.currency][f"{kind}_{member}"] += sign * getattr(document, member)
        return [Sums(currency, **found[currency]) for currency in sorted(found)]


def waiting_of(run: BillingRunPayer) -> list[dict[str, Any]]:
    """What a run could not bill a payer, and why: the payer as a whole, or single lines."""
    parked = [{"code": run.reason, "detail": run.detail}] if run.reason else []
    return [*parked, *run.waiting]


def _turned(line: CreditNoteLine, currency: str) -> InvoiceLine:
    """A credit note's line as the line that an invoice would have."""
    return InvoiceLine(
        **{name: getattr(line, name) for name in SHARED},
        id=line.id,
        quantity=line.quantity if line.quantity is not None else 1,
        exact=Money(-line.charged_amount, currency).major,
        amount=-line.amount,
        charged_amount=-line.charged_amount,
        reductions=[],
    )


def paying(ctx: Context, account_id: UUID) -> Account:
    """An account that the caller may see and that pays for itself.

    Raises:
        NotFound. Conflict: `account_does_not_pay`.
    """
    account = lookups.by_id(ctx, Account, "account", account_id, account=Account.id)
    if account.payer_id != account.id:
        detail = f"{encode('account', account.payer_id)} pays for this account: ask for that one."
        raise Conflict("account_does_not_pay", detail)
    return account


def unbilled(ctx: Context, account_id: UUID) -> Unbilled:
    """What a payer has not been billed by now.

    Raises:
        As `paying`.
    """
    payer = paying(ctx, account_id)
    with taken_back(ctx):
        dry = runs_on_request.tried(ctx, ctx.now, [encode("account", payer.id)])
        contracts = contract_items.load(ctx, [payer.id])
        running = _running(ctx, contracts)
        lines, documents, notes, tiers = _as_lines(ctx, payer, contracts, running)
    unrated = [each for each in running if each.rated is None]
    for document in dry.documents:
        tiers.update(document.tiers)
    made = (dry.documents, dry.credit_notes, dry.payers[0])
    return Unbilled(payer, dry.as_of, *made, lines, documents, notes, unrated, tiers)


def _running(ctx: Context, contracts: Contracts) -> list[SoFar]:
    """Usage of spans that a billing run does not take yet: those that have begun and are not closed."""
    asked = Period(closed_by(ctx, ctx.now), ctx.now + _TICK)
    return [each for each in so_far(ctx, [(item, asked) for item in contracts.items]) if not _is_billed(each)]


def _is_billed(each: SoFar) -> bool:
    return any(claim.span.start < each.span.end and claim.span.end > each.span.start for claim in each.item.claims)


def _as_lines(
    ctx: Context, payer: Account, contracts: Contracts, running: Sequence[SoFar]
) -> tuple[list[Running], list[Invoice], list[CreditNote], dict[UUID, int]]:
    """Running usage as the lines it would be on documents of its own, after coupons, with taxes; and beside each how
    many prices made it, where there were several.
    """
    charges = [each.charge for each in running]
    reductions = reduced(contracts.items, [charge for charge in charges if charge is not None], contracts.redeemed)
    proposed = (*reductions, *drawn(contracts.items, reductions, ctx.now))
    rows = {row["id"]: row for row in (invoicing_charges.row_of(ctx, charge, contracts) for charge in proposed)}
    due = Due(rows, frozenset(), names_of(ctx, list(rows.values())))
    bill_on = {payer.id: local_date(ctx.now, payer.time_zone)}
    planned = invoicing_documents.plan(ctx, None, bill_on, due, finalizes=True)
    made = {charge: InvoiceLine(**line) for charge, line in planned.lines(due)}
    made |= {
        charge: _turned(CreditNoteLine(**line), rows[charge]["currency"]) for charge, line in planned.note_lines.items()
    }
    lines, tiers = [], {}
    for charge_id, line in made.items():
        row = rows[charge_id]
        lines.append(Running(line, row["currency"], min(row["end_at"], ctx.now)))
        parts = row["inputs"].get("parts", ())
        if len(parts) > 1 and not any("runs" in part for part in parts):
            tiers[line.id] = len(parts)
    documents = [Invoice(**head) for head, _ in planned.invoices]
    return lines, documents, [CreditNote(**note) for note in planned.notes], tiers
