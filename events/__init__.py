"""What we tell others: the catalogue of events, their signatures, and the sending of one.

Owns: which types of events there are and what each means; Standard Webhooks signatures; one HTTP request to an address
that somebody gave us, made safely.
Does not own: when an event happens (services), which deliveries there are (services, models). Values in, values out.
"""
