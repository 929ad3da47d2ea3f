"""Dunning: an overdue invoice opens a case; a case is decided on and carried out, step by step; payment ends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from billing.dunning.decide import Case, Task, decide
from billing.dunning.policy import DEFAULT, Action, Policy, parse
from billing.states import DUNNING_CASE
from billing.states.dunning_case import EXHAUST, OPEN, PAUSE, PAUSED, RECOVER, UNPAUSE
from billing.states.invoice import OPEN as INVOICE_OPEN
from billing.states.invoice import UNCOLLECTIBLE
from core.ids import encode, new_id
from core.period import rfc3339
from models.accounts import Account
from models.billing import Invoice
from models.dunning import DunningCase, DunningStepDone
from models.providers import Provider
from services import audit, collection, lookups, outbox, provisioning, suspensions
from services.context import Context, visible
from services.dunning_letters import remind
from services.invoicing_view import invoice_json
from services.paging import Slice, Window, newest_first

JOB = "dunning"


def policy_of(ctx: Context) -> Policy:
    """The provider's policy, or the default one."""
    stored = ctx.provider.settings.dunning_policy
    return DEFAULT if stored is None else parse(stored)


def set_policy(ctx: Context, steps: Sequence[Mapping[str, Any]]) -> Policy:
    """Replace the provider's policy. Cases that are open keep the one they were opened under.

    Raises:
        Invalid: as `billing.dunning.policy.parse`.
    """
    policy = parse({"steps": list(steps)}, "")
    statement = select(Provider).where(Provider.id == ctx.provider.id).with_for_update()
    provider = ctx.session.scalars(statement).one()
    before, provider.settings = provider.settings, {**provider.settings, "dunning_policy": policy.as_json()}
    ctx.session.flush()
    audit.record(
        ctx,
        "provider",
        provider.id,
        "dunning_policy",
        before.get("dunning_policy"),
        {"dunning_policy": policy.as_json()},
    )
    return policy


def open_case(ctx: Context, invoice_id: UUID) -> None:
    """An invoice is overdue: open its case, once, under the policy as it is now."""
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, lock=True)
    if invoice.status != INVOICE_OPEN or not _owed(invoice) or invoice.due_at is None or invoice.due_at > ctx.now:
        return
    policy = policy_of(ctx)
    case_id = new_id()
    statement = upsert(DunningCase).values(
        provider_id=ctx.provider.id,
        id=case_id,
        invoice_id=invoice.id,
        account_id=invoice.account_id,
        status=DUNNING_CASE.initial,
        policy=policy.as_json(),
        opened_at=ctx.now,
        next_at=invoice.due_at + timedelta(days=policy.steps[0].after_days),
    )
    opened = statement.on_conflict_do_nothing(index_elements=["provider_id", "invoice_id"]).returning(DunningCase.id)
    if ctx.session.execute(opened).scalar_one_or_none() is None:
        return
    data = invoice_json(invoice) | {"dunning_case": encode("dunning_case", case_id)}
    outbox.emit(ctx, "invoice.overdue", "invoice", invoice.id, data, account_id=invoice.account_id)
    case = lookups.by_id(ctx, DunningCase, "dunning_case", case_id)
    _tell(ctx, "dunning_case.opened", case)


def work(ctx: Context, case_id: UUID) -> None:
    """Decide what is due of a case and do it; which steps were taken is written down with them."""
    case, invoice = _locked(ctx, case_id)
    if case.status != OPEN or case.next_at is None or case.next_at > ctx.now:
        return
    policy = parse(case.policy)
    prospect = collection.prospect(ctx, invoice)
    facts_now = Case(
        due_at=invoice.due_at or case.opened_at,
        owed=_owed(invoice),
        done={step.step: step.done_at for step in steps_done(ctx, [case.id])[case.id]},
        chargeable=prospect.chargeable,
        in_flight=prospect.in_flight,
    )
    decision = decide(policy, facts_now, ctx.now)
    for task in decision.tasks:
        _take(ctx, case, invoice, task)
    case.next_at = decision.next_at
    if decision.recovered:
        _recover(ctx, case)
    elif decision.exhausted:
        _exhaust(ctx, case)
    ctx.session.flush()


def recover(ctx: Context, invoice_id: UUID) -> None:
    """Nothing of an invoice is owed any more: its case is over, and what it had switched off is switched on again."""
    found = _case_of(ctx, invoice_id)
    if found is None:
        return
    case, invoice = _locked(ctx, found)
    if not _owed(invoice):
        _recover(ctx, case)


