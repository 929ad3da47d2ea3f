"""Aggregations: how the slots of a span become the quantity that a price is applied to.

Owns: one file per aggregation, each with a `PLUGIN` of the shape `protocol.Aggregation`. Adding a file adds an
aggregation: the registry, the API's list of names and the contract tests pick it up, and its examples are its tests.
Does not own: where usage is kept, and multipliers, rounding or tiers, which belong to prices.

`plugins("billing.metering.aggregations")` of `core.registry` gives them by name.
"""
