"""The life of one refund at a gateway, like that of an attempt. A refund of unknown result is asked about first."""

from billing.states.machine import Machine

CREATED, SUCCEEDED, FAILED, UNKNOWN = "created", "succeeded", "failed", "unknown"

SUCCEED, FAIL, LOSE = "succeed", "fail", "lose"

REFUND = Machine(
    "refund",
    initial=CREATED,
    table={
        (CREATED, SUCCEED): SUCCEEDED,
        (CREATED, FAIL): FAILED,
        (CREATED, LOSE): UNKNOWN,  # no answer, or the gateway has not decided yet
        (UNKNOWN, SUCCEED): SUCCEEDED,
        (UNKNOWN, FAIL): FAILED,
    },
)
