"""Stateful stand-ins for what is not ours, as programs of their own: a card gateway, a rack PDU.

Owns: behaviour that the outside would show us over its real protocol, for tests, the demo and sandboxes.
Does not own: anything of the house. It imports `core` at most, and nothing of the house imports it.
"""
