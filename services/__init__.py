"""Use cases: load, call the engine, store, emit. The only floor that knows several rooms.

Owns: what the business does, as functions of a Context. Does not own: arithmetic and decisions (billing),
transactions and clocks (doors), what goes up (that travels by event).
"""
