"""The life of an invoice. Overdue is derived from `due_at`, it is no state."""

from billing.states.machine import Machine

DRAFT, OPEN, PAID, VOID, UNCOLLECTIBLE, DISCARDED = "draft", "open", "paid", "void", "uncollectible", "discarded"

FINALIZE, DISCARD, SETTLE, CANCEL, WRITE_OFF, REOPEN = "finalize", "discard", "settle", "void", "write_off", "reopen"

# Documents that stand: what they charged can be credited.
CREDITABLE = (OPEN, PAID, UNCOLLECTIBLE)

INVOICE = Machine(
    "invoice",
    initial=DRAFT,
    table={
        (DRAFT, FINALIZE): OPEN,
        (DRAFT, DISCARD): DISCARDED,  # never had a number
        (OPEN, SETTLE): PAID,
        (OPEN, CANCEL): VOID,  # keeps its number
        (OPEN, WRITE_OFF): UNCOLLECTIBLE,
        (UNCOLLECTIBLE, SETTLE): PAID,  # money may still arrive
        (PAID, REOPEN): OPEN,  # returned debit, lost dispute
    },
)
