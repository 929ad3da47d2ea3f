"""The life of a doubt about readings."""

from billing.states.machine import Machine

OPEN, ACKNOWLEDGED, RESOLVED, DISMISSED = "open", "acknowledged", "resolved", "dismissed"

ACKNOWLEDGE, RESOLVE, DISMISS = "acknowledge", "resolve", "dismiss"

ANOMALY = Machine(
    "anomaly",
    initial=OPEN,
    table={
        (OPEN, ACKNOWLEDGE): ACKNOWLEDGED,
        (OPEN, RESOLVE): RESOLVED,  # by a person, or by late readings that explain it away
        (OPEN, DISMISS): DISMISSED,
        (ACKNOWLEDGED, RESOLVE): RESOLVED,
        (ACKNOWLEDGED, DISMISS): DISMISSED,
    },
)
