"""One request, one job, one command: one transaction. Nothing else in the house commits."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from core.errors import NotFound
from runtime.house import House, house
from services.clock import system_now
from services.context import Context, Provider, ProviderSettings, Waker

log = logging.getLogger(__name__)

# Everything is local to the transaction, so a pooled connection carries nothing to the next.
ENTER = (
    "SELECT set_config('role', %(role)s, true), set_config('busbar.provider', %(provider)s, true),"
    " set_config('busbar.actor', %(actor)s, true), set_config('busbar.request', %(request)s, true),"
    " set_config('lock_timeout', '10s', true), set_config('statement_timeout', %(timeout)s, true)"
)
LOAD = "SELECT * FROM busbar_enter(%(role)s, %(provider)s::uuid, %(actor)s, %(request)s, %(timeout)s)"
TIMEOUT = "60s"
TIMEOUT_BULK = "900s"


@dataclass
class _Wakers:
    send: Waker | None = None


_wakers = _Wakers()


def wake_with(waker: Waker | None) -> None:
    """Say who sends hints to the queue. Without one, sweeps find the work."""
    _wakers.send = waker


@contextmanager
def unit(
    provider_id: UUID,
    *,
    actor: str,
    scope: frozenset[UUID] | None = None,
    request_id: str | None = None,
    bulk: bool = False,
    within: House | None = None,
) -> Iterator[Context]:
    """A transaction of one tenant: committed when the block ends, rolled back when it raises.

    Args:
        actor: who acts, for the audit trail: `api_key:key_…`, `job:billing`, `cli`.
        scope: roots of the account subtrees the caller may see; None for everything.
        bulk: allow long statements (billing runs, imports).

    Raises:
        NotFound: there is no such provider.
    """
    home = within or house()
    with Session(home.engine, expire_on_commit=False) as session:
        session.begin()
        try:
            ctx = _enter(session, home, provider_id, actor, scope, request_id, bulk)
            yield ctx
            session.commit()
        except BaseException:
            session.rollback()
            raise
    _send(ctx)


def _enter(
    session: Session,
    home: House,
    provider_id: UUID,
    actor: str,
    scope: frozenset[UUID] | None,
    request_id: str | None,
    bulk: bool,
) -> Context:
    parameters = {
        "role": "busbar_app",
        "provider": str(provider_id),
        "actor": actor,
        "request": request_id or "",
        "timeout": TIMEOUT_BULK if bulk else TIMEOUT,
    }
    row = session.connection().exec_driver_sql(LOAD, parameters).one_or_none()
    if row is None:
        raise NotFound("provider", provider_id)
    found, name, sandbox, country, time_zone, currency, settings, clock = row
    provider = Provider(found, name, sandbox, country, time_zone, currency, ProviderSettings.read(settings))
    now = clock if sandbox else system_now()
    return Context(session, provider, actor, scope, now, home.kit, request_id)


def _send(ctx: Context) -> None:
    """Hints go out after the commit; a queue that is down costs time, not work."""
    if _wakers.send is None:
        return
    for job, ids in ctx.hints:
        try:
            _wakers.send(job, ctx.provider.id, ids)
        except Exception as error:  # noqa: BLE001  (whatever the queue's client raises: sweeps find the work)
            log.warning("hint not sent", extra={"job": job, "error": type(error).__name__})
            return


@contextmanager
def founding(provider_id: UUID, *, actor: str, within: House | None = None) -> Iterator[Session]:
    """The transaction in which a provider is made: it has an id, and no row yet."""
    home = within or house()
    with Session(home.engine, expire_on_commit=False) as session, session.begin():
        parameters = {
            "role": "busbar_app",
            "provider": str(provider_id),
            "actor": actor,
            "request": "",
            "timeout": TIMEOUT,
        }
        session.connection().exec_driver_sql(ENTER, parameters)
        yield session


@contextmanager
def dispatch(*, within: House | None = None) -> Iterator[Session]:
    """A read-only look over all tenants, at the columns that find work and credentials; nothing else is granted."""
    home = within or house()
    with Session(home.engine, expire_on_commit=False) as session, session.begin():
        parameters = {"role": "busbar_dispatch", "provider": "", "actor": "dispatch", "request": "", "timeout": TIMEOUT}
        session.connection().exec_driver_sql(ENTER, parameters)
        yield session
