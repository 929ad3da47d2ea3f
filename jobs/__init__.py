"""The door of the clock and the queue: ids in, one service call, done.

Owns: the table of everything that can fall due (`due`), the table of reactions to our own events (`reactions`), the
schedule, the workers, the hints sent to the queue, the driver of sandbox clocks. rq is known here alone.
Does not own: what happens to a thing that is due (services).

The database is the truth, the queue is a hint: a job says "look now" for one kind of work of one provider, and finds
by query what there is to do. The schedule says the same once a second for whatever is due, so a queue that is lost,
with all that is in it, loses nothing. Every job may run twice, and any process may be killed at any instant.
"""
