"""Gateways: one file each behind one port.

Owns: how each gateway is spoken to, and how its answers become one vocabulary (`port.Outcome`, `port.Notice`).
Does not own: what is owed, who owes it, what is recorded. Values in, values out: no tables, no business clock.
A gateway's address is a value like its credentials; nothing here knows which server answers behind it.
"""
