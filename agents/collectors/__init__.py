"""Collectors: one file per protocol, found by the registry.

Owns: turning a device family's profile into requests, and answers into readings.
Does not own: when to poll, where readings go, profiles. Collectors do not import each other; what they share is in
`agents/collecting.py`.
"""
