"""The life of a credit note. One of an invoice is issued as it is made; one that a run makes may wait for a person."""

from billing.states.machine import Machine

DRAFT, ISSUED, DISCARDED = "draft", "issued", "discarded"

ISSUE, DISCARD = "issue", "discard"

CREDIT_NOTE = Machine(
    "credit note",
    initial=DRAFT,
    table={
        (DRAFT, ISSUE): ISSUED,  # for good: a wrong one is put right by a charge
        (DRAFT, DISCARD): DISCARDED,  # never had a number
    },
)