def give_up(ctx: Context, invoice_id: UUID) -> None:
    """An invoice was written off: nobody is reminded of it any more. What its case had switched off stays off."""
    found = _case_of(ctx, invoice_id)
    if found is None:
        return
    case, invoice = _locked(ctx, found)
    if invoice.status != UNCOLLECTIBLE or case.status not in (OPEN, PAUSED):
        return
    if case.status == PAUSED:
        case.status = DUNNING_CASE.apply(case.status, UNPAUSE)
    _exhaust(ctx, case)
    ctx.session.flush()


def look_again(ctx: Context, invoice_id: UUID) -> None:
    """A try has failed: what waited for its result is decided on now."""
    found = _case_of(ctx, invoice_id)
    if found is None:
        return
    case, _ = _locked(ctx, found)
    if case.status == OPEN and case.next_at is not None:
        # A moment ago, so that the driver of a clock sees another due instant than the one it has just done.
        case.next_at = min(case.next_at, ctx.now - timedelta(microseconds=1))
        ctx.wake(JOB, case.id)


def pause(ctx: Context, case_id: UUID) -> DunningCase:
    """Let a case rest, because the payer has promised to pay, say.

    Raises:
        NotFound. IllegalTransition: it is not open.
    """
    case = _visible(ctx, case_id)
    case.status = DUNNING_CASE.apply(case.status, PAUSE)
    ctx.session.flush()
    _tell(ctx, "dunning_case.paused", case)
    return case


def unpause(ctx: Context, case_id: UUID) -> DunningCase:
    """Let a case go on; what fell due meanwhile is decided on at once.

    Raises:
        NotFound. IllegalTransition: it is not paused.
    """
    case = _visible(ctx, case_id)
    case.status = DUNNING_CASE.apply(case.status, UNPAUSE)
    ctx.session.flush()
    _tell(ctx, "dunning_case.resumed", case)
    ctx.wake(JOB, case.id)
    return case


def get(ctx: Context, case_id: UUID) -> DunningCase:
    """One case."""
    return lookups.by_id(ctx, DunningCase, "dunning_case", case_id, account=DunningCase.account_id)


def list_cases(
    ctx: Context, window: Window, *, account: str | None = None, invoice: str | None = None, status: str | None = None
) -> Slice[DunningCase]:
    """Cases that the caller may see, newest first."""
    statement = select(DunningCase).where(
        DunningCase.provider_id == ctx.provider.id, visible(ctx, DunningCase.account_id)
    )
    if account is not None:
        owner = lookups.by_reference(ctx, Account, "account", account, pointer="?account", account=Account.id)
        statement = statement.where(DunningCase.account_id == owner.id)
    if invoice is not None:
        document = lookups.by_reference(
            ctx, Invoice, "invoice", invoice, pointer="?invoice", account=Invoice.account_id
        )
        statement = statement.where(DunningCase.invoice_id == document.id)
    if status is not None:
        statement = statement.where(DunningCase.status == status)
    return newest_first(ctx, statement, DunningCase.id, window)


def steps_done(ctx: Context, cases: Sequence[UUID]) -> dict[UUID, list[DunningStepDone]]:
    """The steps that were taken of each case, in their order."""
    found: dict[UUID, list[DunningStepDone]] = {case_id: [] for case_id in cases}
    rows = ctx.session.scalars(
        select(DunningStepDone)
        .where(DunningStepDone.provider_id == ctx.provider.id, DunningStepDone.case_id.in_(cases))
        .order_by(DunningStepDone.case_id, DunningStepDone.step)
    )
    for row in rows:
        found[row.case_id].append(row)
    return found


def page_of_facts(ctx: Context, window: Window, **filters: str | None) -> Slice[dict[str, Any]]:
    """A page of cases with their steps, as the API shows them; filters as of `list_cases`."""
    found = list_cases(ctx, window, **filters)
    done = steps_done(ctx, [case.id for case in found.rows])
    return found.map(lambda case: facts(case, done[case.id]))


def whole(ctx: Context, case: DunningCase) -> dict[str, Any]:
    """One case with its steps."""
    return facts(case, steps_done(ctx, [case.id])[case.id])


