"""A card gateway that speaks Stripe's HTTP shape, with cards that pay, decline and ask for authentication.

Owns: customers, payment methods, payment intents, charges, refunds, events, webhook endpoints and their signed
deliveries, idempotency keys, faults that can be switched on, and a count of all charges. Everything is kept in one
SQLite file, apart per secret key, and survives a kill.
Does not own: anything about Busbar. It is the gateway of sandboxes; a live provider talks to the real one.

Run: `python -m standins.gateway --port 0 --state gateway.sqlite`; the first line printed is its address.

Where it knowingly differs from Stripe: every test card may be attached to a customer (Stripe refuses to attach some
that always decline), so that a sandbox can hold a card which will be declined; routes and parameters it does not know
are refused instead of ignored.
"""
