"""Every life of a thing as one frozen table `(state, action) -> state`.

Owns: which states exist and which action leads from one to the next.
Does not own: side effects, storing the state, the audit row of a change; the services do these.

Applying a table is the only way to a new state, anything else raises `core.errors.IllegalTransition`. A failed step is
a state of its own, so that a retry repeats only that step. `docs/states.md` is drawn from these tables.
"""

from billing.states.anomaly import ANOMALY
from billing.states.attempt import ATTEMPT
from billing.states.credit_note import CREDIT_NOTE
from billing.states.delivery import DELIVERY
from billing.states.dunning_case import DUNNING_CASE
from billing.states.invoice import INVOICE
from billing.states.machine import Machine
from billing.states.refund import REFUND
from billing.states.subscription import SUBSCRIPTION

ALL = (SUBSCRIPTION, INVOICE, CREDIT_NOTE, ATTEMPT, REFUND, DUNNING_CASE, DELIVERY, ANOMALY)

__all__ = [
    "ALL",
    "ANOMALY",
    "ATTEMPT",
    "CREDIT_NOTE",
    "DELIVERY",
    "DUNNING_CASE",
    "INVOICE",
    "REFUND",
    "SUBSCRIPTION",
    "Machine",
]
