"""The collecting agent: a program of its own that runs at the customer's site and talks HTTP to Busbar.

Owns: polling devices, knowing device families as data, keeping every reading in a local spool until the server has
acknowledged it, enrolment, following a sandbox's clock.
Does not own: what a step of a register means, quantities, money. It reports registers as they stand; deltas,
exchanges and resets are decided by the server. Of the house it imports `core` and nothing else.
"""
