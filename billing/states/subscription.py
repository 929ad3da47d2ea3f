"""The life of a subscription. Scheduled changes are rows with an effective instant, not states."""

from billing.states.machine import Machine

PENDING, TRIALING, ACTIVE, SUSPENDED, PAUSED = "pending", "trialing", "active", "suspended", "paused"
CANCELLED, EXPIRED = "cancelled", "expired"

START, START_TRIAL, END_TRIAL = "start", "start_trial", "end_trial"
SUSPEND, RESUME, PAUSE, UNPAUSE, CANCEL, EXPIRE = "suspend", "resume", "pause", "unpause", "cancel", "expire"

SUBSCRIPTION = Machine(
    "subscription",
    initial=PENDING,
    table={
        (PENDING, START): ACTIVE,
        (PENDING, START_TRIAL): TRIALING,
        (PENDING, CANCEL): CANCELLED,
        (TRIALING, END_TRIAL): ACTIVE,
        (TRIALING, SUSPEND): SUSPENDED,
        (TRIALING, CANCEL): CANCELLED,
        (ACTIVE, SUSPEND): SUSPENDED,
        (ACTIVE, PAUSE): PAUSED,
        (ACTIVE, CANCEL): CANCELLED,
        (ACTIVE, EXPIRE): EXPIRED,  # a fixed term has run out
        (SUSPENDED, RESUME): ACTIVE,  # no reason to be off is left
        (SUSPENDED, CANCEL): CANCELLED,
        (SUSPENDED, EXPIRE): EXPIRED,
        (PAUSED, UNPAUSE): ACTIVE,
        (PAUSED, CANCEL): CANCELLED,
        (PAUSED, EXPIRE): EXPIRED,
    },
)
