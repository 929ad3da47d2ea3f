"""Billing runs that somebody asks for, and what can be asked of any run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select

from billing.periods import local_date
from core.errors import Conflict, Invalid
from models.accounts import Account
from models.billing import BillingRun, BillingRunPayer, Invoice, InvoiceLine
from models.credit_notes import CreditNote, CreditNoteLine
from models.subscriptions import Subscription
from services import contracts_ahead, draft_approval, invoicing_pdf, lookups, runs
from services.context import Context, visible
from services.credit_notes_view import credit_note_json
from services.credit_notes_view import line_json as note_line_json
from services.invoicing_view import invoice_json, line_json
from services.paging import Slice, Window, in_order, newest_first
from services.savepoints import taken_back
from services.sets import among

# A run for a few accounts is done while the caller waits; a dry run always is, so it has limits.
AT_ONCE_MOST = 25
DRY_MOST = 200
CHANGING_MOST = 200


@dataclass(frozen=True)
class RunView:
    """A run with how far it has come: payers by state, and drafts that wait for a person."""

    run: BillingRun
    pending: int
    billed: int
    parked: int
    awaiting: int


@dataclass(frozen=True)
class DryDocument:
    """An invoice that would be made, with its lines in order; `tiers` tells by line how many prices made its amount,
    where there were several.
    """

    invoice: Invoice
    lines: Sequence[InvoiceLine]
    tiers: Mapping[UUID, int]

    @property
    def json(self) -> dict[str, Any]:
        """As JSON values. Neither it nor its lines have an id, and no run has made it."""
        shown = _without_id(invoice_json(self.invoice)) | {"billing_run": None}
        return shown | {"lines": [_without_id(line_json(line)) for line in self.lines]}


@dataclass(frozen=True)
class DryCreditNote:
    """A credit note that would be made, with its lines in order."""

    note: CreditNote
    lines: Sequence[CreditNoteLine]

    @property
    def json(self) -> dict[str, Any]:
        """As JSON values. Neither it nor its lines have an id, and no run has made it."""
        shown = _without_id(credit_note_json(self.note)) | {"billing_run": None}
        return shown | {"lines": [_without_id(note_line_json(line)) for line in self.lines]}


def _without_id(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name != "id"}


@dataclass(frozen=True)
class DryRun:
    """What a run would do. Nothing of it is stored."""

    as_of: datetime
    documents: Sequence[DryDocument]
    credit_notes: Sequence[DryCreditNote]
    payers: Sequence[BillingRunPayer]


def create(
    ctx: Context,
    *,
    as_of: datetime | None = None,
    accounts: Sequence[str] | None = None,
    finalize: bool | None = None,
) -> RunView:
    """Bill everything that is due up to an instant. Billing also runs by itself: this is for what cannot wait.

    Args:
        as_of: now by default.
        accounts: whose payers are billed, by id or external id; all that the caller may see by default.
        finalize: whether the drafts become final by themselves; by default as the provider has set it.

    Raises:
        Invalid: `as_of_in_future`. UnknownReference: `account_unknown`.
    """
    until = as_of or ctx.now
    if until > ctx.now:
        raise Invalid("as_of_in_future", "Only a dry run looks ahead.", "/as_of")
    finalizes = not ctx.provider.settings.draft_review if finalize is None else finalize
    run = runs.make(ctx, until, runs.REQUEST, _payers(ctx, until, accounts), finalizes=finalizes)
    if _accounts(ctx, run.id) <= AT_ONCE_MOST:
        _work(ctx, run.id)
        ctx.session.refresh(run)
    return view(ctx, run)


def dry_run(
    ctx: Context, *, as_of: datetime | None = None, accounts: Sequence[str] | None = None, pointer: str = "/as_of"
) -> DryRun:
    """What `create` would bill, by doing it and taking it back: the same functions, nothing stored.

    Args:
        as_of: may lie ahead; then it is what would be billed if nobody did anything more until then: what is scheduled
            happens, orders start, trials and terms end.
        pointer: to `as_of`, where it was asked for.

    Raises:
        Invalid: `too_many_accounts`, `too_many_changes`. UnknownReference: `account_unknown`.
    """
    until = as_of or ctx.now
    with taken_back(ctx):
        if until > ctx.now:
            _let_pass(ctx, until, accounts, pointer)
        return tried(ctx, until, accounts)


def _let_pass(ctx: Context, until: datetime, accounts: Sequence[str] | None, pointer: str) -> None:
    """Do what falls due of all that these accounts' payers pay for.

    Raises:
        Invalid: `too_many_changes`: each is done as it will be, which takes its time.
    """
    payers = [payer_id for payer_id, _ in _payers(ctx, until, accounts)]
    tree = select(Account.id).where(Account.provider_id == ctx.provider.id, among(Account.payer_id, payers))
    paid_for = Subscription.account_id.in_(tree)
    if len(contracts_ahead.changing(ctx, paid_for, until)) > CHANGING_MOST:
        detail = f"More than {CHANGING_MOST} contracts change by then: look less far ahead, or at fewer accounts."
        raise Invalid("too_many_changes", detail, pointer)
    contracts_ahead.let_pass(ctx, paid_for, until)


def tried(ctx: Context, until: datetime, accounts: Sequence[str] | None) -> DryRun:
    """Do a dry run within `taken_back`: until that ends, what it billed is billed.

    Raises:
        Invalid: `too_many_accounts`. UnknownReference: `account_unknown`.
    """
    payers = _payers(ctx, until, accounts)
    if len(payers) > DRY_MOST:
        raise Invalid("too_many_accounts", f"A dry run is for {DRY_MOST} payers at most: name accounts.", "/accounts")
    run = runs.make(ctx, until, runs.REQUEST, payers, finalizes=True)
    _bill_all(ctx, run.id)
    return DryRun(until, _documents(ctx, run.id), _credit_notes(ctx, run.id), _payers_of(ctx, run.id))


def approve(ctx: Context, run_id: UUID) -> RunView:
    """Make all drafts of a run final that wait for a person; those of a large run by workers, in their order.

    Raises:
        NotFound. Conflict: `billing_run_running`, while it still bills.
    """
    run = lookups.by_id(ctx, BillingRun, "billing_run", run_id, lock=True)
    if run.status != "done":
        raise Conflict("billing_run_running", "This run still bills: wait until it is done.")
    approved = draft_approval.approve(ctx, run.id)
    if approved:
        run.status, run.finished_at = "running", None
        ctx.session.flush()
        ctx.wake(runs.JOB, run.id)
        if approved <= runs.CHUNK_FINAL:
            _finish(ctx, run.id)
        ctx.session.refresh(run)
    return view(ctx, run)


def _accounts(ctx: Context, run_id: UUID) -> int:
    """How many accounts a run bills: its payers, and all that they pay for."""
    counted = (
        select(func.count())
        .select_from(Account)
        .join(
            BillingRunPayer,
            and_(BillingRunPayer.provider_id == Account.provider_id, BillingRunPayer.payer_id == Account.payer_id),
        )
        .where(Account.provider_id == ctx.provider.id, BillingRunPayer.run_id == run_id)
    )
    return ctx.session.execute(counted).scalar_one()


def _work(ctx: Context, run_id: UUID) -> None:
    _bill_all(ctx, run_id)
    _finish(ctx, run_id)


def _finish(ctx: Context, run_id: UUID) -> None:
    while runs.finish(ctx, run_id):
        pass


def _bill_all(ctx: Context, run_id: UUID) -> None:
    while payers := runs.claim(ctx, run_id):
        runs.prepare(ctx, run_id, payers)
        runs.bill(ctx, run_id, payers)


def _payers(ctx: Context, as_of: datetime, accounts: Sequence[str] | None) -> list[tuple[UUID, date]]:
    """The payers of these accounts with the date that it is for each; all that may be seen when none are named."""
    own = select(Account.id, Account.time_zone).where(
        Account.provider_id == ctx.provider.id, Account.payer_id == Account.id, visible(ctx, Account.id)
    )
    if accounts is not None:
        named = [
            lookups.by_reference(ctx, Account, "account", reference, pointer=f"/accounts/{i}", account=Account.id)
            for i, reference in enumerate(accounts)
        ]
        own = own.where(Account.id.in_({account.payer_id for account in named}))
    return [(row.id, local_date(as_of, row.time_zone)) for row in ctx.session.execute(own.order_by(Account.id))]


def _payers_of(ctx: Context, run_id: UUID) -> Sequence[BillingRunPayer]:
    return ctx.session.scalars(
        select(BillingRunPayer)
        .where(BillingRunPayer.provider_id == ctx.provider.id, BillingRunPayer.run_id == run_id)
        .order_by(BillingRunPayer.payer_id)
        .execution_options(populate_existing=True)
    ).all()


def _credit_notes(ctx: Context, run_id: UUID) -> list[DryCreditNote]:
    notes = ctx.session.scalars(
        select(CreditNote)
        .where(CreditNote.provider_id == ctx.provider.id, CreditNote.run_id == run_id)
        .order_by(CreditNote.account_id, CreditNote.currency, CreditNote.id)
    ).all()
    table = CreditNoteLine
    lines: defaultdict[UUID, list[CreditNoteLine]] = defaultdict(list)
    wanted = among(table.credit_note_id, [note.id for note in notes])
    for line in ctx.session.scalars(
        select(table).where(table.provider_id == ctx.provider.id, wanted).order_by(table.position)
    ):
        lines[line.credit_note_id].append(line)
    return [DryCreditNote(note, lines[note.id]) for note in notes]


def _documents(ctx: Context, run_id: UUID) -> list[DryDocument]:
    invoices = ctx.session.scalars(
        select(Invoice)
        .where(Invoice.provider_id == ctx.provider.id, Invoice.run_id == run_id)
        .order_by(Invoice.account_id, Invoice.currency, Invoice.id)
    ).all()
    lines = ctx.session.scalars(
        select(InvoiceLine)
        .where(
            InvoiceLine.provider_id == ctx.provider.id,
            InvoiceLine.invoice_id.in_([invoice.id for invoice in invoices]),
        )
        .order_by(InvoiceLine.position)
    ).all()
    by_invoice: defaultdict[UUID, list[InvoiceLine]] = defaultdict(list)
    for line in lines:
        by_invoice[line.invoice_id].append(line)
    tiers = invoicing_pdf.tiers_of(ctx, [invoice.id for invoice in invoices])
    return [DryDocument(invoice, by_invoice[invoice.id], tiers) for invoice in invoices]


def get(ctx: Context, run_id: UUID) -> RunView:
    """One run with how far it has come."""
    return view(ctx, lookups.by_id(ctx, BillingRun, "billing_run", run_id))


def list_runs(ctx: Context, window: Window, *, status: str | None = None) -> Slice[RunView]:
    """Runs, newest first."""
    statement = select(BillingRun).where(BillingRun.provider_id == ctx.provider.id)
    if status is not None:
        statement = statement.where(BillingRun.status == status)
    page = newest_first(ctx, statement, BillingRun.id, window)
    ids = [run.id for run in page.rows]
    counted, awaiting = runs.counts(ctx, ids), draft_approval.count(ctx, ids)
    return page.map(lambda run: _view(run, counted.get(run.id, {}), awaiting.get(run.id, 0)))


def payers(ctx: Context, run_id: UUID, window: Window, *, status: str | None = None) -> Slice[BillingRunPayer]:
    """The payers of a run that the caller may see, in the order of ids: what became of each, and why one is parked."""
    run = lookups.by_id(ctx, BillingRun, "billing_run", run_id)
    statement = select(BillingRunPayer).where(
        BillingRunPayer.provider_id == ctx.provider.id,
        BillingRunPayer.run_id == run.id,
        visible(ctx, BillingRunPayer.payer_id),
    )
    if status is not None:
        statement = statement.where(BillingRunPayer.status == status)
    return in_order(ctx, statement, (BillingRunPayer.payer_id,), window)


def view(ctx: Context, run: BillingRun) -> RunView:
    """A run with its counts."""
    counted, awaiting = runs.counts(ctx, [run.id]), draft_approval.count(ctx, [run.id])
    return _view(run, counted.get(run.id, {}), awaiting.get(run.id, 0))


def _view(run: BillingRun, counted: Mapping[str, int], awaiting: int) -> RunView:
    return RunView(run, counted.get("pending", 0), counted.get("done", 0), counted.get("parked", 0), awaiting)