def facts(case: DunningCase, done: Sequence[DunningStepDone]) -> dict[str, Any]:
    """A case as the API and the events show it."""
    taken = {step.step: step for step in done}
    return {
        "id": encode("dunning_case", case.id),
        "invoice": encode("invoice", case.invoice_id),
        "account": encode("account", case.account_id),
        "status": case.status,
        "opened_at": rfc3339(case.opened_at),
        "next_at": rfc3339(case.next_at) if case.next_at and case.status == OPEN else None,
        "closed_at": rfc3339(case.closed_at) if case.closed_at else None,
        "steps": [_step_json(number, step, taken.get(number)) for number, step in enumerate(case.policy["steps"])],
    }


def _step_json(number: int, step: dict[str, Any], done: DunningStepDone | None) -> dict[str, Any]:
    return {
        "number": number,
        "after_days": step["after_days"],
        "action": step["action"],
        "done_at": rfc3339(done.done_at) if done else None,
        "skipped": done.detail.get("skipped") if done else None,
    }


def _owed(invoice: Invoice) -> bool:
    return invoice.status in (INVOICE_OPEN, UNCOLLECTIBLE) and invoice.total_amount > invoice.settled_amount


def _case_of(ctx: Context, invoice_id: UUID) -> UUID | None:
    statement = select(DunningCase.id).where(
        DunningCase.provider_id == ctx.provider.id, DunningCase.invoice_id == invoice_id
    )
    return ctx.session.scalars(statement).one_or_none()


def _locked(ctx: Context, case_id: UUID) -> tuple[DunningCase, Invoice]:
    """A case and its invoice, the invoice locked first, as everybody does who settles it."""
    invoice_id = lookups.by_id(ctx, DunningCase, "dunning_case", case_id).invoice_id
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, lock=True)
    return lookups.by_id(ctx, DunningCase, "dunning_case", case_id, lock=True), invoice


def _visible(ctx: Context, case_id: UUID) -> DunningCase:
    return lookups.by_id(ctx, DunningCase, "dunning_case", case_id, account=DunningCase.account_id, lock=True)


def _take(ctx: Context, case: DunningCase, invoice: Invoice, task: Task) -> None:
    """Take one step. Its row comes first: a step that was taken by another is not taken again."""
    step = upsert(DunningStepDone).values(
        provider_id=ctx.provider.id,
        case_id=case.id,
        step=task.step,
        action=task.action.value,
        done_at=ctx.now,
        detail={"skipped": task.skipped} if task.skipped else {},
    )
    if ctx.session.execute(step.on_conflict_do_nothing().returning(DunningStepDone.step)).first() is None:
        return
    if task.skipped is None:
        _act(ctx, case, invoice, task.action)
    _tell(ctx, "dunning_case.step_taken", case, {"step": task.step, "action": task.action, "skipped": task.skipped})


def _act(ctx: Context, case: DunningCase, invoice: Invoice, action: Action) -> None:
    if action is Action.REMIND:
        remind(ctx, case, invoice)
    elif action is Action.RETRY:
        collection.collect(ctx, invoice.id, "dunning")
    elif action is Action.SUSPEND:
        suspensions.suspend(ctx, suspensions.billed_by(ctx, invoice.id), case.id)
    else:
        for subscription_id in suspensions.of_case(ctx, case.id):
            provisioning.deprovision(ctx, subscription_id, suspensions.DUNNING)


def _exhaust(ctx: Context, case: DunningCase) -> None:
    case.status, case.closed_at, case.next_at = DUNNING_CASE.apply(case.status, EXHAUST), ctx.now, None
    _tell(ctx, "dunning_case.exhausted", case)


def _recover(ctx: Context, case: DunningCase) -> None:
    """An exhausted case stays what it is: the record of what was tried. Its suspensions are lifted all the same."""
    if case.status == PAUSED:
        case.status = DUNNING_CASE.apply(case.status, UNPAUSE)
    if case.status == OPEN:
        case.status, case.closed_at, case.next_at = DUNNING_CASE.apply(case.status, RECOVER), ctx.now, None
        ctx.session.flush()
        _tell(ctx, "dunning_case.recovered", case)
    suspensions.lift(ctx, case.id)


def _tell(ctx: Context, event_type: str, case: DunningCase, more: dict[str, Any] | None = None) -> None:
    data = whole(ctx, case) | (more or {})
    outbox.emit(ctx, event_type, "dunning_case", case.id, data, account_id=case.account_id)
