"""The life of a dunning case: what happens because one invoice was not paid.

A paused case whose invoice is paid goes on first and recovers then. An exhausted one is over: money that arrives later
settles the invoice and lifts the suspension, but the case stays as the record of what was tried.
"""

from billing.states.machine import Machine

OPEN, PAUSED, RECOVERED, EXHAUSTED = "open", "paused", "recovered", "exhausted"

PAUSE, UNPAUSE, RECOVER, EXHAUST = "pause", "unpause", "recover", "exhaust"

DUNNING_CASE = Machine(
    "dunning case",
    initial=OPEN,
    table={
        (OPEN, PAUSE): PAUSED,
        (PAUSED, UNPAUSE): OPEN,
        (OPEN, RECOVER): RECOVERED,
        (OPEN, EXHAUST): EXHAUSTED,  # the last step was taken
    },
)
