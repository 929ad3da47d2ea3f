"""From a register to a billable quantity.

Owns: what a step between two readings means, epochs, intervals and their quality, cutting at hours and month ends,
gap estimates, the hour rollup, slots and the aggregations that reduce them.
Does not own: where readings and events are kept (`stores/usage`), prices (`billing/pricing`), devices' registers and
scales (`agents/profiles`). It reads no clock and no table: the past comes in as values.

The rules follow the order in which they must be asked; see `steps`.
"""
