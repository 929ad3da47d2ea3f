"""The life of one attempt to collect a payment at a gateway.

An attempt of unknown result is asked about and then reconciled; it is never sent anew.
"""

from billing.states.machine import Machine

CREATED, SUBMITTED, SUCCEEDED, FAILED = "created", "submitted", "succeeded", "failed"
REQUIRES_ACTION, UNKNOWN = "requires_action", "unknown"

SUBMIT, SUCCEED, FAIL, ASK_CUSTOMER, LOSE = "submit", "succeed", "fail", "require_action", "lose"

ATTEMPT = Machine(
    "payment attempt",
    initial=CREATED,
    table={
        (CREATED, SUBMIT): SUBMITTED,
        (SUBMITTED, SUCCEED): SUCCEEDED,
        (SUBMITTED, FAIL): FAILED,
        (SUBMITTED, ASK_CUSTOMER): REQUIRES_ACTION,
        (SUBMITTED, LOSE): UNKNOWN,  # no answer: the charge may or may not have happened
        (REQUIRES_ACTION, SUCCEED): SUCCEEDED,
        (REQUIRES_ACTION, FAIL): FAILED,
        (UNKNOWN, SUCCEED): SUCCEEDED,
        (UNKNOWN, FAIL): FAILED,
    },
)
