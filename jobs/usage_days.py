"""Usage summed by the day: one day in each transaction, so that who writes to that day waits a moment at most."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from runtime.unit import unit
from stores.usage import backend

ACTOR = "job:usage_days"
# By then nearly all of a day has come, and what comes later writes two rows instead of one. It is soon enough: whoever
# closes a month has the hours of its last day.
AFTER = timedelta(hours=6)


def sum_up(provider_id: UUID, _: Sequence[UUID]) -> None:
    """Sum a provider's next day; where there was nothing in it, pass over all empty days that follow."""
    with unit(provider_id, actor=ACTOR, bulk=True) as ctx:
        made = backend().sum_day(ctx.session, provider_id, ctx.now - AFTER)
    if made == 0:
        with unit(provider_id, actor=ACTOR, bulk=True) as ctx:
            backend().pass_empty_days(ctx.session, provider_id, ctx.now - AFTER)
