"""The life of the delivery of one event to one webhook endpoint."""

from billing.states.machine import Machine

PENDING, DELIVERED, RETRYING, DEAD = "pending", "delivered", "retrying", "dead"

DELIVER, RETRY, GIVE_UP, REPLAY = "deliver", "retry", "give_up", "replay"

DELIVERY = Machine(
    "delivery",
    initial=PENDING,
    table={
        (PENDING, DELIVER): DELIVERED,
        (PENDING, RETRY): RETRYING,
        (RETRYING, DELIVER): DELIVERED,
        (RETRYING, RETRY): RETRYING,
        (RETRYING, GIVE_UP): DEAD,
        (DEAD, REPLAY): PENDING,
        (DELIVERED, REPLAY): PENDING,  # the receiver lost it and asks again
    },
)
